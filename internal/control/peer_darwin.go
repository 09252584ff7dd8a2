package control

import "golang.org/x/sys/unix"

// uidOf is the user at the other end of a Unix socket (LOCAL_PEERCRED, unix(4)).
func uidOf(fd int) (int, error) {
	who, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(who.Uid), nil
}
