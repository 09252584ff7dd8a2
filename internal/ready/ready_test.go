package ready

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// own is a program with the sockets of this process; other has none.
type own struct{}

func (own) Has(inode uint64) bool {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if to, _ := os.Readlink(link); to == fmt.Sprintf("socket:[%d]", inode) {
			return true
		}
	}
	return false
}

// other has no sockets. It calls asked each time that it is looked for one.
type other struct{ asked func() }

func (o other) Has(uint64) bool {
	o.asked()
	return false
}

// after calls f the n-th time that it is called, and from then on.
func after(n int, f func()) func() {
	return func() {
		if n--; n <= 0 {
			f()
		}
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := Check{TCP: l.Addr().String(), Timeout: 3 * accepted}
	if err := c.Wait(t.Context(), own{}, nil); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "nobody takes a connection") {
		t.Errorf("nobody accepts: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	c.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Wait(ctx, other{after(2, cancel)}, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "taken by another program") {
		t.Errorf("another accepts: %v", err)
	}
	if err := c.Wait(t.Context(), own{}, nil); err != nil {
		t.Errorf("it accepts: %v", err)
	}
	_ = l.Close()
	<-done
	c.Timeout = 100 * time.Millisecond
	if err := c.Wait(t.Context(), own{}, nil); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "cannot be connected to") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestHTTP(t *testing.T) {
	calls := 0
	ctx, cancel := context.WithCancel(t.Context())
	refused := after(3, cancel)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; r.URL.Path != "/healthz" || calls < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if r.URL.Path != "/healthz" {
			refused()
		}
	}))
	defer server.Close()
	c := Check{HTTP: server.URL + "/healthz", Timeout: time.Minute}
	if err := c.Wait(t.Context(), own{}, nil); err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	c.HTTP = server.URL + "/"
	if err := c.Wait(ctx, own{}, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "503") {
		t.Errorf("%v", err)
	}
	c.HTTP = server.URL + "/healthz"
	ctx, cancel = context.WithCancel(t.Context())
	if err := c.Wait(ctx, other{after(2, cancel)}, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("%v", err)
	}
}

func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	host, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "host"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	n, err := NewNotify(filepath.Join(dir, "notify"), filepath.Join(dir, "host"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	program, err := net.Dial("unixgram", n.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	say := func(text string) {
		if _, err := program.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}
	say("STATUS=READY=1\nNOTREADY=1")
	c := Check{Notify: true, Timeout: 50 * time.Millisecond}
	if err := c.Wait(t.Context(), own{}, n.Said()); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
	say("STATUS=up\nREADY=1")
	c.Timeout = time.Minute
	if err := c.Wait(t.Context(), own{}, n.Said()); err != nil {
		t.Errorf("%v", err)
	}
	heard := make([]byte, 100)
	if length, err := host.Read(heard); err != nil || string(heard[:length]) != "READY=1" {
		t.Errorf("who has started vwrap hears %q (%v)", heard[:length], err)
	}
	for range 2000 { // more than a socket holds: who reports all the time is not held up
		say("READY=1\nWATCHDOG=1")
	}
}

func TestDelay(t *testing.T) {
	began := time.Now()
	if err := (Check{Delay: 20 * time.Millisecond, Timeout: time.Minute}).Wait(t.Context(), own{}, nil); err != nil || time.Since(began) < 20*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Check{Delay: time.Hour, Timeout: time.Minute}).Wait(ctx, own{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
