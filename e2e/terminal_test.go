package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Keys as a terminal sends them.
const (
	ctrlC         = "\x03"
	ctrlD         = "\x04"
	ctrlZ         = "\x1a"
	ctrlBackslash = "\x1c"
)

// patience is how long a terminal test waits for what has to come.
const patience = 30 * time.Second

// TestTerminalInput: the command reads the terminal and writes to it, as without vwrap.
func TestTerminalInput(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	w := openTerminal(t, own, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "cat"))
	w.press("hello\r")
	w.expect(`hello\r\nhello\r\n`) // the terminal's echo, then cat's
	w.press(ctrlD)
	w.expectStatus(0)
}

// TestTerminalForeground: the command is the terminal's foreground group.
func TestTerminalForeground(t *testing.T) {
	t.Parallel()
	w := openTerminal(t, newTestTenant(t), vwrap("--", "sh", "groups"))
	w.expect(`foreground`)
	w.expectStatus(0)
}

// TestTerminalInterrupt: Ctrl-C reaches the command, once, and vwrap ends as the command does.
func TestTerminalInterrupt(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	t.Run("handled", func(t *testing.T) {
		t.Parallel()
		w := openTerminal(t, own, vwrap("--", "sh", "loop"))
		w.expect(`up \d+`)
		w.press(ctrlC)
		w.expect(`interrupted 1\r\n`)
		w.refuse(time.Second, `interrupted 2`)
		w.press(ctrlC)
		w.expect(`interrupted 2\r\n`)
		w.press(ctrlC)
		w.expect(`interrupted 3\r\n`)
		w.expectStatus(9)
	})
	t.Run("not handled", func(t *testing.T) {
		t.Parallel()
		w := openTerminal(t, own, vwrap("--", "sh", "-c", "echo up; exec sleep 1000"))
		w.expect(`up`)
		w.press(ctrlC)
		w.expectStatus(130)
	})
	t.Run("quit", func(t *testing.T) {
		t.Parallel()
		w := openTerminal(t, own, vwrap("--", "sh", "-c", "echo up; exec sleep 1000"))
		w.expect(`up`)
		w.press(ctrlBackslash)
		w.expectStatus(131)
		if strings.Contains(w.text(), "goroutine") {
			t.Error("vwrap printed its stack")
		}
	})
}

// TestTerminalInterruptWhileFetching: before there is a command, Ctrl-C ends vwrap.
func TestTerminalInterruptWhileFetching(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, answers nothing
	check(t, err)
	t.Cleanup(func() { silent.Close() })
	for name, address := range map[string]string{"refused": "http://127.0.0.1:1", "silent": "http://" + silent.Addr().String()} {
		for _, once := range []string{"--once=false", "--once"} {
			t.Run(name+once, func(t *testing.T) {
				t.Parallel()
				w := openTerminal(t, own, vwrap(once, "--address", address, "-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "echo", "began"))
				time.Sleep(time.Second) // whether it is fetching by then or not: the outcome is the same
				w.press(ctrlC)
				w.expectStatus(130)
				if strings.Contains(w.text(), "began") {
					t.Error("the command was executed")
				}
			})
		}
	}
}

// TestTerminalSuspendWhileFetching: before there is a command, Ctrl-Z stops vwrap, and fg has it go on.
func TestTerminalSuspendWhileFetching(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { silent.Close() })
	for name, address := range map[string]string{"refused": "http://127.0.0.1:1", "silent": "http://" + silent.Addr().String()} {
		for form, line := range map[string]string{"alone": "%s", "redirected": "%s < vwrap.yaml", "in a pipeline": "%s | cat", "in a script": "sh -c '%s; exit $?'", "once": "%s"} {
			t.Run(name+", "+form, func(t *testing.T) {
				t.Parallel()
				w := openShell(t, own)
				command := fmt.Sprintf("vwrap --once=%v --start-timeout 10m --address %s -e KEY=vault:%s/dev/api#key -- echo began", form == "once", address, own.kv)
				w.enter(fmt.Sprintf(line, command))
				time.Sleep(time.Second) // whether it is fetching by then or not: the outcome is the same
				for range 2 {
					w.press(ctrlZ)
					w.expect(`Stopped`)
					w.expect(`ready> `)
					w.enter("fg")
					awaitContinued(t, w, "vwrap")
				}
				w.press(ctrlC)
				w.expect(`ready> `)
				w.expectLastStatus(plainBash, "130")
				w.leave()
			})
		}
	}
}

// TestTerminalSize: the command sees the window's size, and is told when it changes.
func TestTerminalSize(t *testing.T) {
	t.Parallel()
	w := openTerminal(t, newTestTenant(t), vwrap("--", "sh", "-c", `trap 'stty size' WINCH; trap 'exit 4' INT; stty size; while :; do sleep 0.1; done`))
	w.expect(`33 77\r\n`)
	check(t, pty.Setsize(w.master, &pty.Winsize{Rows: 40, Cols: 100}))
	w.expect(`40 100\r\n`)
	w.refuse(500*time.Millisecond, `40 100\r\n`)
	w.press(ctrlC)
	w.expectStatus(4)
}

// TestTerminalModes: what a command that is killed leaves of the terminal is put right; what one that ends by itself
// leaves is what it wanted.
func TestTerminalModes(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		w := openTerminal(t, own, vwrap("--", "sh", "-c", "stty raw -echo; kill -9 $$"))
		before := w.modes()
		w.expectStatus(137)
		if after := w.modes(); after != before {
			t.Errorf("the terminal's modes are %+v after, %+v before", after, before)
		}
	})
	t.Run("set", func(t *testing.T) {
		t.Parallel()
		w := openTerminal(t, own, vwrap("--", "stty", "-echo"))
		w.expectStatus(0)
		if w.modes().Lflag&unix.ECHO != 0 {
			t.Error("stty through vwrap has no effect")
		}
	})
}

