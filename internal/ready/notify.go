package ready

import (
	"net"
	"os"
	"strings"
	"sync"
)

// Notify is a socket at which a program says how it is (sd_notify(3)). Only READY=1 means something here.
type Notify struct {
	conn *net.UnixConn
	path string
	host string // the socket of whoever has started vwrap
	said chan struct{}
	done sync.WaitGroup
}

// NewNotify opens a socket at path, which is the program's NOTIFY_SOCKET. host is vwrap's own, where whoever has started
// it (systemd) hears that the program is ready, since the program cannot say so itself; "": nobody listens.
func NewNotify(path, host string) (*Notify, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	n := &Notify{conn: conn, path: path, host: host, said: make(chan struct{})}
	n.done.Go(n.listen)
	return n, nil
}

// Said is closed when the program has said that it is ready.
func (n *Notify) Said() <-chan struct{} { return n.said }

// Path is the socket's file.
func (n *Notify) Path() string { return n.path }

// Close removes the socket.
func (n *Notify) Close() {
	_ = n.conn.Close()
	n.done.Wait()
	_ = os.Remove(n.path)
}

// listen goes on after the word has come: a program that says more would wait for a reader some day.
func (n *Notify) listen() {
	buffer, told := make([]byte, 4096), false
	for {
		length, err := n.conn.Read(buffer)
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(string(buffer[:length]), "\n") {
			if line == "READY=1" && !told {
				told = true
				close(n.said)
				n.tell()
			}
		}
	}
}

// tell passes the word on. Where that fails the host runs into its own time-out, and says so.
func (n *Notify) tell() {
	if n.host == "" {
		return
	}
	conn, err := net.Dial("unixgram", n.host) // "@…" is an abstract one, here as in sd_notify(3)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("READY=1"))
}
