package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCheckLeaksWritesNothing: neither vwrap check leaks nor the git that it runs opens anything for writing but terminals and
// /dev/null, or makes, renames or removes a file.
func TestCheckLeaksWritesNothing(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
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
	log := filepath.Join(dir, "trace")
	run := exec.Command("strace", "-f", "-qq", "-o", log, "-e",
		"trace=/^(open|creat|mkdir|rename|link|symlink|unlink|mknod|truncate|ftruncate|memfd_create|execve)", "vwrap", "check", "leaks", "--history", "5", "-e", "KEY=vault:"+own.kv+"/dev/api#key", ".")
	run.Dir = tree
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token}
	said, err := run.CombinedOutput()
	if status := run.ProcessState.ExitCode(); status != 1 {
		t.Fatalf("status %d, %v: %s", status, err, said)
	}
	if out := string(said); !strings.Contains(out, "app.env:2:5: drift: has the value of KEY; git tracks the file") || strings.Contains(out, value) {
		t.Errorf("it says %s", out)
	}
	trace, err := os.ReadFile(log)
	check(t, err)
	writes := regexp.MustCompile(`O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE|\b(creat|mkdir\w*|rename\w*|link\w*|symlink\w*|unlink\w*|mknod\w*|f?truncate)\(`)
	harmless := regexp.MustCompile(`"(/dev/(null|tty|pts/\d+)|/proc/self/coredump_filter)"`) // vwrap keeps values out of core dumps
	for line := range strings.Lines(string(trace)) {
		if writes.MatchString(line) && !harmless.MatchString(line) {
			t.Error(line)
		}
	}
	if !strings.Contains(string(trace), `"cat-file"`) {
		t.Errorf("the trace has no git: %s", trace)
	}
}