// TestTerminalRotation: the command that is started anew has the terminal like the one before.
func TestTerminalRotation(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	w := openTerminal(t, own, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", `echo "up $KEY"; sh groups; while read line; do echo "$KEY got $line"; done; exit 6`))
	w.expect(`up first\r\n`)
	w.expect(`foreground`)
	w.press("a\r")
	w.expect(`first got a\r\n`)
	check(t, own.put("dev/api", map[string]any{"key": "second"}))
	w.expect(`up second\r\n`)
	w.expect(`foreground`)
	w.press("b\r")
	w.expect(`second got b\r\n`)
	w.press(ctrlD)
	w.expectStatus(6)
}

// TestTerminalModesAfterRotation: a command that was stopped in raw mode does not leave that to the next one.
func TestTerminalModesAfterRotation(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	w := openTerminal(t, own, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", `stty -a | grep -o '.icanon'; stty -icanon -echo; echo "up $KEY"; exec sleep 1000`))
	w.expect(` icanon`)
	w.expect(`up first`)
	check(t, own.put("dev/api", map[string]any{"key": "second"}))
	w.expect(` icanon`)
	w.expect(`up second`)
	w.press(ctrlC)
	w.expectStatus(130)
}

// TestTerminalShellIsLeftAlone: a bare interactive shell is not taken from under its user's hands.
func TestTerminalShellIsLeftAlone(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	w := openTerminal(t, own, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh"))
	w.press("echo \"pid=$$ $KEY.\"\r")
	pid := w.expect(`pid=(\d+) first\.`)[1]
	check(t, own.put("dev/api", map[string]any{"key": "second"}))
	w.expect(`vwrap: .*KEY`)
	w.press("echo \"pid=$$ $KEY.\"\r")
	if again := w.expect(`pid=(\d+) first\.`)[1]; again != pid {
		t.Errorf("the shell is %s now, it was %s", again, pid)
	}
	w.press("exit 3\r")
	w.expectStatus(3)
}

// TestTerminalJobControl: in an interactive shell vwrap is a job like the command itself would be.
func TestTerminalJobControl(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	reference := "-e 'KEY=vault:" + own.kv + "/dev/api#key'"
	t.Run("suspend", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("vwrap " + reference + " -- sh loop\r")
		child := number(t, w.expect(`up (\d+)\r\n`)[1])
		supervisor := parent(t, child)
		for range 2 {
			time.Sleep(50 * time.Millisecond) // a shell that waits for a child between vfork and exec cannot stop
			w.press(ctrlZ)
			w.expect(`Stopped`)
			w.expect(`ready> `)
			for _, pid := range []int{child, supervisor} {
				if err := poll(patience, 10*time.Millisecond, func() error { return expectFrozen(pid) }); err != nil {
					t.Errorf("process %d: %v", pid, err)
				}
			}
			w.press("fg\r")
			w.expect(`continued`)
		}
		w.press(ctrlC)
		w.expect(`interrupted 1`)
		w.press(ctrlC)
		w.expect(`interrupted 2`)
		w.press(ctrlC)
		w.expect(`ready> `)
		w.press("echo status=$?\r")
		w.expect(`status=9\r\n`)
		w.leave()
	})
	t.Run("background", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("vwrap " + reference + " -- sh loop\r")
		w.expect(`up (\d+)\r\n`)
		time.Sleep(50 * time.Millisecond) // a shell that waits for a child between vfork and exec cannot stop
		w.press(ctrlZ)
		w.expect(`Stopped`)
		w.press("bg\r")
		w.expect(`continued`)
		w.press("echo alive-$((1+1))\r")
		w.expect(`alive-2`)
		w.press("fg\r")
		w.expect(`fg\r\n`)
		time.Sleep(300 * time.Millisecond)
		w.press(ctrlC)
		w.expect(`interrupted 1`)
		w.press(ctrlC)
		w.expect(`interrupted 2`)
		w.press(ctrlC)
		w.expect(`ready> `)
		w.leave()
	})
	t.Run("begun in the background", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("vwrap " + reference + " -- sh loop &\r")
		w.expect(`up (\d+)\r\n`)
		w.press("fg\r")
		w.expect(`vwrap .*loop\r\n`)
		time.Sleep(300 * time.Millisecond)
		w.press(ctrlC)
		w.expect(`interrupted 1`)
		w.press(ctrlC)
		w.expect(`interrupted 2`)
		w.press(ctrlC)
		w.expect(`ready> `)
		w.leave()
	})
	t.Run("begun in the background and reading", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("vwrap " + reference + " -- sh -c 'echo up $$; exec cat' &\r")
		child := number(t, w.expect(`up (\d+)\r\n`)[1])
		if err := poll(patience, 10*time.Millisecond, func() error { return expectFrozen(child) }); err != nil {
			t.Errorf("it reads in the background: %v", err)
		}
		// Until the shell knows: it continues no job that it believes to run.
		check(t, poll(patience, 200*time.Millisecond, func() error {
			w.press("jobs\r")
			if !strings.Contains(w.text(), "Stopped") {
				return errors.New("the shell shows no stopped job")
			}
			return nil
		}))
		w.press("fg\r")
		w.expect(`vwrap .*cat'?\r\n`)
		w.press("hello\r")
		w.expect(`hello\r\n`) // the terminal's echo, then cat's
		w.expect(`hello\r\n`)
		w.press(ctrlD)
		w.expect(`ready> `)
		w.leave()
	})
}

