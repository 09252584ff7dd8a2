package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const escape = "\x1b"

// A terminal that can do no more than move the cursor, so that programs draw but ask nothing.
const screen = "TERM=vt100"

// TestEditor: an editor draws, is suspended and continued, sees a new size, and writes its file; the shell has a
// terminal in order each time.
func TestEditor(t *testing.T) {
	t.Parallel()
	for name, editor := range map[string]string{"vim": "vim.tiny -u NONE -N", "busybox": "busybox vi"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				needs(t, strings.Fields(editor)[0])
				w := plainBash.open(t, screen)
				before := w.modes()
				var statuses []string
				w.enter(via + editor + " text")
				w.expect(`(?s)~.*~`)
				w.press("ihello")
				w.expect(`hello`)
				w.press(escape)
				time.Sleep(100 * time.Millisecond) // or it begins a key's sequence
				for range 2 {
					w.press(ctrlZ)
					w.expect(`Stopped`)
					w.expect(`ready> `)
					w.sameModes(before, "the editor is suspended")
					statuses = append(statuses, w.lastStatus(plainBash)) // vim stops by TSTP, busybox by STOP
					w.enter("fg")
					w.expect(`(?s)fg.*hello`)
				}
				check(t, pty.Setsize(w.master, &pty.Winsize{Rows: 20, Cols: 60}))
				w.press("oworld")
				w.expect(`world`)
				w.press(escape)
				time.Sleep(100 * time.Millisecond)
				w.press(":wq\r")
				w.expect(`ready> `)
				w.sameModes(before, "the editor has ended")
				w.expectLastStatus(plainBash, "0")
				written, err := os.ReadFile(filepath.Join(folder(t, w.pid()), "text"))
				check(t, err)
				w.leave()
				if string(written) != "hello\nworld\n" {
					t.Errorf("the editor wrote %q", written)
				}
				return strings.Join(statuses, " ")
			})
		})
	}
}

// TestPager: a pager takes its keys from the terminal, wherever the text comes from.
func TestPager(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"file":               "%sless text",
		"file, busybox":      "%sbusybox less text",
		"pipeline":           "cat text | %sless",
		"pipeline, busybox":  "cat text | %sbusybox less",
		"of what is wrapped": "%scat text | less",
		"both":               "%[1]scat text | %[1]sless",
		"shell":              "%sbash -c 'cat text | less'",
		"shell with jobs":    "%sbash -mc 'cat text | less'",
		"redirected":         "%sless < text",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				needs(t, "less")
				w := plainBash.open(t, screen)
				before := w.modes()
				w.enter("seq 1000 > text")
				w.expect(`ready> `)
				w.enter(fmt.Sprintf(line, via))
				w.expect(`(31|32)\r\n`)
				w.press("G")
				w.expect(`1000\b`)
				if !strings.HasPrefix(name, "shell") && !strings.Contains(name, "busybox") {
					// A shell between stops before the pager is done with the terminal; busybox's does not always draw again.
					for range 2 {
						time.Sleep(100 * time.Millisecond) // nobody is that fast: the pager shows its text while others wake up
						w.press(ctrlZ)
						w.expect(`Stopped`)
						w.expect(`ready> `)
						w.sameModes(before, "the pager is suspended")
						w.enter("fg")
						w.expect(`(?s)fg.*1000\b`)
					}
				}
				w.press("q")
				w.expect(`ready> `)
				w.sameModes(before, "the pager has ended")
				status := w.lastStatus(plainBash)
				w.leave()
				return status
			})
		})
	}
}

// TestMonitor: top draws again and again, also in a new size, and ends at q.
func TestMonitor(t *testing.T) {
	t.Parallel()
	for name, monitor := range map[string]string{"procps": "top -d 1", "busybox": "busybox top -d 1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				needs(t, strings.Fields(monitor)[0])
				w := plainBash.open(t, screen)
				before := w.modes()
				w.enter(via + monitor)
				w.expect(`(?i)load average`)
				w.expect(`(?i)load average`)
				check(t, pty.Setsize(w.master, &pty.Winsize{Rows: 15, Cols: 70}))
				w.expect(`(?i)load average`)
				w.expect(`(?i)load average`) // in the new size: a WINCH that comes while top handles TSTP makes it fail, vwrap or not
				if name != "busybox" {       // which takes no Ctrl-Z
					w.press(ctrlZ)
					w.expect(`Stopped`)
					w.expect(`ready> `)
					w.sameModes(before, "top is suspended")
					w.enter("fg")
					w.expect(`(?i)load average`)
					w.expect(`(?i)load average`)
				}
				w.press("q")
				w.expect(`ready> `)
				w.sameModes(before, "top has ended")
				status := w.lastStatus(plainBash)
				w.leave()
				return status
			})
		})
	}
}

