// Package cut is a way to a server that can be cut: a proxy on TCP, which knows nothing of what is said.
package cut

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
)

// Proxy is one that listens. Until it knows where to, and while it is cut, every connection is closed at once.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	to    string
	isCut bool
	open  map[net.Conn]bool // both ends of each
}

// Listen listens at address, HOST:PORT; port 0 is a free one.
func Listen(address string) (*Proxy, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen at %s: something else does", address)
	}
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, open: map[net.Conn]bool{}}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where it listens, HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// To says where what comes is to go, HOST:PORT.
func (p *Proxy) To(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = address
}

// Cut closes every connection, and all that are made until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isCut = true
	p.closeAll()
}

// Mend lets connections pass again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isCut = false
}

// Close ends it, with its connections.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Cut()
	p.running.Wait()
}

func (p *Proxy) closeAll() {
	for c := range p.open {
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return // it was closed
		}
		p.running.Go(func() { p.pass(in) })
	}
}

// pass carries a connection until one of its ends is closed.
func (p *Proxy) pass(in net.Conn) {
	defer in.Close()
	to, ok := p.enter(in)
	if !ok {
		return
	}
	defer p.leave(in)
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	if _, ok := p.enter(out); !ok {
		return
	}
	defer p.leave(out)
	var back sync.WaitGroup
	back.Go(func() { carry(in, out) })
	carry(out, in)
	back.Wait()
}

// carry copies, and hands the end on: the other direction may go on.
func carry(to, from net.Conn) {
	_, _ = io.Copy(to, from) // an error is an end
	if t, ok := to.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}

// enter notes c, where connections may pass, and says where to.
func (p *Proxy) enter(c net.Conn) (to string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isCut || p.to == "" {
		return "", false
	}
	p.open[c] = true
	return p.to, true
}

func (p *Proxy) leave(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}