// TestTerminalPipeline: vwrap is one part of a pipeline, which reads and is interrupted as a whole.
func TestTerminalPipeline(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	t.Run("first", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("vwrap -- echo pipe-x | tr x z\r")
		w.expect(`pipe-z\r\n`)
		w.expect(`ready> `)
		w.press("vwrap -- cat | tr a b\r")
		w.press("aaa\r")
		w.expect(`aaa\r\n`)
		w.press(ctrlD)
		w.expect(`bbb\r\n`)
		w.expect(`ready> `)
		w.leave()
	})
	t.Run("last", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("echo pipe-x | vwrap -- tr x z\r")
		w.expect(`pipe-z\r\n`)
		w.expect(`ready> `)
		w.leave()
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("vwrap -- sh loop | sh -c \"trap '' INT; exec cat\"\r")
		w.expect(`up (\d+)\r\n`)
		w.press(ctrlC)
		w.expect(`interrupted 1`)
		w.refuse(time.Second, `interrupted 2`)
		w.press(ctrlC)
		w.expect(`interrupted 2`)
		w.press(ctrlC)
		w.expect(`ready> `)
		w.press("echo status=${PIPESTATUS[0]}\r")
		w.expect(`status=\d+\r\n`)
		w.leave()
	})
	t.Run("suspended", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.press("vwrap -- sh loop | cat\r")
		child := number(t, w.expect(`up (\d+)\r\n`)[1])
		w.press(ctrlZ)
		w.expect(`Stopped`)
		if err := poll(patience, 10*time.Millisecond, func() error { return expectFrozen(child) }); err != nil {
			t.Error(err)
		}
		w.press("fg\r")
		w.expect(`continued`)
		// The first may be told before cat is gone: then it is the third that ends the loop.
		for range 3 {
			w.press(ctrlC)
			time.Sleep(200 * time.Millisecond)
		}
		w.expect(`ready> `)
		w.leave()
	})
}

// window is a terminal with a session on it.
type window struct {
	t      *testing.T
	master *os.File
	slave  *os.File // held open, so that the terminal outlives its session
	*process

	mu   sync.Mutex
	said []byte
	read int // what expect has passed
}

func vwrap(args ...string) []string { return append([]string{"vwrap"}, args...) }

