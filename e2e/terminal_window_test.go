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

// TestResizedOnce: each new size of the window is told to the command once, wherever it stands.
func TestResizedOnce(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"alone":               "%scounter",
		"first of a pipeline": "%scounter | cat",
		"last of a pipeline":  "true | %scounter",
		"in a script":         "sh -c '%scounter; true'",
		"continued":           "%scounter",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				w.enter(fmt.Sprintf(line, via))
				command := number(t, w.expect(`up (\d+)\r\n`)[1])
				if name == "continued" {
					w.suspend(via, command)
					w.enter("fg")
					w.expect(`\ncontinued\r\n`)
				}
				for n := range 4 {
					check(t, pty.Setsize(w.master, &pty.Winsize{Rows: 20, Cols: uint16(60 + n)}))
					w.expect(`resized\r\n`)
					w.refuse(100*time.Millisecond, `resized`)
				}
				send(t, command, syscall.SIGKILL)
				w.expect(`ready> `)
				w.leave()
				return fmt.Sprintf("resized %d times", w.count("resized"))
			})
		})
	}
}

// TestWindowClosed: the command hears that its terminal is gone, and nothing is left of it or of vwrap.
func TestWindowClosed(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T, via, file string) *window{
		"under a shell": func(t *testing.T, via, file string) *window {
			return plainBash.run(t, via+"witness "+file)
		},
		"in the background": func(t *testing.T, via, file string) *window {
			return plainBash.run(t, via+"witness "+file+" &")
		},
		"in a pipeline": func(t *testing.T, via, file string) *window {
			return plainBash.run(t, via+"witness "+file+" | cat")
		},
		"in a script": func(t *testing.T, via, file string) *window {
			return plainBash.run(t, "sh -c '"+via+"witness "+file+"; true'")
		},
		"under zsh": func(t *testing.T, via, file string) *window {
			return zsh.run(t, via+"witness "+file)
		},
		"of a wrapped shell": func(t *testing.T, via, file string) *window {
			w := plainBash.run(t, "PS1='inner> ' "+via+strings.Join(plainBash.argv, " "), `\ninner> `)
			w.enter("witness " + file)
			return w
		},
		"leader of the session": func(t *testing.T, via, file string) *window {
			return openTerminal(t, noVault, append(strings.Fields(via), "env", "witness", file), scenarioPath(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				file := filepath.Join(t.TempDir(), "heard")
				w := open(t, via, file)
				command := number(t, w.expect(`up (\d+)\r\n`)[1])
				supervisor := job(t, command, via)
				w.close()
				awaitGone(t, command)
				if via != "" {
					awaitGone(t, supervisor)
				}
				heard, err := os.ReadFile(file)
				check(t, err)
				return fmt.Sprint(strings.Contains(string(heard), "HUP")) // CONT comes too, or too late
			})
		})
	}
}

// TestWindowClosedWhileStopped: a job that was stopped is told too.
func TestWindowClosedWhileStopped(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		file := filepath.Join(t.TempDir(), "heard")
		w := plainBash.run(t, via+"witness "+file)
		command := number(t, w.expect(`up (\d+)\r\n`)[1])
		supervisor := job(t, command, via)
		w.suspend(via, command)
		w.close()
		awaitGone(t, command, supervisor)
		heard, err := os.ReadFile(file)
		check(t, err)
		return fmt.Sprint(strings.Contains(string(heard), "HUP"))
	})
}

// TestWindowClosedForNothing: nohup, in front of vwrap or behind it, keeps the command alive.
func TestWindowClosedForNothing(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"before":            "nohup %ssleeper > out &",
		"behind":            "%snohup sleeper > out &",
		"in the foreground": "nohup %ssleeper > out",
		"ignored":           "trap '' HUP; %ssleeper > out",
		"a new session":     "setsid %ssleeper > out < /dev/null 2>&1 &",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				dir := folder(t, w.pid())
				w.enter(fmt.Sprintf(line, via))
				var command int
				check(t, poll(patience, 10*time.Millisecond, func() error {
					said, err := os.ReadFile(filepath.Join(dir, "out"))
					if err == nil {
						_, err = fmt.Sscanf(string(said), "up %d\n", &command)
					}
					return err
				}))
				t.Cleanup(func() { syscall.Kill(command, syscall.SIGKILL) })
				supervisor := job(t, command, via)
				w.close()
				if name != "ignored" { // by the shell too
					awaitGone(t, w.pid())
				}
				time.Sleep(300 * time.Millisecond)
				for _, pid := range []int{command, supervisor} {
					if err := syscall.Kill(pid, 0); err != nil {
						t.Errorf("process %d: %v", pid, err)
					}
				}
				send(t, supervisor, syscall.SIGTERM)
				awaitGone(t, command, supervisor)
				return ""
			})
		})
	}
}

// run opens the shell and enters a line, which has to be answered by what is given besides.
func (s shell) run(t *testing.T, line string, answer ...string) *window {
	t.Helper()
	w := s.open(t)
	w.enter(line)
	for _, pattern := range answer {
		w.expect(pattern)
	}
	return w
}

// close closes the window, as a terminal emulator does that ends. The one that listens keeps the terminal open until
// it has read something.
func (w *window) close() {
	w.t.Helper()
	check(w.t, w.master.Close())
	_, _ = w.slave.WriteString(".") // an error where nobody listens any more
}
