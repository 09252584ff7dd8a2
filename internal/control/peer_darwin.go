package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer is the user who has connected (LOCAL_PEERCRED, unix(4)).
func peer(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var who *unix.Xucred
	if e := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED) }); e != nil {
		return 0, e
	}
	if err != nil {
		return 0, err
	}
	return int(who.Uid), nil
}
