package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/vwrap/vwrap/e2e/built"
)

// TestNothingIsWritten runs the whole job under strace(1): a start with a login by AppRole, three rotations, an outage, a crash of the
// command, and looks at every file that vwrap opened and every byte that it wrote. No file is opened for writing; no value is written but
// into the sealed memory files; the token and the secret_id go to Vault alone (the token to a courier, too). fanotify(7) hears besides of
// every file that any process writes meanwhile. The same is seen on a root that cannot be written, and where a courier panics. Builds that
// leak are found out.
func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to trace what cannot be traced and to make a root that cannot be written")
	}
	leaky := func(how string) string {
		program := filepath.Join(t.TempDir(), "vwrap")
		check(t, built.Build("..", ".", program, "-tags", "urfave_cli_no_docs,leaky", "-ldflags", "-X github.com/vwrap/vwrap/internal/courier.leak="+how))
		return program
	}
	place := filepath.Join(t.TempDir(), "leak")
	for name, c := range map[string]struct {
		program  string
		readOnly bool
		panics   bool
		want     []string // what is found; nothing where it is as it should be
	}{
		"as it is":                  {program: filepath.Join(programs, "vwrap")},
		"on a read-only root":       {program: filepath.Join(programs, "vwrap"), readOnly: true},
		"a courier that panics":     {program: leaky("panic"), panics: true},
		"a build that writes":       {program: leaky("file:" + place), want: []string{"opens " + place + " for writing", "writes a value to ", place + " had a value in it"}},
		"a build that cleans up":    {program: leaky("gone:" + place + "2"), want: []string{place + "2 had a value in it"}},
		"a build that prints":       {program: leaky("print"), want: []string{"writes a value to "}},
		"a build that leaves files": {program: leaky("file:/dev/shm/" + filepath.Base(t.TempDir()) + randomHex(4)), want: []string{"has a value in it"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newTracedJob(t, c.program, c.readOnly)
			watch := watchFiles(t, append([]string{j.secretID}, j.values...), filepath.Join(j.dir, "secret-id"), "/", j.dir, os.TempDir(), "/dev/shm", "/run")
			j.run(c.panics)
			found := slices.Concat(j.trace(), j.left(), watch.end(t))
			if len(c.want) == 0 && len(found) > 0 {
				t.Errorf("%d things are written:\n%s", len(found), strings.Join(found, "\n"))
			}
			for _, want := range c.want {
				if !strings.Contains(strings.Join(found, "\n"), want) {
					t.Errorf("what this build does is not found (%s): %q", want, found)
				}
			}
		})
	}
}

// tracedJob is a wrapped command that is traced.
type tracedJob struct {
	t        *testing.T
	own      *tenant
	proxy    *faultyProxy
	address  string // of the proxy
	program  string
	readOnly bool
	dir      string   // the command's own, with HOME and TMPDIR
	log      string   // strace's
	values   []string // what may be written nowhere
	used     int      // of the values
	tokens   int      // that were seen in what is written
	secretID string
}

func newTracedJob(t *testing.T, program string, readOnly bool) *tracedJob {
	t.Helper()
	j := &tracedJob{t: t, own: newTestTenant(t), program: program, readOnly: readOnly, dir: t.TempDir(), log: filepath.Join(t.TempDir(), "trace")}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	j.address = listener.Addr().String()
	j.proxy = newProxy(listener, func() string { return j.own.vault.address })
	t.Cleanup(func() { j.proxy.server.Close() })
	for range 5 {
		j.values = append(j.values, "V-"+randomHex(8)+"/+\"é") // which encoders escape
	}
	j.newValue()
	j.allowLogin()
	return j
}

