// Package ready finds out when a program serves: by its own word (sd_notify(3)), or by asking it over TCP or HTTP.
package ready

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Check says how it is found out that a program serves. One of Notify, TCP, HTTP and Delay is set.
type Check struct {
	Notify  bool          // it says READY=1
	TCP     string        // it accepts a connection at this address
	HTTP    string        // it answers this URL with a status under 400
	Delay   time.Duration // it has run so long
	Timeout time.Duration // for all of it
}

// Program is what is waited for.
type Program interface {
	// Has reports whether the program, or what descends from it, has the socket with this inode.
	Has(inode uint64) bool
}

// ErrTimeout says that it did not serve within the timeout.
var ErrTimeout = errors.New("it is not ready in time")

// between is the time between two questions.
const between = 50 * time.Millisecond

// Wait returns nil when p serves, ErrTimeout when it did not in time, or why ctx ended. said is closed when it has said that it is
// ready.
//
// The last generation accepts at the same sockets: an answer counts where the connection is p's own.
func (c Check) Wait(ctx context.Context, p Program, said <-chan struct{}) error {
	limit := c.Timeout
	if c.Delay > 0 {
		limit += c.Delay
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
	defer cancel()
	switch {
	case c.Notify:
		return await(ctx, said)
	case c.TCP != "":
		return c.poll(ctx, func(ctx context.Context) error { return c.connect(ctx, p) })
	case c.HTTP != "":
		return c.poll(ctx, func(ctx context.Context) error { return c.get(ctx, p) })
	}
	timer := time.NewTimer(c.Delay)
	defer timer.Stop()
	return await(ctx, timer.C)
}

func await[T any](ctx context.Context, c <-chan T) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// poll asks until that goes well; where the time is over the last answer is told too, but for one that was cut off.
func (c Check) poll(ctx context.Context, ask func(context.Context) error) error {
	var before error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil && before != nil {
			err = before
		}
		before = err
		timer := time.NewTimer(between)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// accepted is how long a connection may wait to be accepted.
const accepted = time.Second

// connect returns a connection that p has accepted.
func connect(ctx context.Context, address string, p Program) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be connected to", address)
	}
	ctx, cancel := context.WithTimeout(ctx, accepted)
	defer cancel()
	for {
		switch inode, known := otherEnd(conn); {
		case !known, inode != 0 && p.Has(inode):
			return conn, nil
		case inode != 0:
			_ = conn.Close()
			return nil, fmt.Errorf("a connection to %s was taken by another program", address)
		}
		timer := time.NewTimer(between / 10)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			_ = conn.Close()
			return nil, fmt.Errorf("nobody takes a connection to %s", address)
		}
	}
}

func (c Check) connect(ctx context.Context, p Program) error {
	conn, err := connect(ctx, c.TCP, p)
	if err != nil {
		return err
	}
	return conn.Close()
}

// get reports whether p answers.
func (c Check) get(ctx context.Context, p Program) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP, nil)
	if err != nil {
		return err
	}
	port := cmp.Or(request.URL.Port(), request.URL.Scheme) // "http" is a port's name too
	conn, err := connect(ctx, net.JoinHostPort(request.URL.Hostname(), port), p)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer", c.HTTP)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 400 {
		return fmt.Errorf("%s answers %s", c.HTTP, strings.TrimSpace(answer.Status))
	}
	return nil
}