// TestMultiplexer: tmux hosts vwrap.
func TestMultiplexer(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		m := newMultiplexer(t)
		m.run("new-session", "-d", "-x", "90", "-y", "30", strings.Join(plainBash.argv, " "))
		m.expect("ready>")
		m.enter(via + "counter")
		m.expect("up ")
		m.keys("C-z")
		m.expect("Stopped")
		m.expectPrompt()
		m.enter("fg")
		m.expect("continued")
		m.run("resize-window", "-x", "100", "-y", "31")
		m.expect("resized")
		for n := range 3 {
			m.keys("C-c")
			m.expect(fmt.Sprintf("interrupted %d", n+1))
		}
		m.expectPrompt() // what is typed before it may be echoed before it
		m.enter("echo status=$?.")
		m.expect("status=9.")
		m.expectPrompt()
		return strings.Join(strings.Fields(withoutNumbers(m.shown())), " ")
	})
}

// TestMultiplexerWithinVwrap: vwrap hosts tmux, whose server lives on when its client has detached, as without vwrap.
func TestMultiplexerWithinVwrap(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		m := newMultiplexer(t)
		w := plainBash.open(t, append(m.environ, "TERM=screen")...)
		before := w.modes()
		w.enter(via + "tmux -f /dev/null new-session '" + strings.Join(plainBash.argv, " ") + "'")
		m.expect("ready>")
		w.press("echo in-$((20+3))\r")
		m.expect("in-23")
		check(t, pty.Setsize(w.master, &pty.Winsize{Rows: 25, Cols: 85}))
		m.expectSize("85")
		w.press("\x02d")
		w.expect(`detached`)
		w.expect(`ready> `)
		w.sameModes(before, "tmux has detached")
		w.expectLastStatus(plainBash, "0")
		m.expect("in-23") // the server answers
		w.enter(via + "tmux attach")
		w.expect(`in-23`)
		w.press("exit\r")
		w.expect(`exited`)
		w.expect(`ready> `)
		w.sameModes(before, "tmux has ended")
		w.leave()
		return ""
	})
}

// TestRawProgramKilled: what a killed program leaves raw is put right, also for shells that do not do so themselves.
func TestRawProgramKilled(t *testing.T) {
	t.Parallel()
	for _, s := range shells {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := s.open(t)
			var prompting unix.Termios
			w.settles(&prompting)
			w.enter(wrapped + "raw")
			command := number(t, w.expect(`up (\d+)\r?\n`)[1])
			w.press("\x03\x1a") // keys like others
			w.expect("<\x03><\x1a>")
			send(t, command, syscall.SIGKILL)
			w.expect(`ready> `)
			w.awaitModes(prompting)
			w.expectLastStatus(s, "137")
			w.leave()
		})
	}
}

// TestRawProgramStopped: one that is stopped from outside leaves the shell a terminal in order, and finds its own
// settings again.
func TestRawProgramStopped(t *testing.T) {
	t.Parallel()
	for _, stop := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGTSTP} {
		t.Run(stop.String(), func(t *testing.T) {
			t.Parallel()
			w := plainBash.open(t)
			before := w.modes()
			w.enter(wrapped + "raw")
			command := number(t, w.expect(`up (\d+)\r?\n`)[1])
			w.press("a")
			w.expect(`<a>`)
			raw := w.modes()
			send(t, command, stop)
			w.expect(`Stopped`)
			w.expect(`ready> `)
			w.sameModes(before, "it is stopped")
			w.enter("fg")
			awaitForeground(t, command)
			awaitThawed(t, command)
			w.awaitModes(raw)
			w.press("b")
			w.expect(`<b>`)
			w.press("q")
			w.expect(`ready> `)
			w.sameModes(before, "it has ended")
			w.leave()
		})
	}
}

// TestProgramLeavesModes: what a program that ends by itself has set, it has set.
func TestProgramLeavesModes(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		w := plainBash.open(t)
		w.enter(via + "stty -echo")
		w.expect(`ready> `)
		w.enter("echo unseen; echo seen-$((20+3))")
		w.expect(`seen-23`)
		w.enter(via + "stty echo rows 20 cols 60")
		w.expect(`ready> `)
		w.expect(`ready> `)
		w.enter(via + "stty size")
		w.expect(`20 60\r\nready> `)
		w.enter(via + "stty -a")
		w.expect(`(?s)speed.*?-?extproc\r\n`)
		w.expect(`ready> `)
		w.leave()
		return w.transcript()
	})
}

