package signals

import "golang.org/x/sys/unix"

// The highest signal's number, and the first real-time signal that the C library leaves to programs (signal(7),
// nptl(7)).
const (
	last     = 64
	realtime = 34
)

// sendThread sends s to this thread, which must be locked: it is done when the call returns. What is sent to the
// process may be done by another thread, a moment later.
func sendThread(s unix.Signal) { _ = unix.Tgkill(unix.Getpid(), unix.Gettid(), s) }
