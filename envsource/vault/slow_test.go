package vault

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// overPipes has c's connections made by dial, in memory, so that time is the test's own.
func overPipes(t *testing.T, c *Client, dial func(ctx context.Context) (net.Conn, error)) (transport *http.Transport) {
	t.Helper()
	around, ok := c.api.CloneConfig().HttpClient.Transport.(attentive)
	if !ok {
		t.Fatal("the client has another transport")
	}
	transport, ok = around.RoundTripper.(*http.Transport)
	if !ok {
		t.Fatal("the client has another transport")
	}
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	return transport
}

// A server that is slow in any way is unavailable after a while, whatever it is asked.
func TestSlowServers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	drip := func(conn net.Conn, text string) {
		for _, err := io.WriteString(conn, text); err == nil; _, err = io.WriteString(conn, " ") {
			time.Sleep(time.Second)
		}
	}
	for name, c := range map[string]struct {
		scheme string
		serve  func(conn net.Conn) // nil: no connection comes about
		most   time.Duration
	}{
		"a dial that nobody answers":  {"http", nil, requestTimeout},
		"no word":                     {"http", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, requestTimeout},
		"a TLS handshake that stalls": {"https", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, 10 * time.Second},
		"a header by the byte":        {"http", func(conn net.Conn) { drip(conn, "HTTP/1.1 200 OK\r\nX: ") }, requestTimeout},
		"a body by the byte":          {"http", func(conn net.Conn) { drip(conn, head+"Content-Length: 1000000\r\n\r\n{") }, requestTimeout},
		"a body without an end":       {"http", func(conn net.Conn) { drip(conn, head+"\r\n{") }, requestTimeout},
		"an error's body by the byte": {"http", func(conn net.Conn) { drip(conn, "HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n{") }, requestTimeout},
		"an answer that stops half-way": {"http", func(conn net.Conn) {
			_, _ = io.WriteString(conn, head+"Content-Length: 100\r\n\r\n{\"data\":")
			_, _ = io.Copy(io.Discard, conn)
		}, requestTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, err := NewClient(Config{Address: c.scheme + "://vault.example:8200"})
				if err != nil {
					t.Fatal(err)
				}
				client.SetToken(secret.New("hush"))
				transport := overPipes(t, client, func(ctx context.Context) (net.Conn, error) {
					if c.serve == nil {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					ours, theirs := net.Pipe()
					go func() { // a server takes what is asked, whatever it does besides
						go func() { _, _ = io.Copy(io.Discard, theirs) }()
						c.serve(theirs)
						_ = theirs.Close()
					}()
					return ours, nil
				})
				defer time.Sleep(2 * time.Second) // of the bubble: until the servers have seen that nobody is there
				defer transport.CloseIdleConnections()
				for path, call := range calls(client, "") {
					began := time.Now()
					err := call(t.Context())
					unread := strings.Contains(path, "revoke") // that it is done is known by the status
					if took := time.Since(began); err == nil && !unread || took > c.most+time.Second {
						t.Errorf("%s: %v after %s, want an error after %s", path, err, took, c.most)
					}
					if err != nil && (!errors.Is(err, envsource.ErrUnavailable) || strings.Contains(err.Error(), "hush")) {
						t.Errorf("%s is no outage: %v", path, err)
					}
				}
			})
		})
	}
}
