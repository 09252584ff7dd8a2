package proc

import (
	"os"
	"os/signal"
	"runtime"
	"time"

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
	// Shared: vwrap is part of a foreground pipeline. The command is in vwrap's own group, which the terminal's
	// signals reach.
	Shared
)

// Terminal is the controlling terminal, as it was when vwrap started.
type Terminal struct {
	Mode  Mode
	fd    int
	group int // vwrap's own
	saved *unix.Termios
}

// OpenTerminal looks at the standard descriptors. It changes nothing.
func OpenTerminal() Terminal {
	t := Terminal{fd: -1, group: unix.Getpgrp()}
	for fd := range 3 {
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			t.fd = fd
			break
		}
	}
	if t.fd < 0 {
		return t
	}
	t.saved, _ = unix.IoctlGetTermios(t.fd, unix.TCGETS)
	switch {
	case t.foreground() != t.group:
	case isTerminal(0) && isTerminal(1):
		t.Mode = Handoff
	default:
		t.Mode = Shared
	}
	return t
}

// foreground is the terminal's foreground group; 0 where that cannot be told.
func (t Terminal) foreground() int {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// own reports whether there is a terminal to hand to a command in a group of its own: at once, or, where vwrap was
// begun in the background, when the shell brings it to the foreground.
func (t Terminal) own() bool { return t.fd >= 0 && t.Mode != Shared }

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// Give makes group the foreground group, where vwrap's own has that.
func (t Terminal) Give(group int) {
	if t.own() && t.foreground() == t.group {
		t.setForeground(group)
	}
}

// Take makes vwrap's group the foreground group again, where the command still has that; with restore, because
// the command may have died in raw mode, the terminal's settings are those of the start.
func (t Terminal) Take(group int, restore bool) {
	if !t.own() {
		return
	}
	if front := t.foreground(); front != group && (t.Mode != Handoff || unix.Kill(-front, 0) == nil) {
		return // somebody else's by now, or never the command's
	}
	t.setForeground(t.group)
	if restore && t.saved != nil {
		_ = unix.IoctlSetTermios(t.fd, unix.TCSETSW, t.saved)
	}
}

// setForeground is tcsetpgrp(3). From a background group it raises TTOU, which stops the caller unless it is
// blocked; a Go program can block it on one thread alone.
func (t Terminal) setForeground(group int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	block.Val[0] = 1 << (unix.SIGTTOU - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// Suspend is what Ctrl-Z in the command means for vwrap, which the shell sees: it takes the terminal, stops its
// own group too, and, when it is continued, gives the terminal back (where it was continued in the foreground) and
// continues the command. In an orphaned group nothing can be stopped: the command is continued at once.
// Where the command stopped because it wanted the terminal (TTIN, TTOU) and the shell has brought vwrap to the
// foreground meanwhile, it gets it.
func (t Terminal) Suspend(p *Process, by unix.Signal) {
	if !t.own() {
		return
	}
	if (by == unix.SIGTTIN || by == unix.SIGTTOU) && t.foreground() == t.group {
		t.Give(p.PID())
		_ = p.Signal(unix.SIGCONT, false)
		return
	}
	modes, _ := unix.IoctlGetTermios(t.fd, unix.TCGETS)
	t.Take(p.PID(), true)
	stopSelf()
	if t.foreground() == t.group {
		if modes != nil {
			_ = unix.IoctlSetTermios(t.fd, unix.TCSETSW, modes)
		}
		t.Give(p.PID())
	}
	_ = p.Signal(unix.SIGCONT, false)
}

// stopSelf stops vwrap's group and returns once it is continued. In an orphaned group the kernel ignores TSTP
// (POSIX.1-2024, XSH 2.4.4): no CONT comes then, and the wait ends by itself.
func stopSelf() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	_ = unix.Kill(0, unix.SIGTSTP)
	ignored := time.NewTimer(200 * time.Millisecond)
	defer ignored.Stop()
	select {
	case <-continued:
	case <-ignored.C:
	}
}
