// Package listen opens the listening sockets that vwrap holds for its command, and hands them on as systemd does
// (sd_listen_fds(3)). Nobody accepts on them here: while no command runs, or one is replaced by the next, connections
// wait in the kernel.
package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
)

// Sockets are open, in the order in which they were asked for.
type Sockets struct {
	Files []*os.File
	Names []string // of LISTEN_FDNAMES, one for each
	TCP   string   // the address of the first TCP socket; "" where there is none
	paths []string // of Unix sockets, to be removed
}

// Open opens what specs say, each "tcp HOST:PORT" or "unix PATH", with a name for the command as a third word; else the
// name is the first word. All that is wrong is told together.
func Open(specs []string) (*Sockets, error) {
	s := &Sockets{}
	var errs []error
	for _, spec := range specs {
		if err := s.open(spec); err != nil {
			errs = append(errs, fmt.Errorf("rotation.listen: %s: %w", spec, err))
		}
	}
	if len(errs) > 0 {
		s.Close()
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// Close closes the sockets: connections that wait are refused then.
func (s *Sockets) Close() {
	for _, f := range s.Files {
		_ = f.Close()
	}
	for _, path := range s.paths {
		_ = os.Remove(path)
	}
	s.Files, s.paths = nil, nil
}

func (s *Sockets) open(spec string) error {
	words := strings.Fields(spec)
	if len(words) != 2 && len(words) != 3 {
		return errors.New(`want "tcp HOST:PORT" or "unix PATH", and perhaps a name`)
	}
	name := words[len(words)-1]
	if len(words) == 2 {
		name = words[0]
	}
	if strings.ContainsRune(name, ':') { // it separates them
		return fmt.Errorf("the name %s has a colon in it", name)
	}
	file, at, err := open(words[0], words[1])
	if err != nil {
		return err
	}
	if words[0] == "tcp" && s.TCP == "" {
		s.TCP = at
	}
	s.Files, s.Names = append(s.Files, file), append(s.Names, name)
	if words[0] == "unix" {
		s.paths = append(s.paths, words[1])
	}
	return nil
}

func open(network, address string) (file *os.File, at string, err error) {
	var l interface {
		net.Listener
		File() (*os.File, error)
	}
	switch network {
	case "tcp":
		opened, err := net.Listen("tcp", address)
		if err != nil {
			return nil, "", bare(err)
		}
		l = opened.(*net.TCPListener)
	case "unix":
		if err := removeStale(address); err != nil {
			return nil, "", err
		}
		opened, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
		if err != nil {
			return nil, "", bare(err)
		}
		opened.SetUnlinkOnClose(false)
		l = opened
	default:
		return nil, "", fmt.Errorf("%s is neither tcp nor unix", network)
	}
	defer func() { _ = l.Close() }()
	if file, err = l.File(); err != nil {
		return nil, "", err
	}
	file.Fd() // programs expect a socket that blocks, as systemd's do; this makes it one
	return file, l.Addr().String(), nil
}

// removeStale removes a Unix socket at which nobody listens.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return bare(err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is a file of that name, which is no socket")
	}
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return errors.New("somebody listens there")
	}
	return os.Remove(path)
}

// bare is err without the words that the caller says too.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}
