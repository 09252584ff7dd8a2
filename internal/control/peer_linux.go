package control

import "golang.org/x/sys/unix"

// uidOf is the user at the other end of a Unix socket (SO_PEERCRED, unix(7)).
func uidOf(fd int) (int, error) {
	who, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(who.Uid), nil
}
