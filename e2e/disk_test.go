package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"
)

// TestNothingIsWritten runs the whole job under strace(1): a start with a login by AppRole, three rotations, an outage, a crash of the
// command, and looks at every file that vwrap opened and every byte that it wrote, and at what it executed. No file is opened for writing;
// no value is written but into the sealed memory files; the token and the secret_id go to Vault alone (the token to a courier, too); none of
// them is on a command line. fanotify(7) hears besides of every file that any process writes meanwhile. The same is seen on a root that
// cannot be written, where the command is signalled, its output masked and its live channel read, and where one of vwrap's processes panics
// with a secret in its hands. Builds that leak are found out.
func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to trace what cannot be traced and to hear of every file")
	}
	place := filepath.Join(t.TempDir(), "leak")
	for name, c := range map[string]struct {
		leak string // what the build does that it must not; "" is nothing
		kind kindOfJob
		want []string // what is found; nothing where it is as it should be
	}{
		"as it is":                            {},
		"on a read-only root":                 {kind: kindOfJob{readOnly: true}},
		"signalled, masked and live":          {kind: kindOfJob{live: true}},
		"a courier that panics":               {leak: "courier:panic", kind: kindOfJob{panics: 125}},
		"a supervisor that panics":            {leak: "login:panic", kind: kindOfJob{panics: 2}},
		"a masking process that panics":       {leak: "mask:panic", kind: kindOfJob{panics: 125, live: true}},
		"a build that writes":                 {leak: "courier:file:" + place, want: []string{"opens " + place + " for writing", "writes a value to ", place + " had a secret in it"}},
		"a build that cleans up":              {leak: "courier:gone:" + place + "2", want: []string{place + "2 had a secret in it"}},
		"a build that prints":                 {leak: "courier:print", want: []string{"writes a value to "}},
		"a build that leaves files":           {leak: "courier:file:/dev/shm/" + filepath.Base(t.TempDir()) + randomHex(4), want: []string{"has a secret in it"}},
		"a build that executes":               {leak: "courier:argv", want: []string{"executes a program with a value"}},
		"a build that writes when masking":    {leak: "mask:gone:" + place + "3", kind: kindOfJob{live: true}, want: []string{place + "3 had a secret in it", "writes a value to "}},
		"a build that writes its login":       {leak: "login:file:/dev/shm/" + filepath.Base(t.TempDir()) + randomHex(4), want: []string{"writes a token to ", "writes the secret_id to ", " has a secret in it", " had a secret in it"}},
		"a build that writes its login coded": {leak: "login:coded:" + place + "5", want: []string{"writes a token to ", "writes the secret_id to ", place + "5 had a secret in it"}},
		"a build that prints its login":       {leak: "login:print", want: []string{"writes a token to ", "writes the secret_id to "}},
		"a build that executes its login":     {leak: "login:argv", want: []string{"executes a program with a token", "executes a program with the secret_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(programs, "vwrap")
			if c.leak != "" {
				program = leakyVwrap(t, c.leak)
			}
			c.kind.short = len(c.want) > 0
			j := newTracedJob(t, program, c.kind)
			j.run()
			found := slices.Concat(j.trace(), j.left(), j.watch.end(t))
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

// TestFormsOnDisk: a value is found in each form in which a file may have it.
func TestFormsOnDisk(t *testing.T) {
	t.Parallel()
	const value = "V-12/+\"é"
	for name, text := range map[string]string{
		"as it is":        value,
		"JSON":            `{"a":"V-12/+\"é"}`,
		"JSON in ASCII":   `{"a":"V-12/+\"\u00e9"}`,
		"a Go literal":    `"V-12/+\"\u00e9"`,
		"a query":         "a=V-12%2F%2B%22%C3%A9&b=1",
		"a path":          "/V-12%2F+%22%C3%A9/",
		"hex":             "562d31322f2b22c3a9",
		"upper hex":       "562D31322F2B22C3A9",
		"base64":          "Vi0xMi8rIsOp",
		"base64 of more":  "eDpWLTEyLysiw6k6eQ==", // x:…:y
		"base64 for URLs": "Vi0xMi8rIsOp",
		"UTF-16, little":  "V\x00-\x001\x002\x00/\x00+\x00\"\x00\xe9\x00",
		"UTF-16, big":     "\x00V\x00-\x001\x002\x00/\x00+\x00\"\x00\xe9",
	} {
		if !holds("before "+text+" after", value) {
			t.Errorf("%s: %q is not found", name, text)
		}
	}
	for _, text := range []string{"", "V-12/+", "another text", "%56%2D"} {
		if holds(text, value) {
			t.Errorf("%q is found", text)
		}
	}
}

// kindOfJob says what is different in a job.
type kindOfJob struct {
	readOnly bool // no file system can be written
	live     bool // the command is signalled, its output masked, its live channel read
	panics   int  // one of vwrap's processes panics, before there is a command, and this is the status
	short    bool // no more than a start
}

// tracedJob is a wrapped command that is traced.
type tracedJob struct {
	printed  printout
	t        *testing.T
	own      *tenant
	proxy    *faultyProxy
	address  string // of the proxy
	program  string
	kind     kindOfJob
	dir      string   // the command's own, with HOME and TMPDIR
	log      string   // strace's
	values   []string // what may be written nowhere
	used     int      // of the values
	secretID string
	watch    *fileWatch

	mu     sync.Mutex // guards what follows
	tokens []string   // that Vault gave
}

func newTracedJob(t *testing.T, program string, kind kindOfJob) *tracedJob {
	t.Helper()
	j := &tracedJob{t: t, own: newTestTenant(t), program: program, kind: kind, dir: t.TempDir(), log: filepath.Join(t.TempDir(), "trace")}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	j.address = listener.Addr().String()
	j.proxy = newProxy(listener, func() string { return j.own.vault.address })
	t.Cleanup(func() { j.proxy.server.Close() })
	for range 5 {
		j.values = append(j.values, "V-"+randomHex(8)+"/+\"é") // which encoders escape
	}
	j.newValue()
	j.allowLogin("1h")
	j.watch = watchFiles(t, append([]string{j.secretID}, j.values...), filepath.Join(j.dir, "secret-id"), "/", j.dir, os.TempDir(), "/dev/shm", "/run")
	j.proxy.heard = j.noteTokens
	return j
}

var givenToken = regexp.MustCompile(`"client_token":"([^"]+)"`)

// noteTokens has the tokens of an answer looked for, before vwrap gets it.
func (j *tracedJob) noteTokens(answer []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range givenToken.FindAllSubmatch(answer, -1) {
		token := string(m[1])
		j.tokens = append(j.tokens, token)
		j.watch.add(token)
	}
}

// seen are the tokens that Vault gave.
func (j *tracedJob) seen() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.tokens)
}

// allowLogin makes an AppRole for the job, of tokens that live for ttl, and notes what it logs in by.
func (j *tracedJob) allowLogin(ttl string) {
	v, name := j.own.vault, "job-"+j.own.tag
	policy := fmt.Sprintf(`path "%s/*" { capabilities = ["read", "list"] }`, j.own.kv)
	_, err := v.do(http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": policy})
	check(j.t, err)
	check(j.t, j.own.mountAuth("approle-"+j.own.tag))
	path := "auth/approle-" + j.own.tag + "/role/" + name
	_, err = v.do(http.MethodPost, path, map[string]any{"token_policies": name, "token_ttl": ttl, "token_max_ttl": ttl})
	check(j.t, err)
	role, err := v.do(http.MethodGet, path+"/role-id", nil)
	check(j.t, err)
	secret, err := v.do(http.MethodPost, path+"/secret-id", map[string]any{})
	check(j.t, err)
	j.secretID = fmt.Sprint(secret.Data["secret_id"])
	check(j.t, os.WriteFile(filepath.Join(j.dir, "secret-id"), []byte(j.secretID), 0o600))
	rotation := "rotation: {poll: 1h, settle: 0s}\n"
	if j.kind.live {
		rotation = "rotation: {poll: 1h, settle: 0s, action: signal}\nlive: true\n"
	}
	config := fmt.Sprintf("version: 1\nvault:\n  auth: {method: approle, mount: approle-%s, role_id: %s, secret_id_file: secret-id}\nenv:\n  KEY: vault:%s/dev/api#key\n  URL: http://${vault:%[3]s/dev/api#key | urlencode}@localhost/\n%s",
		j.own.tag, role.Data["role_id"], j.own.kv, rotation)
	check(j.t, os.WriteFile(filepath.Join(j.dir, "vwrap.yaml"), []byte(config), 0o600))
}

// newValue changes the secret.
func (j *tracedJob) newValue() {
	check(j.t, j.own.put("dev/api", map[string]any{"key": j.values[j.used]}))
	j.used++
}

// argv starts the job.
func (j *tracedJob) argv() []string {
	calls := "open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg,execve,execveat,clone,clone3,fork,vfork,rename,renameat,renameat2,link,linkat,mkdir,mkdirat"
	argv := []string{"strace", "-f", "-qq", "-yy", "-xx", "-s", "1000000", "-e", "trace=" + calls, "-e", "signal=none", "-o", j.log}
	if j.kind.readOnly {
		argv = append(argv, "unshare", "-Urm", "sh", "-c", `mount --make-rprivate / && for at in /tmp "$TMPDIR"; do mountpoint -q "$at" && mount -o remount,bind,ro "$at"; done; mount -o remount,bind,ro / && ! touch /tmp/x "$TMPDIR/x" 2>/dev/null && exec "$@"`, "sh")
	}
	argv = append(argv, j.program, "--log-level", "debug")
	if j.kind.live {
		return append(argv, "--mask", "always", "--", "sh", "-c", `trap "" HUP; echo "key=$KEY"; exec sleep 1000`)
	}
	return append(argv, "--", "sleep", "1000")
}

// run does the job.
func (j *tracedJob) run() {
	j.t.Helper()
	argv := j.argv()
	runtimeDir := filepath.Join(j.dir, "run")
	if j.kind.readOnly {
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
	cmd.Stdout, cmd.Stderr = &j.printed, &said
	traced, err := startProcess(cmd, syscall.SIGKILL)
	check(j.t, err)
	defer func() {
		if j.t.Failed() {
			j.t.Logf("it said:\n%s", said.String())
		}
	}()
	want := j.kind.panics
	if want == 0 {
		want = j.rotations(traced, runtimeDir)
	}
	if !traced.waitFor(patience) || traced.status() != want {
		j.t.Errorf("vwrap ends with %d, want %d", traced.status(), want)
	}
	if j.kind.panics > 0 && !strings.Contains(said.String(), "a panic for a test") {
		j.t.Error("nothing has panicked")
	}
	if j.kind.live && j.kind.panics == 0 && !j.printed.masked() {
		j.t.Error("the command's output is not masked")
	}
}

// printout is what the command prints.
type printout struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (p *printout) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, text...)
	return len(text), nil
}

// masked reports whether the command has printed its key, and that was masked.
func (p *printout) masked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Contains(p.text, []byte("key=***\n"))
}

