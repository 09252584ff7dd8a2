package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// The slow link: how long a byte is under way, and how long an answer at the least.
const (
	delay     = 20 * time.Millisecond
	roundTrip = 2 * delay
)

// link is the way to a server that is far away: a proxy that holds every byte for delay, in each direction. How many are
// under way at once makes no difference. A connection takes a round trip to be made: it is accepted at once, since that
// is the kernel's, but what is first said on it is held so much longer.
type link struct {
	listener net.Listener
	server   string // host:port
	stop     context.CancelFunc
	carriers sync.WaitGroup
}

func startLink(server string) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the slow link: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &link{listener: listener, server: server, stop: stop}
	l.carriers.Go(func() { l.accept(ctx) })
	return l, nil
}

func (l *link) address() string { return "http://" + l.listener.Addr().String() }

// close ends all connections.
func (l *link) close() {
	l.stop()
	l.listener.Close()
	l.carriers.Wait()
}

func (l *link) accept(ctx context.Context) {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return // it was closed
		}
		l.carriers.Go(func() { l.carry(ctx, near) })
	}
}

// carry ends when both directions have, or ctx.
func (l *link) carry(ctx context.Context, near net.Conn) {
	made := time.Now().Add(roundTrip)
	defer near.Close()
	far, err := net.Dial("tcp", l.server)
	if err != nil {
		return // the client is told by the end of its connection
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { near.Close(); far.Close() })
	defer stop()
	var back sync.WaitGroup
	back.Go(func() { pass(near, far, time.Time{}) })
	pass(far, near, made)
	back.Wait()
}

// chunk is what was read at once; the end of the stream where it has no bytes.
type chunk struct {
	bytes []byte
	due   time.Time
}

// pass carries one direction: what was read after what was read before, each delay later, and nothing that was read
// before notBefore earlier than delay after that.
func pass(to, from net.Conn, notBefore time.Time) {
	chunks := make(chan chunk, 1024)
	go receive(chunks, from, notBefore)
	for c := range chunks {
		wait(time.Until(c.due))
		if len(c.bytes) == 0 {
			endOf(to)
		} else if _, err := to.Write(c.bytes); err != nil {
			from.Close() // receive ends by it, and with it this
		}
	}
}

func receive(chunks chan<- chunk, from net.Conn, notBefore time.Time) {
	defer close(chunks)
	for {
		bytes := make([]byte, 32<<10)
		n, err := from.Read(bytes)
		leaves := time.Now()
		if leaves.Before(notBefore) {
			leaves = notBefore
		}
		if n > 0 {
			chunks <- chunk{bytes[:n], leaves.Add(delay)}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				chunks <- chunk{due: leaves.Add(delay)}
			}
			return
		}
	}
}

// endOf tells the other side that no more comes.
func endOf(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.CloseWrite() // else it is closed altogether
	}
}

// wait sleeps in the kernel: a timer of the runtime's may come a millisecond late, which is much of a round trip.
func wait(d time.Duration) {
	if d <= 0 {
		return
	}
	left := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR { //nolint:errorlint // a bare errno
	}
}