// TestPassword: a password prompt does not echo, and echo is on again afterwards, even after Ctrl-C.
func TestPassword(t *testing.T) {
	t.Parallel()
	for name, prompt := range map[string]string{
		"stty":    `sh -c 'stty -echo; printf "password: "; read x; stty echo; echo; echo "got <$x>"'`,
		"read -s": `bash -c 'read -rsp "password: " x; echo; echo "got <$x>"'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				w.enter(via + prompt)
				w.expect(`\npassword: `)
				w.press("tiger\r")
				w.expect(`got <tiger>\r\n`)
				w.expect(`ready> `)
				w.enter(via + prompt)
				w.expect(`\npassword: `)
				w.press(ctrlC)
				w.expect(`ready> `)
				w.expectLastStatus(plainBash, "130")
				w.enter(via + prompt)
				w.expect(`\npassword: `)
				w.press("lion")
				w.press(ctrlZ)
				w.expect(`Stopped`)
				w.expect(`ready> `)
				w.enter("fg")
				w.expect(`(?s)fg.*?got <?\$?.*\r\n`)
				w.press("bear\r")
				got := w.expect(`got <(\w*)>\r\n`)[1]
				w.expect(`ready> `)
				w.enter("echo on")
				w.expect(`echo on\r\non\r\n`)
				w.leave()
				return got + " " + fmt.Sprint(w.count("tiger"))
			})
		})
	}
}

// sameModes checks that the terminal's modes are as before.
func (w *window) sameModes(before unix.Termios, when string) {
	w.t.Helper()
	if now := w.modes(); now != before {
		w.t.Errorf("%s: the terminal's modes are %+v, were %+v", when, now, before)
	}
}

// awaitModes waits until the terminal's modes are as wanted.
func (w *window) awaitModes(want unix.Termios) {
	w.t.Helper()
	check(w.t, poll(patience, 10*time.Millisecond, func() error {
		if now := w.modes(); now != want {
			return fmt.Errorf("the terminal's modes are %+v, not %+v", now, want)
		}
		return nil
	}))
}

// settles waits until a shell that edits lines has set the terminal to that, after its prompt.
func (w *window) settles(modes *unix.Termios) {
	w.t.Helper()
	check(w.t, poll(patience, 100*time.Millisecond, func() error {
		before := *modes
		if *modes = w.modes(); *modes != before {
			return fmt.Errorf("the terminal's modes change")
		}
		return nil
	}))
}

// multiplexer is a tmux server of the test's own.
type multiplexer struct {
	t       *testing.T
	environ []string
}

func newMultiplexer(t *testing.T) *multiplexer {
	t.Helper()
	needs(t, "tmux")
	dir, err := os.MkdirTemp("", "tmux") // a socket's path must be short
	check(t, err)
	m := &multiplexer{t, []string{scenarioPath(t), "TMUX_TMPDIR=" + dir, "HOME=" + dir, "TERM=screen", "LC_ALL=C.UTF-8", "PS1=ready> ", "SHELL=/bin/sh"}}
	t.Cleanup(func() {
		m.command("kill-server").Run() // unless it has ended by itself
		os.RemoveAll(dir)
	})
	return m
}

func (m *multiplexer) command(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-f", "/dev/null"}, args...)...)
	cmd.Env = m.environ
	return cmd
}

func (m *multiplexer) run(args ...string) {
	m.t.Helper()
	if said, err := m.command(args...).CombinedOutput(); err != nil {
		m.t.Fatalf("tmux %s: %v\n%s", args, err, said)
	}
}

func (m *multiplexer) keys(keys ...string) {
	m.t.Helper()
	m.run(append([]string{"send-keys"}, keys...)...)
}

func (m *multiplexer) enter(line string) {
	m.t.Helper()
	m.run("send-keys", "-l", line)
	m.keys("Enter")
}

func (m *multiplexer) shown() string {
	shown, err := m.command("capture-pane", "-p").Output()
	if err != nil {
		return ""
	}
	return string(shown)
}

func (m *multiplexer) expect(text string) {
	m.t.Helper()
	check(m.t, poll(patience, 50*time.Millisecond, func() error {
		if shown := m.shown(); !strings.Contains(shown, text) {
			return fmt.Errorf("tmux does not show %q but\n%s", text, shown)
		}
		return nil
	}))
}

// expectPrompt waits until the shell asks for a line: its prompt is the last that is shown.
func (m *multiplexer) expectPrompt() {
	m.t.Helper()
	check(m.t, poll(patience, 50*time.Millisecond, func() error {
		if shown := strings.TrimSpace(m.shown()); !strings.HasSuffix(shown, "\nready>") {
			return fmt.Errorf("tmux does not end with a prompt but\n%s", shown)
		}
		return nil
	}))
}

func (m *multiplexer) expectSize(columns string) {
	m.t.Helper()
	check(m.t, poll(patience, 50*time.Millisecond, func() error {
		said, err := m.command("display-message", "-p", "#{window_width}").CombinedOutput()
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(string(said)); got != columns {
			return fmt.Errorf("the window is %s wide, not %s", got, columns)
		}
		return nil
	}))
}