// The scripts that lie in the folder of each terminal.
var terminalScripts = map[string]string{
	"vwrap.yaml": "version: 1\nrotation: {poll: 1s, settle: 200ms, stop_grace: 2s}\n",
	"groups":     `set -- $(ps -o tpgid=,pgid= -p $$); test "$1" = "$2" && echo foreground || echo "background: $*"` + "\n",
	"loop": `n=0
trap 'n=$((n+1)); echo "interrupted $n"; test $n -lt 3 || exit 9' INT
trap 'echo continued' CONT
sleep 1000 & # once: a shell that is stopped between vfork and exec shows neither as stopped
trap "kill $!" EXIT
echo "up $$"
while :; do wait; done
`,
}

// openTerminal runs argv as the leader of a session with a terminal of its own, 33 by 77.
func openTerminal(t *testing.T, own *tenant, argv []string, environ ...string) *window {
	t.Helper()
	dir := t.TempDir()
	for name, text := range terminalScripts {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	master, slave, err := pty.Open()
	check(t, err)
	check(t, pty.Setsize(master, &pty.Winsize{Rows: 33, Cols: 77}))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "LC_ALL=C",
		"VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token,
	}, environ...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setctty: true}
	p, err := startProcess(cmd, syscall.SIGKILL)
	check(t, err)
	w := &window{t: t, master: master, slave: slave, process: p}
	go w.listen()
	t.Cleanup(func() {
		p.stop(syscall.SIGHUP)
		killSession(p.pid())
		slave.Close()
		master.Close()
		if t.Failed() {
			t.Logf("the terminal showed:\n%s", w.text())
		}
	})
	return w
}

// openShell is a terminal with an interactive bash, which does job control.
func openShell(t *testing.T, own *tenant) *window {
	t.Helper()
	w := openTerminal(t, own, []string{"bash", "--norc", "--noprofile", "--noediting", "-i"}, "PS1=ready> ")
	w.expect(`ready> `)
	return w
}

// leave ends the shell of openShell.
func (w *window) leave() {
	w.t.Helper()
	w.press("exit 0\r")
	w.expectStatus(0)
}

func (w *window) listen() {
	buffer := make([]byte, 4096)
	for {
		n, err := w.master.Read(buffer)
		w.mu.Lock()
		w.said = append(w.said, buffer[:n]...)
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *window) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.said)
}

// press types keys.
func (w *window) press(keys string) {
	w.t.Helper()
	_, err := io.WriteString(w.master, keys)
	check(w.t, err)
}

// expect waits until the terminal shows pattern after what was expected before, and returns what matched.
func (w *window) expect(pattern string) []string {
	w.t.Helper()
	compiled := regexp.MustCompile(pattern)
	var found []string
	err := poll(patience, 10*time.Millisecond, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		at := compiled.FindSubmatchIndex(w.said[w.read:])
		if at == nil {
			return fmt.Errorf("the terminal does not show %q", pattern)
		}
		for i := 0; i < len(at); i += 2 {
			found = append(found, string(w.said[w.read+at[i]:w.read+at[i+1]]))
		}
		w.read += at[1]
		return nil
	})
	check(w.t, err)
	return found
}

// refuse looks for a while that pattern does not show after what was expected before.
func (w *window) refuse(during time.Duration, pattern string) {
	w.t.Helper()
	time.Sleep(during)
	w.mu.Lock()
	defer w.mu.Unlock()
	if regexp.MustCompile(pattern).Match(w.said[w.read:]) {
		w.t.Errorf("the terminal shows %q", pattern)
	}
}

func (w *window) expectStatus(want int) {
	w.t.Helper()
	if !w.waitFor(patience) {
		w.t.Fatalf("it still runs after %v", patience)
	}
	if got := w.status(); got != want {
		w.t.Errorf("it ended with %d, not %d", got, want)
	}
}

func (w *window) modes() unix.Termios {
	w.t.Helper()
	modes, err := unix.IoctlGetTermios(int(w.slave.Fd()), unix.TCGETS)
	check(w.t, err)
	return *modes
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// parent reads the process ID behind the state letter of /proc/PID/stat.
func parent(t *testing.T, pid int) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(t, err)
	_, rest, _ := strings.Cut(string(content), ") ")
	return number(t, strings.Fields(rest)[1])
}

// killSession ends what the leader of a session left: a stopped job outlives its shell. The session's number is the
// sixth field of /proc/PID/stat.
func killSession(leader int) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return
	}
	for _, name := range stats {
		content, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended since
		}
		_, rest, _ := strings.Cut(string(content), ") ")
		if fields := strings.Fields(rest); len(fields) > 3 && fields[3] == strconv.Itoa(leader) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}
