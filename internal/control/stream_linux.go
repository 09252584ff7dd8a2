package control

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func liveHere() error { return nil }

// stream sends a section of file without reading it.
func stream(conn net.Conn, file *os.File, section Section) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	from, left := int(file.Fd()), section.Length
	offset := section.Offset
	var failure error
	err = raw.Write(func(fd uintptr) (done bool) {
		for left > 0 {
			n, err := unix.Sendfile(int(fd), from, &offset, int(min(left, 1<<20)))
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return false
			case err == nil && n == 0:
				failure = io.ErrUnexpectedEOF
				return true
			case err != nil:
				failure = err
				return true
			default:
				left -= int64(n)
			}
		}
		return true
	})
	return errors.Join(err, failure)
}
