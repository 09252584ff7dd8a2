package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// openContainer runs a command with vwrap as docker run -t would: vwrap is PID 1, and the leader of a session that has
// the terminal: it takes that from the session that the test made, which only root may do.
func openContainer(t *testing.T, command ...string) *window {
	t.Helper()
	argv := asFirst(t, append([]string{"setsid", "--ctty"}, command...)...)
	return openTerminal(t, noVault, argv, scenarioPath(t), "PS1=inner> ")
}

// TestContainerInterrupt: Ctrl-C reaches the command, and its status comes out: PID 1 cannot die of a signal.
func TestContainerInterrupt(t *testing.T) {
	t.Parallel()
	t.Run("handled", func(t *testing.T) {
		t.Parallel()
		w := openContainer(t, "vwrap", "--", "counter")
		w.expect(`up \d+\r\n`)
		w.interrupts()
		w.expectStatus(9)
	})
	for key, status := range map[string]int{ctrlC: 130, ctrlBackslash: 131} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			w := openContainer(t, "vwrap", "--", "sleeper")
			w.expect(`up \d+\r\n`)
			w.press(key)
			w.expectStatus(status)
		})
	}
}

// TestContainerSuspend: nobody could continue what Ctrl-Z stops, so it goes on at once.
func TestContainerSuspend(t *testing.T) {
	t.Parallel()
	w := openContainer(t, "vwrap", "--", "counter")
	w.expect(`up \d+\r\n`)
	for range 2 {
		w.press(ctrlZ)
		w.expect(`\^Zcontinued\r\n`)
	}
	w.interrupts()
	w.expectStatus(9)
}

// TestContainerResize: the command hears of each new size once.
func TestContainerResize(t *testing.T) {
	t.Parallel()
	w := openContainer(t, "vwrap", "--", "counter")
	w.expect(`up \d+\r\n`)
	for n := range 3 {
		check(t, pty.Setsize(w.master, &pty.Winsize{Rows: 20, Cols: uint16(60 + n)}))
		w.expect(`\bresized\r\n`)
		w.refuse(200*time.Millisecond, `resized`)
	}
	w.interrupts()
	w.expectStatus(9)
}

// TestContainerShell: a shell in a container does job control.
func TestContainerShell(t *testing.T) {
	t.Parallel()
	w := openContainer(t, append(vwrap("--"), plainBash.argv...)...)
	w.expect(`inner> `)
	if strings.Contains(w.text(), "no job control") {
		t.Error("there is no job control")
	}
	w.enter("counter")
	w.expect(`up \d+\r\n`)
	for range 2 {
		w.press(ctrlZ)
		w.expect(`Stopped`)
		w.expect(`inner> `)
		w.enter("fg")
		w.expect(`\ncontinued\r\n`)
	}
	w.interrupts()
	w.expect(`inner> `)
	w.enter("sleep 1000 &")
	w.expect(`\[1\] \d+`)
	w.enter("exit 5")
	w.expectStatus(5) // what is in the background is ended, with PID 1
}

// TestContainerTerminal: the command reads, is in the foreground, and leaves its modes in order when it is killed.
func TestContainerTerminal(t *testing.T) {
	t.Parallel()
	w := openContainer(t, "vwrap", "--", "sh", "-c", "place; cat; stty size; exit 4")
	w.expect(`foreground\r\n`)
	w.enter("hello")
	w.expect(`hello\r\nhello\r\n`)
	w.press(ctrlD)
	w.expect(`33 77\r\n`)
	w.expectStatus(4)
}

// TestContainerWindowClosed: the command hears that its terminal is gone.
func TestContainerWindowClosed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "heard")
	w := openContainer(t, "vwrap", "--", "witness", file)
	w.expect(`up \d+\r\n`)
	w.close()
	check(t, poll(patience, 10*time.Millisecond, func() error {
		heard, err := os.ReadFile(file)
		if err == nil && !strings.Contains(string(heard), "HUP\n") {
			err = fmt.Errorf("it heard %q", heard)
		}
		return err
	}))
}

// TestNamespaceUnderAShell: vwrap is PID 1 in a process group that began outside of its namespace.
func TestNamespaceUnderAShell(t *testing.T) {
	t.Parallel()
	needsNamespace(t)
	w := plainBash.open(t)
	before := w.modes()
	for range 2 {
		w.enter(newNamespace + " vwrap -- counter")
		w.expect(`up \d+\r\n`)
		w.interrupts()
		w.expect(`ready> `)
		w.expectLastStatus(plainBash, "9")
		w.sameModes(before, "vwrap has ended")
	}
	w.leave()
}

// TestLeaderSuspend: vwrap that leads the session, as a terminal emulator starts it, has no shell that could continue
// it: Ctrl-Z is undone.
func TestLeaderSuspend(t *testing.T) {
	t.Parallel()
	w := openTerminal(t, noVault, vwrap("--", "counter"), scenarioPath(t))
	command := number(t, w.expect(`up (\d+)\r\n`)[1])
	for range 2 {
		w.press(ctrlZ)
		w.expect(`\^Zcontinued\r\n`)
	}
	// STOP is meant: whoever sent it may continue the command.
	send(t, command, syscall.SIGSTOP)
	awaitFrozen(t, command)
	time.Sleep(200 * time.Millisecond)
	awaitFrozen(t, command)
	send(t, command, syscall.SIGCONT)
	w.expect(`continued\r\n`)
	w.interrupts()
	w.expectStatus(9)
}

// interrupts ends a counter in the foreground.
func (w *window) interrupts() {
	w.t.Helper()
	for n := range 3 {
		w.press(ctrlC)
		w.expect(fmt.Sprintf(`interrupted %d\r\n`, n+1))
	}
}
