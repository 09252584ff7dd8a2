package proc

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func closeOnExec(first int) {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}

func duplicate(from, to int) error {
	if err := unix.Dup2(from, to); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(to), unix.F_SETFD, 0)
	return err
}
