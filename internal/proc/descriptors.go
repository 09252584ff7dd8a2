package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// CloseInherited has every descriptor from first on closed by the next exec: what else the shell had open is not the
// command's.
func CloseInherited(first int) { closeOnExec(first) }

// Inherited returns the n descriptors from 3 on. Its error names the first that is not open, or was opened by vwrap
// itself: what vwrap's own runtime opens is closed by an exec, what the shell left open is not.
func Inherited(n int) ([]int, error) {
	var fds []int
	for fd := 3; fd < 3+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return nil, fmt.Errorf("descriptor %d is not open", fd)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// MoveDown makes the n descriptors from "from" on those from 3 on, which an exec leaves open. What stood there is
// closed by it.
func MoveDown(from, n int) error {
	for i := range n {
		if err := duplicate(from+i, 3+i); err != nil {
			return fmt.Errorf("hand descriptor %d on: %w", 3+i, err)
		}
	}
	return nil
}
