//go:build !linux

package control

import (
	"errors"
	"net"
	"os"
)

// liveHere: elsewhere no file of the kernel's own can be sent by the kernel, and to send it otherwise would bring the
// values into this process.
func liveHere() error { return errors.New("the live channel needs Linux") }

func stream(net.Conn, *os.File, Section) error { return errors.ErrUnsupported }