// allowLogin makes an AppRole for the job, and notes what it logs in by.
func (j *tracedJob) allowLogin() {
	v, name := j.own.vault, "job-"+j.own.tag
	policy := fmt.Sprintf(`path "%s/*" { capabilities = ["read", "list"] }`, j.own.kv)
	_, err := v.do(http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": policy})
	check(j.t, err)
	check(j.t, j.own.mountAuth("approle-"+j.own.tag))
	path := "auth/approle-" + j.own.tag + "/role/" + name
	_, err = v.do(http.MethodPost, path, map[string]any{"token_policies": name, "token_ttl": "1h"})
	check(j.t, err)
	role, err := v.do(http.MethodGet, path+"/role-id", nil)
	check(j.t, err)
	secret, err := v.do(http.MethodPost, path+"/secret-id", map[string]any{})
	check(j.t, err)
	j.secretID = fmt.Sprint(secret.Data["secret_id"])
	check(j.t, os.WriteFile(filepath.Join(j.dir, "secret-id"), []byte(j.secretID), 0o600))
	config := fmt.Sprintf("version: 1\nvault:\n  auth: {method: approle, mount: approle-%s, role_id: %s, secret_id_file: secret-id}\nenv:\n  KEY: vault:%s/dev/api#key\n  URL: http://${vault:%[3]s/dev/api#key | urlencode}@localhost/\nrotation: {poll: 1h, settle: 0s}\n",
		j.own.tag, role.Data["role_id"], j.own.kv)
	check(j.t, os.WriteFile(filepath.Join(j.dir, "vwrap.yaml"), []byte(config), 0o600))
}

// newValue changes the secret.
func (j *tracedJob) newValue() {
	check(j.t, j.own.put("dev/api", map[string]any{"key": j.values[j.used]}))
	j.used++
}

// run does the job; with panics, its first courier ends before there is a command.
func (j *tracedJob) run(panics bool) {
	j.t.Helper()
	calls := "open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg,execve,clone,clone3,fork,vfork,rename,renameat,renameat2,link,linkat,mkdir,mkdirat"
	argv := []string{"strace", "-f", "-qq", "-yy", "-xx", "-s", "1000000", "-e", "trace=" + calls, "-e", "signal=none", "-o", j.log}
	if j.readOnly {
		argv = append(argv, "unshare", "--mount", "sh", "-c", `mount --make-rprivate / && for at in /tmp "$TMPDIR"; do mountpoint -q "$at" && mount -o remount,bind,ro "$at"; done; mount -o remount,bind,ro / && ! touch /tmp/x "$TMPDIR/x" 2>/dev/null && exec "$@"`, "sh")
	}
	argv = append(argv, j.program, "--log-level", "debug", "--", "sleep", "1000")
	runtimeDir := filepath.Join(j.dir, "run")
	if j.readOnly {
		runtimeDir = "/dev/shm/vwrap-job-" + j.own.tag
		j.t.Cleanup(func() { os.RemoveAll(runtimeDir) })
	}
	for _, folder := range []string{"home", "tmp"} {
		check(j.t, os.Mkdir(filepath.Join(j.dir, folder), 0o700))
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = j.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(j.dir, "home"), "TMPDIR=" + filepath.Join(j.dir, "tmp"),
		"VAULT_ADDR=http://" + j.address, "VWRAP_RUNTIME_DIR=" + runtimeDir, "VWRAP_CONFIG=" + filepath.Join(j.dir, "vwrap.yaml"),
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	traced, err := startProcess(cmd, syscall.SIGKILL)
	check(j.t, err)
	defer func() {
		if j.t.Failed() {
			j.t.Logf("it said:\n%s", said.String())
		}
	}()
	if panics {
		if !traced.waitFor(patience) || traced.status() != 125 {
			j.t.Errorf("vwrap ends with %d, want 125", traced.status())
		}
		if !strings.Contains(said.String(), "a panic for a test") {
			j.t.Error("no courier has panicked")
		}
		return
	}
	l := &live{background: &background{t: j.t, process: traced}}
	check(j.t, poll(patience, 10*time.Millisecond, func() error {
		found, err := filepath.Glob(filepath.Join(runtimeDir, "*.control"))
		if err != nil || len(found) != 1 {
			return errors.New("there is no control socket")
		}
		l.control = found[0]
		_, err = (&mode{live: l}).command()
		return err
	}))
	for range 3 {
		j.newValue()
		l.rotate()
	}
	j.proxy.set(fault{kind: "reset"})
	j.newValue()
	answer, err := over(l.control).Post("http://vwrap/v1/rotate", "application/json", strings.NewReader("{}"))
	check(j.t, err)
	answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		j.t.Error("there is a rotation in an outage")
	}
	j.proxy.set(fault{kind: "none"})
	l.rotate()
	command, err := (&mode{live: l}).command()
	check(j.t, err)
	check(j.t, syscall.Kill(command, syscall.SIGSEGV))
	if !traced.waitFor(patience) || traced.status() != 128+int(syscall.SIGSEGV) {
		j.t.Errorf("vwrap ends with %d, want the command's %d", traced.status(), 128+int(syscall.SIGSEGV))
	}
}

var (
	traceLine  = regexp.MustCompile(`^(\d+) +(\w+)\((.*)`)
	traceChild = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?(?:clone3?|v?fork)\b.*= (\d+)`)
	traceHex   = regexp.MustCompile(`(?:\\x[0-9a-f]{2})+`)
	traceToken = regexp.MustCompile(`hvs\.[A-Za-z0-9_-]{20,}`)
	traceTo    = regexp.MustCompile(`^\d+<(.*?)>, `)
)

// unhex is a text of strace's with its strings as they are.
func unhex(text string) string {
	return traceHex.ReplaceAllStringFunc(text, func(coded string) string {
		raw, err := hex.DecodeString(strings.ReplaceAll(coded, `\x`, ""))
		if err != nil {
			return coded
		}
		return string(raw)
	})
}

// trace says what vwrap's processes did that they must not: until each of them became the command.
func (j *tracedJob) trace() (found []string) {
	j.t.Helper()
	text, err := os.ReadFile(j.log)
	check(j.t, err)
	command := map[string]bool{} // by PID: what it does is the command's, or that of what starts vwrap
	began, opens, writes := false, 0, 0
	for line := range strings.Lines(string(text)) {
		if m := traceChild.FindStringSubmatch(line); m != nil {
			command[m[2]] = command[m[1]]
		}
		m := traceLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		pid, call, args := m[1], m[2], unhex(m[3])
		if call == "execve" {
			own := quotedIn(args) == j.program || strings.Contains(args, `["vwrap", `)
			began, command[pid] = began || own, !own
			continue
		}
		if !began || command[pid] {
			continue
		}
		switch {
		case strings.HasPrefix(call, "open"), call == "creat":
			opens++
			if path := quotedIn(args); opensToWrite(call, args) && !slices.Contains([]string{"/dev/null", "/dev/tty", "/proc/self/coredump_filter"}, path) {
				found = append(found, "opens "+path+" for writing")
			}
		case strings.HasPrefix(call, "rename"), strings.HasPrefix(call, "link"):
			if !strings.Contains(args, ".control") { // a socket gets its name when it listens
				found = append(found, call+" "+args)
			}
		case strings.HasPrefix(call, "write"), strings.HasPrefix(call, "pwrite"), strings.HasPrefix(call, "send"):
			writes++
			found = append(found, j.written(args)...)
		}
	}
	if opens == 0 || writes == 0 || j.tokens == 0 {
		j.t.Errorf("the trace shows %d opens, %d writes and %d tokens: it is not of vwrap", opens, writes, j.tokens)
	}
	return found
}

func quotedIn(args string) string {
	_, rest, _ := strings.Cut(args, `"`)
	path, _, _ := strings.Cut(rest, `"`)
	return path
}

func opensToWrite(call, args string) bool {
	flags := args[strings.LastIndexByte(args, '"')+1:]
	return call == "creat" || strings.Contains(flags, "O_WRONLY") || strings.Contains(flags, "O_RDWR") || strings.Contains(flags, "O_CREAT")
}

// written says what must not be in what a call writes where it does.
func (j *tracedJob) written(args string) (found []string) {
	to := args[:min(len(args), 60)]
	if m := traceTo.FindStringSubmatch(args); m != nil {
		to = m[1]
	}
	vault := strings.HasPrefix(to, "TCP:[") && strings.Contains(to, "->"+j.address)
	for _, value := range j.values {
		if !strings.Contains(to, "memfd:vwrap-generation") && holds(args, value) {
			found = append(found, "writes a value to "+to)
		}
	}
	if traceToken.MatchString(args) {
		j.tokens++
		if !vault && !strings.HasPrefix(to, "pipe:") { // to a courier
			found = append(found, "writes a token to "+to)
		}
	}
	if !vault && holds(args, j.secretID) {
		found = append(found, "writes the secret_id to "+to)
	}
	return found
}

// holds reports whether a text has a value in it, in any form that is looked for.
func holds(text, value string) bool {
	for _, form := range diskForms(value) {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func diskForms(value string) []string {
	var wide []byte
	for _, unit := range utf16.Encode([]rune(value)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	inJSON, _ := json.Marshal(value)
	forms := []string{value, string(wide), strings.Trim(string(inJSON), `"`), url.QueryEscape(value), url.PathEscape(value)}
	for _, e := range encodings(value) {
		forms = append(forms, string(e))
	}
	return append(forms, base64.URLEncoding.EncodeToString([]byte(value)))
}

// left says which files have a value, the token or the secret_id in them that were there for nobody before: in the job's own folders, and
// where programs leave things.
func (j *tracedJob) left() (found []string) {
	began, err := os.Stat(filepath.Join(j.dir, "home"))
	check(j.t, err)
	for _, root := range []string{j.dir, "/var/log", "/var/tmp", "/dev/shm", "/run"} {
		filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() || path == filepath.Join(j.dir, "secret-id") {
				return nil
			}
			info, err := e.Info()
			if err != nil || info.Size() > 64<<20 || info.ModTime().Before(began.ModTime().Add(-time.Second)) {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			for _, value := range append([]string{j.secretID}, j.values...) {
				if holds(string(text), value) {
					found = append(found, path+" has a value in it")
					if strings.HasPrefix(path, "/dev/shm/") {
						os.Remove(path)
					}
					return nil
				}
			}
			return nil
		})
	}
	return found
}

// mountAuth mounts AppRole at a path of the tenant's own.
func (t *tenant) mountAuth(path string) error {
	_, err := t.vault.do(http.MethodPost, "sys/auth/"+path, map[string]any{"type": "approle"})
	return err
}
