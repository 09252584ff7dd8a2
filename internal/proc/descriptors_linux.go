package proc

import "golang.org/x/sys/unix"

func closeOnExec(first int) {
	// An old kernel (before 5.11) refuses the flag: its descriptors stay as they are.
	_ = unix.CloseRange(uint(first), 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
}

func duplicate(from, to int) error { return unix.Dup3(from, to, 0) }
