package signals

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// StopSelf stops vwrap by s, one of those of Stops, as if it had no handler for it, and with group the rest of its
// process group too. It returns when vwrap is continued; at once, where still says that what vwrap stops for is over,
// since whoever continued that would not continue vwrap again. In an orphaned process group nothing but STOP stops
// (POSIX.1-2024, XSH 2.4.4): it returns at once too.
func StopSelf(s unix.Signal, group bool, still func() bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if group {
		sendOthers(s)
	}
	defer byDefault(s)()
	stopThread(s, still)
}

// meant is for StopSelf where vwrap stops for its own sake: a shell that was faster has continued it by now, and would
// not do so again.
func meant() bool { return !continued() }

// DieOf ends vwrap by s, so that its parent sees that; a shell ends a loop by it. It returns where s does not end
// it: as PID 1, for which the kernel drops what has no handler (pid_namespaces(7)).
func DieOf(s unix.Signal) {
	runtime.LockOSThread()
	byDefault(s)
	sendThread(s)
}
