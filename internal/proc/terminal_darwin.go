package proc

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	getSettings = unix.TIOCGETA
	setSettings = unix.TIOCSETAW
)

// blockTTOU blocks TTOU on this thread, which must be locked, and returns what undoes that (pthread_sigmask(3), whose
// system call has no name in x/sys).
func blockTTOU() (undo func()) {
	const block, set = 1, 3 // SIG_BLOCK, SIG_SETMASK
	var before uint32
	mask := uint32(1) << (unix.SIGTTOU - 1)
	threadMask(block, &mask, &before)
	return func() { threadMask(set, &before, nil) }
}

func threadMask(how uintptr, mask, before *uint32) {
	//nolint:staticcheck // there is no other way without C
	_, _, _ = syscall.RawSyscall(syscall.SYS___PTHREAD_SIGMASK, how, uintptr(unsafe.Pointer(mask)), uintptr(unsafe.Pointer(before)))
}
