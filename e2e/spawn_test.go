package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSpawnStrangersOutliveRotation: into a container whose PID 1 is vwrap others bring processes (`docker exec`; a
// development container's editor leaves a server there). When their parents are gone they are vwrap's children, but
// not its command's: a rotation leaves them alone.
func TestSpawnStrangersOutliveRotation(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	const listen = `trap 'echo $0 TERM; exit 0' TERM; echo $0 up; while :; do sleep 0.05; done`
	w := startAsFirst(t, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", `sh -c "$1" kin & echo up $KEY; exec sleep 1000`, "sh", listen), often(t, own)...)
	w.expect(`up first`)
	w.expect(`kin up`)
	stdout, err := os.OpenFile(w.out, os.O_WRONLY|os.O_APPEND, 0)
	check(t, err)
	defer stdout.Close()
	enter := exec.Command("nsenter", "--target", strconv.Itoa(w.onlyChild()), "--pid", "--mount", "setsid", "--fork", "sh", "-c", listen, "stranger")
	enter.Stdout = stdout
	check(t, enter.Run())
	w.expect(`stranger up`)
	check(t, own.put("dev/api", map[string]any{"key": "second"}))
	w.expect(`up second`)
	w.expect(`kin TERM`)
	if strings.Contains(w.said(), "stranger TERM") {
		t.Error("the rotation has ended a process that was brought in from outside")
	}
	check(t, syscall.Kill(w.onlyChild(), syscall.SIGTERM))
	w.expectStatus(143)
}

// background is a command that runs beside the test, vwrap mostly, without a terminal.
type background struct {
	*process
	t        *testing.T
	dir      string // it runs in, and nothing else
	out, err string // files of what it said
}

// startBackground starts argv in a folder of its own, in a session of its own. What is left of the session is killed when
// the test ends.
func startBackground(t *testing.T, argv []string, environ ...string) *background {
	t.Helper()
	dir := t.TempDir()
	w := &background{t: t, dir: dir, out: filepath.Join(dir, "out"), err: filepath.Join(dir, "err")}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, environ...)
	stdout, err := os.OpenFile(w.out, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	check(t, err)
	defer stdout.Close()
	stderr, err := os.OpenFile(w.err, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	check(t, err)
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	w.process, err = startProcess(cmd, syscall.SIGKILL)
	check(t, err)
	t.Cleanup(w.end)
	return w
}

// end leaves nothing of the session behind, and shows what was said where the test has failed.
func (w *background) end() {
	if w.running() {
		w.signal(syscall.SIGKILL)
	}
	<-w.exited
	for _, e := range sessionMembers(w.pid()) {
		syscall.Kill(e.pid, syscall.SIGKILL)
	}
	if w.t.Failed() {
		w.t.Logf("it said:\n%s\n%s", tail(w.said()), tail(w.complained()))
	}
}

func tail(text string) string { return text[max(0, len(text)-3000):] }

func (w *background) said() string { return w.read(w.out) }

func (w *background) complained() string { return w.read(w.err) }

func (w *background) read(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		w.t.Error(err)
	}
	return string(content)
}

// expect waits until the command has said what matches, and returns the last match with its groups.
func (w *background) expect(pattern string) []string {
	w.t.Helper()
	compiled := regexp.MustCompile(pattern)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		running := w.running()
		if all := compiled.FindAllStringSubmatch(w.said(), -1); len(all) > 0 {
			return all[len(all)-1]
		}
		if !running || time.Now().After(end) {
			w.t.Fatalf("the command has not said %s", pattern)
		}
	}
}

// expectStatus waits for the end.
func (w *background) expectStatus(want int) {
	w.t.Helper()
	if !w.waitFor(2 * time.Minute) {
		w.t.Fatal("it still runs")
	}
	if got := w.status(); got != want {
		w.t.Errorf("it ended with %d, not %d", got, want)
	}
}

// expectNothingLeft waits until no process of the session is left.
func (w *background) expectNothingLeft() {
	w.t.Helper()
	if err := poll(patience, 20*time.Millisecond, func() error {
		if left := sessionMembers(w.pid()); len(left) > 0 {
			return fmt.Errorf("still there: %+v", left)
		}
		return nil
	}); err != nil {
		w.t.Error(err)
	}
}

// tell makes a file in the command's folder that the command waits for.
func (w *background) tell(name string) {
	w.t.Helper()
	check(w.t, os.WriteFile(filepath.Join(w.dir, name), nil, 0o600))
}

// processEntry is one process of the machine.
type processEntry struct {
	pid, parent, session int
	name                 string
	state                byte
}

// processTable reads /proc (proc_pid_stat(5)).
func processTable() (table []processEntry) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		if e, err := readEntry(file); err == nil {
			table = append(table, e)
		}
	}
	return table
}

func readEntry(file string) (e processEntry, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return e, fmt.Errorf("read process: %w", err)
	}
	open, closed := bytes.IndexByte(content, '('), bytes.LastIndexByte(content, ')')
	if open < 1 || closed < open {
		return e, fmt.Errorf("read process: %q", content)
	}
	e.name = string(content[open+1 : closed])
	if e.pid, err = strconv.Atoi(strings.TrimSpace(string(content[:open]))); err != nil {
		return e, fmt.Errorf("read process: %w", err)
	}
	var group int
	if _, err := fmt.Sscanf(string(content[closed+1:]), " %c %d %d %d", &e.state, &e.parent, &group, &e.session); err != nil {
		return e, fmt.Errorf("read process: %w", err)
	}
	return e, nil
}

// sessionMembers are the processes of a session that have not ended.
func sessionMembers(session int) (found []processEntry) {
	for _, e := range processTable() {
		if e.session == session && e.state != 'Z' && e.state != 'X' {
			found = append(found, e)
		}
	}
	return found
}

// zombies are children of parent that have ended and that it has not reaped.
func zombies(parent int) (found []processEntry) {
	for _, e := range processTable() {
		if e.parent == parent && e.state == 'Z' {
			found = append(found, e)
		}
	}
	return found
}
