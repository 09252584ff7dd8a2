package control

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// longest is what a socket's path may be long (unix(7): 108 bytes with the NUL; macOS has 104).
const longest = 103

// mostConnections is how many a socket has at a time: one who opens more than he uses costs no more than that.
const mostConnections = 256

// listener takes connections of the users who may come, and of no others.
type listener struct {
	*net.UnixListener
	path  string
	users []int
	open  chan struct{} // as many as are open
}

// counted is a connection that counts for as long as it is open.
type counted struct {
	*net.UnixConn
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.closed()
	return c.UnixConn.Close()
}

// listen listens in the first of the places that can be used, under a name that nobody knows before. users may
// connect: by their uids, which the kernel tells.
func listen(all []place, suffix string, users []int) (*listener, error) {
	var errs []error
	for _, p := range all {
		l, err := p.listen(suffix, users)
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("%w: %w", ErrNoPlace, errors.Join(errs...))
}

func (p place) listen(suffix string, users []int) (*listener, error) {
	if err := p.prepare(); err != nil {
		return nil, err
	}
	for _, s := range p.sockets() {
		if errors.Is(unix.Kill(s.PID, 0), unix.ESRCH) { // in another PID namespace, or gone
			answers(s.Path) // or it is removed
		}
	}
	path := filepath.Join(p.dir, fmt.Sprintf("%d-%s%s", os.Getpid(), rand.Text()[:8], suffix))
	if len(path) >= longest {
		return nil, fmt.Errorf("%s is too long for a socket", path)
	}
	mode := os.FileMode(0o600)
	if p.open {
		mode = 0o666
	}
	l, err := listenAt(path, mode)
	if err != nil {
		return nil, err
	}
	return &listener{l, path, users, make(chan struct{}, mostConnections)}, nil
}

// listenAt makes a socket that listens when it gets its name: between its bind(2) and its listen(2) it refuses, and
// who looks for sockets takes it for one that a killed vwrap has left.
func listenAt(path string, mode os.FileMode) (*net.UnixListener, error) {
	unnamed := path + "~"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: unnamed, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = errors.Join(os.Chmod(unnamed, mode), os.Rename(unnamed, path)); err != nil {
		_ = l.Close()
		_ = os.Remove(unnamed)
		return nil, err
	}
	return l, nil
}

// Addr is the socket's name.
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close ends the listening, and takes the socket away.
func (l *listener) Close() error {
	_ = os.Remove(l.path)
	return l.UnixListener.Close()
}

// Accept returns the next connection of one who may come. Those that are too many are closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peer(conn); err == nil && slices.Contains(l.users, uid) {
			select {
			case l.open <- struct{}{}:
				return &counted{conn, sync.OnceFunc(func() { <-l.open })}, nil
			default:
			}
		}
		_ = conn.Close()
	}
}
