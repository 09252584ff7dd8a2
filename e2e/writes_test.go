package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// writing are the calls that open a file for writing, or make, rename or remove one; harmless is what may be written all the
// same: terminals, nothing, and what keeps values out of core dumps.
var (
	writing  = regexp.MustCompile(`O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE|\b(creat|mkdir\w*|rename\w*|link\w*|symlink\w*|unlink\w*|mknod\w*|f?truncate|chmod\w*|f?chown\w*|utime\w*)\(`)
	harmless = regexp.MustCompile(`"(/dev/(null|tty|pts/\d+)|/proc/self/coredump_filter)"`)
)

// writesNothing runs vwrap with args in dir, and complains where it, or what it runs, changes a file. It returns the status,
// what was said, and the trace.
func writesNothing(t *testing.T, dir string, environ []string, args ...string) (status int, said, trace string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "trace")
	run := exec.Command("strace", append([]string{
		"-f", "-qq", "-o", log, "-e",
		"trace=/^(open|creat|mkdir|rename|link|symlink|unlink|mknod|truncate|ftruncate|chmod|fchmod|chown|fchown|lchown|utime|memfd_create|execve)", "vwrap",
	}, args...)...)
	run.Dir, run.Env = dir, environ
	out, err := run.CombinedOutput()
	if run.ProcessState == nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	check(t, err)
	for line := range strings.Lines(string(text)) {
		if writing.MatchString(line) && !harmless.MatchString(line) {
			t.Error(line)
		}
	}
	return run.ProcessState.ExitCode(), string(out), string(text)
}

// TestCheckLeaksWritesNothing: neither vwrap check leaks nor the git that it runs.
func TestCheckLeaksWritesNothing(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	value := randomHex(16)
	check(t, own.put("dev/api", map[string]any{"key": value}))
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	check(t, os.Mkdir(tree, 0o700))
	check(t, os.WriteFile(filepath.Join(tree, "app.env"), []byte("A=1\nKEY="+value+"\n"), 0o600))
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "all"}} {
		git := exec.Command("git", append([]string{"-C", tree}, args...)...)
		if said, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, said)
		}
	}
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token}
	status, said, trace := writesNothing(t, tree, environ, "check", "leaks", "--history", "5", "-e", "KEY=vault:"+own.kv+"/dev/api#key", ".")
	if status != 1 || !strings.Contains(said, "app.env:2:5: drift: has the value of KEY; git tracks the file") || strings.Contains(said, value) {
		t.Errorf("status %d: it says %s", status, said)
	}
	if !strings.Contains(trace, `"cat-file"`) {
		t.Errorf("the trace has no git: %s", trace)
	}
}

// TestDoctorWritesNothing: neither vwrap doctor nor the direnv that it asks, also where there is something of everything that it
// looks at, and folders that another command would make are not there.
func TestDoctorWritesNothing(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	value := randomHex(16)
	check(t, own.put("dev/api", map[string]any{"key": value}))
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "tree", ".git"), 0o700))
	for name, text := range map[string]string{
		"tree/vwrap.yaml":   "version: 1\nlive: true\nenv: {KEY: \"vault:" + own.kv + "/dev/api#key\"}\n",
		"tree/compose.yaml": "services: {web: {command: [vwrap, --, npm], stop_grace_period: 3s}}\n",
		"tree/.envrc":       "use vwrap\n",
		"tree/.env.local":   "A=1\n",
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	environ := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "SHELL=/bin/bash", "TMPDIR=" + dir, "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"),
		"VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token,
	}
	_, said, trace := writesNothing(t, filepath.Join(dir, "tree"), environ, "doctor")
	for _, want := range []string{"KEY: there, and allowed", "web of compose.yaml: stop_grace_period is 3s", ".env.local is here", "direnv"} {
		if !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
	if strings.Contains(said, value) || !strings.Contains(trace, `"direnv", "status"`) {
		t.Errorf("it says %s\nand runs %s", said, trace)
	}
}
