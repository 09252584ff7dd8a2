package ready

import (
	"bytes"
	"net"
	"os"
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
	buffer, told := make([]byte, mostSaid), false
	for {
		length, err := n.conn.Read(buffer)
		if err != nil {
			return
		}
		if !told && saysReady(buffer[:length]) {
			told = true
			close(n.said)
			n.tell()
		}
	}
}

// mostSaid is how much of a message is heard.
const mostSaid = 4096

// saysReady reports whether a message has the word on a line of its own.
func saysReady(message []byte) bool {
	for line := range bytes.SplitSeq(message, []byte("\n")) {
		if string(line) == "READY=1" {
			return true
		}
	}
	return false
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
