package proc

import (
	"errors"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Mode is how the command stands to the terminal.
type Mode int

const (
	// OwnGroup: no terminal, or vwrap is in its background. The command has a process group of its own.
	OwnGroup Mode = iota
	// Handoff: vwrap is the terminal's foreground and stdin and stdout are the terminal. The command becomes the
	// foreground group.
	Handoff
	// Shared: vwrap is in the foreground with others: in a pipeline, or in a script that is to get the terminal's
	// signals too. The command is in vwrap's own group, which these reach.
	Shared
)

// Terminal is the controlling terminal.
type Terminal struct {
	Mode  Mode // as it was when vwrap started
	fd    int
	group int // vwrap's own
	saved *unix.Termios

	mu        sync.Mutex
	suspended *unix.Termios // the settings of a command that was stopped
}

// NoTerminal is for a command that has none.
func NoTerminal() *Terminal { return &Terminal{fd: -1, group: unix.Getpgrp()} }

// OpenTerminal looks at the standard descriptors, and where none is the controlling terminal, whether there is one
// besides. It changes nothing.
func OpenTerminal() *Terminal {
	t := NoTerminal()
	for fd := range 3 {
		if controlling(fd) {
			t.fd = fd
			break
		}
	}
	if t.fd < 0 {
		t.fd = openControlling()
	}
	if t.fd < 0 {
		return t
	}
	t.saved = settings(t.fd)
	switch {
	case t.foreground() != t.group:
	case controlling(0) && controlling(1) && os.Getpid() == t.group:
		t.Mode = Handoff
	default:
		t.Mode = Shared
	}
	return t
}

// controlling reports whether fd is the controlling terminal (tcgetpgrp(3)).
func controlling(fd int) bool {
	_, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil
}

// IsTerminal reports whether fd is a terminal, be it the controlling one or another.
func IsTerminal(fd int) bool { return settings(fd) != nil }

// openControlling opens the controlling terminal by its name (tty(4)); -1 where there is none.
func openControlling() int {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil || !controlling(fd) {
		return -1
	}
	return fd
}

// foreground is the terminal's foreground group; 0 where that cannot be told.
func (t *Terminal) foreground() int {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// own reports whether there is a terminal to hand to a command in a group of its own: at once, or, where vwrap was
// begun in the background, when the shell brings it to the foreground.
func (t *Terminal) own() bool { return t.fd >= 0 && t.Mode != Shared }

// Give makes group the foreground group, where vwrap's own has that. A command that was stopped gets its settings of
// the terminal back too.
func (t *Terminal) Give(group int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.own() || t.foreground() != t.group {
		return
	}
	if t.suspended != nil {
		t.set(t.suspended)
		t.suspended = nil
	}
	t.setForeground(group)
}

// Take makes vwrap's group the foreground group again, where the command still has that; with restore, because
// the command may have died in raw mode, the terminal's settings are those of the start.
func (t *Terminal) Take(group int, restore bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.suspended = nil
	t.take(group, restore)
}

func (t *Terminal) take(group int, restore bool) {
	if t.fd < 0 {
		return
	}
	switch front := t.foreground(); {
	case front == group, t.Mode != OwnGroup && !alive(front): // the command's, or that of a job of its
		t.setForeground(t.group)
	case front != t.group || t.Mode != Shared:
		return // somebody else's by now, or never the command's
	}
	if restore && t.saved != nil {
		t.set(t.saved)
	}
}

// alive reports whether there is a process in group.
func alive(group int) bool { return !errors.Is(unix.Kill(-group, 0), unix.ESRCH) }

func (t *Terminal) set(settings *unix.Termios) {
	undisturbed(func() { _ = unix.IoctlSetTermios(t.fd, setSettings, settings) })
}

// settings are the terminal's; nil where fd is none.
func settings(fd int) *unix.Termios {
	s, err := unix.IoctlGetTermios(fd, getSettings)
	if err != nil {
		return nil
	}
	return s
}

// setForeground is tcsetpgrp(3).
func (t *Terminal) setForeground(group int) {
	undisturbed(func() { _ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group) })
}

// undisturbed does to the terminal what raises TTOU in a background process, without that (POSIX.1-2024, XBD
// 11.1.4): it would stop the caller, and where it is caught, the call would begin anew without end. A Go program can
// block it on one thread alone.
func undisturbed(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer blockTTOU()()
	f()
}

// Stderr writes to standard error, also from the background of a terminal that is set to refuse that (stty tostop):
// who supervises a command has something to say while that has the terminal. Unlike os.Stderr it does not end vwrap
// where nobody reads.
type Stderr struct{}

// Write implements io.Writer.
func (Stderr) Write(p []byte) (n int, err error) {
	undisturbed(func() {
		for n < len(p) && err == nil {
			var written int
			err = ignoringEINTR(func() (err error) {
				written, err = unix.Write(2, p[n:])
				return err
			})
			n += max(written, 0)
		}
	})
	return n, err
}

// Suspend is what a command that stopped (job control) means for vwrap, which is what a shell sees: with stop, vwrap
// has to stop by the same signal, and with group all of its group, as the terminal would have it; the terminal is
// taken by then. What continues vwrap has to continue the command, with Give before.
//
//   - A command that stopped because it wants the terminal gets it, where vwrap is in the foreground by now.
//   - In an orphaned process group nobody could continue vwrap: the command is continued at once, but one that was
//     stopped by STOP, which is meant, or wants a terminal that it cannot get.
//   - Without a terminal, whoever stopped the command may continue it.
//   - In a shared group the terminal has sent the rest of it the same. vwrap waits for the command, which may have to
//     put the terminal in order first.
func (t *Terminal) Suspend(p *Process, by unix.Signal) (stop, group bool) {
	wants := by == unix.SIGTTIN || by == unix.SIGTTOU
	switch {
	case t.fd < 0 || !p.IsStopped():
		return false, false
	case wants && t.own() && t.foreground() == t.group:
		t.Give(p.PID())
		_ = p.Signal(unix.SIGCONT, false)
		return false, false
	case orphaned():
		if by == unix.SIGTSTP {
			_ = p.Signal(unix.SIGCONT, false)
		}
		return false, false
	}
	if t.Mode == Shared {
		return true, false
	}
	return true, t.leave(p.PID()) && by != unix.SIGSTOP || wants
}

// leave takes the terminal from a command that was stopped, and reports whether it, or vwrap, had it.
func (t *Terminal) leave(group int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.own() {
		return false
	}
	front := t.foreground()
	if front == group {
		t.suspended = settings(t.fd)
		t.take(group, true)
	}
	return front == group || front == t.group
}

// IsStopped reports whether the process is stopped still.
func (p *Process) IsStopped() bool {
	p.children.mu.Lock()
	defer p.children.mu.Unlock()
	if p.over() {
		return false
	}
	e, ok := process(p.pid)
	return !ok || e.state == 'T'
}

// orphaned reports whether vwrap's process group is orphaned: whether no member of it has a parent in another group
// of the same session (POSIX.1-2024, XBD 3.246). Looked at are vwrap and its ancestors: they began the group.
func orphaned() bool {
	group := unix.Getpgrp()
	session, err := unix.Getsid(0)
	if err != nil {
		return true
	}
	for pid := os.Getppid(); pid > 0; {
		itsSession, err := unix.Getsid(pid)
		itsGroup, err2 := unix.Getpgid(pid)
		if err != nil || err2 != nil || itsSession != session {
			return true
		}
		if itsGroup != group {
			return false
		}
		parent, ok := process(pid)
		if !ok {
			return true
		}
		pid = parent.ppid
	}
	return true
}
