package signals

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// StopSelf stops vwrap by s, one of those of Stops, as if it had no handler for it, and with group the rest of its
// process group too. It returns when vwrap is continued. In an orphaned process group nothing but STOP stops
// (POSIX.1-2024, XSH 2.4.4): it returns at once.
func StopSelf(s unix.Signal, group bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if group {
		sendOthers(s)
	}
	defer byDefault(s)()
	sendThread(s)
}

// DieOf ends vwrap by s, so that its parent sees that; a shell ends a loop by it. It returns where s does not end
// it: as PID 1, for which the kernel drops what has no handler (pid_namespaces(7)).
func DieOf(s unix.Signal) {
	runtime.LockOSThread()
	byDefault(s)
	sendThread(s)
}
