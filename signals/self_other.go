//go:build !linux

package signals

import (
	"time"

	"golang.org/x/sys/unix"
)

// The highest signal's number; there are no real-time signals.
const (
	last     = 31
	realtime = last + 3
)

// sendThread sends s to the process: which thread gets it cannot be said here. What is to stop vwrap is STOP, since
// the default action of the others cannot be had back; nor can that of QUIT, to which Go answers with a stack trace.
func sendThread(s unix.Signal) {
	switch {
	case Stops(s):
		_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	case s != unix.SIGQUIT:
		_ = unix.Kill(unix.Getpid(), s)
		time.Sleep(time.Second) // it comes to any thread, in a moment
	}
}
