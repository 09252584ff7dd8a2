package control

import (
	"errors"
	"net"
)

// peer is the user who has connected, by the kernel's word.
func peer(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var asked error
	err = raw.Control(func(fd uintptr) { uid, asked = uidOf(int(fd)) })
	return uid, errors.Join(err, asked)
}
