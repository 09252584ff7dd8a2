package cut_test

import (
	"io"
	"net"
	"testing"

	"github.com/vwrap/vwrap/internal/devserver/cut"
)

// echo is a server that says what it is told.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// says sends a word over c and returns what comes back.
func says(t *testing.T, c net.Conn, word string) string {
	t.Helper()
	io.WriteString(c, word)
	back := make([]byte, len(word))
	n, _ := io.ReadFull(c, back)
	return string(back[:n])
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCut(t *testing.T) {
	t.Parallel()
	p, err := cut.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got := says(t, dial(t, p.Addr()), "early"); got != "" {
		t.Errorf("before it knows where to it said %q", got)
	}
	p.To(echo(t))
	c := dial(t, p.Addr())
	if got := says(t, c, "hello"); got != "hello" {
		t.Errorf("it said %q", got)
	}
	p.Cut()
	if got := says(t, c, "again"); got != "" {
		t.Errorf("cut, it said %q", got)
	}
	if got := says(t, dial(t, p.Addr()), "anew"); got != "" {
		t.Errorf("cut, it said %q to a new one", got)
	}
	p.Mend()
	c = dial(t, p.Addr())
	if got := says(t, c, "back"); got != "back" {
		t.Errorf("mended, it said %q", got)
	}
	c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("after the end it said %q, %v", rest, err)
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	if _, err := cut.Listen(echo(t)); err == nil {
		t.Error("it listens where something else does")
	}
}