// rotations does what a job does while its command runs, and returns the status that it ends with.
func (j *tracedJob) rotations(traced *process, runtimeDir string) int {
	j.t.Helper()
	l := &live{background: &background{t: j.t, process: traced}}
	check(j.t, poll(patience, 10*time.Millisecond, func() error {
		found, err := filepath.Glob(filepath.Join(runtimeDir, "*.control"))
		if err != nil || len(found) != 1 {
			return errors.New("there is no control socket")
		}
		l.control = found[0]
		if found, err := filepath.Glob(filepath.Join(runtimeDir, "*.live")); err == nil && len(found) == 1 {
			l.live = found[0]
		}
		_, err = (&mode{live: l}).command()
		return err
	}))
	if !j.kind.short {
		for range 3 {
			j.rotateLive(l)
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
	}
	if j.kind.live { // a command that has just been executed has printed nothing yet
		check(j.t, poll(patience, 10*time.Millisecond, func() error {
			if !j.printed.masked() {
				return errors.New("the command has not printed its key, masked")
			}
			return nil
		}))
	}
	command, err := (&mode{live: l}).command()
	check(j.t, err)
	check(j.t, syscall.Kill(command, syscall.SIGSEGV))
	return 128 + int(syscall.SIGSEGV)
}

// rotateLive gives the command another value, and reads it where there is a live channel.
func (j *tracedJob) rotateLive(l *live) {
	j.t.Helper()
	j.newValue()
	l.rotate()
	if !j.kind.live {
		return
	}
	variables, err := l.read()
	check(j.t, err)
	if variables["KEY"] != j.values[j.used-1] {
		j.t.Errorf("the live channel has %q", variables["KEY"])
	}
}

var (
	traceLine   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)`)
	traceChild  = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?(?:clone3?|v?fork)\b.*= (\d+)`)
	traceLeader = regexp.MustCompile(`^(\d+) +\+\+\+ superseded by execve in pid (\d+)`)
	traceHex    = regexp.MustCompile(`(?:\\x[0-9a-f]{2})+`)
	traceTo     = regexp.MustCompile(`^\d+<(.*?)>, `)
	traceOrders = regexp.MustCompile(`(?s)^\d+<pipe:.*?>, ".{4}(?:\x06launch|\x07refresh|\x05probe)`) // as internal/wire has them
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
		if m := traceLeader.FindStringSubmatch(line); m != nil { // another thread has executed something
			command[m[1]] = command[m[2]]
		}
		m := traceLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		pid, call, args := m[1], m[2], unhex(m[3])
		if strings.HasPrefix(call, "execve") {
			found = append(found, j.executed(args)...)
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
			if !strings.Contains(args, ".control") && !strings.Contains(args, ".live") { // a socket gets its name when it listens
				found = append(found, call+" "+args)
			}
		case strings.HasPrefix(call, "write"), strings.HasPrefix(call, "pwrite"), strings.HasPrefix(call, "send"):
			writes++
			found = append(found, j.written(args)...)
		}
	}
	if opens == 0 || writes == 0 || len(j.seen()) == 0 {
		j.t.Errorf("the trace shows %d opens and %d writes, and Vault gave %d tokens: it is not of vwrap", opens, writes, len(j.seen()))
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
	courier := traceOrders.MatchString(args)
	for _, token := range j.seen() {
		if !vault && !courier && holds(args, token) {
			found = append(found, "writes a token to "+to)
		}
	}
	if !vault && holds(args, j.secretID) {
		found = append(found, "writes the secret_id to "+to)
	}
	return found
}

// executed says what must not be on a command line.
func (j *tracedJob) executed(args string) (found []string) {
	for what, secrets := range map[string][]string{"a value": j.values, "a token": j.seen(), "the secret_id": {j.secretID}} {
		if slices.ContainsFunc(secrets, func(secret string) bool { return holds(args, secret) }) {
			found = append(found, "executes a program with "+what)
		}
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
	var little, big []byte
	for _, unit := range utf16.Encode([]rune(value)) {
		little, big = binary.LittleEndian.AppendUint16(little, unit), binary.BigEndian.AppendUint16(big, unit)
	}
	inJSON, _ := json.Marshal(value)
	inside := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	forms := []string{value, string(little), string(big), inside(string(inJSON)), inside(strconv.QuoteToASCII(value)), url.QueryEscape(value), url.PathEscape(value)}
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
			if err != nil || !e.Type().IsRegular() || slices.Contains([]string{filepath.Join(j.dir, "secret-id"), j.log}, path) {
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
			for _, secret := range slices.Concat(j.values, j.seen(), []string{j.secretID}) {
				if holds(string(text), secret) {
					found = append(found, path+" has a secret in it")
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
