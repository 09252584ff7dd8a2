package vault

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// counter is a server that counts connections, and holds answers back until as many requests are there as are awaited.
type counter struct {
	*httptest.Server
	opened  atomic.Int32
	arrived sync.WaitGroup
}

func newCounter(t *testing.T, awaited int, secure bool) *counter {
	t.Helper()
	c := &counter{}
	c.arrived.Add(awaited)
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.arrived.Done()
		c.arrived.Wait()
		_, _ = w.Write([]byte(`{"data":{"a":"b"}}`))
	}))
	c.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.opened.Add(1)
		}
	}
	if secure {
		c.StartTLS()
	} else {
		c.Start()
	}
	t.Cleanup(c.Close)
	return c
}

// Connections that are opened ahead are those that requests go over, in clear and with TLS.
func TestAhead(t *testing.T) {
	for _, secure := range []bool{false, true} {
		const requests = 20
		server := newCounter(t, requests, secure)
		conf := Config{Address: server.URL}
		if secure {
			conf.CACert = filepath.Join(t.TempDir(), "ca.pem")
			text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			if err := os.WriteFile(conf.CACert, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := NewSource(conf, secret.New("token"))
		if err != nil {
			t.Fatal(err)
		}
		s.client.Ahead(t.Context(), requests)
		var reads sync.WaitGroup
		for range requests {
			reads.Go(func() {
				if _, err := s.Read(t.Context(), envsource.Read{Path: "kv/a"}); err != nil {
					t.Error(err)
				}
			})
		}
		reads.Wait()
		if n := server.opened.Load(); n != requests {
			t.Errorf("TLS %t: %d connections are opened for %d requests", secure, n, requests)
		}
	}
}

// A server whose certificate nobody trusts is refused in the words of net/http, ahead or not.
func TestAheadTrustsNobodyMore(t *testing.T) {
	server := newCounter(t, 1, true)
	s, err := NewSource(Config{Address: server.URL}, secret.New("token"))
	if err != nil {
		t.Fatal(err)
	}
	s.client.Ahead(t.Context(), 1)
	if _, err = s.Read(t.Context(), envsource.Read{Path: "kv/a"}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}

func TestAheadIsForTheServerAlone(t *testing.T) {
	server := newCounter(t, 1, false)
	for _, conf := range []Config{{Address: server.URL, Proxy: "http://127.0.0.1:1"}, {Address: "unix:///run/vault.sock"}} {
		c, err := NewClient(conf)
		if err != nil {
			t.Fatal(err)
		}
		c.Ahead(t.Context(), 3)
		if len(c.plain.ahead)+len(c.secure.ahead) > 0 {
			t.Errorf("%+v: connections are opened", conf)
		}
	}
}

// hung is a connection that tells whether it was closed.
type hung struct {
	net.Conn
	closed bool
}

func (h *hung) Close() error {
	h.closed = true
	return nil
}

// What has waited for long is not used: the server may be about to close it. What could not be had is dialled anew.
func TestAheadIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialled []*hung
		fail := false
		c := &connections{dial: func(context.Context, string, string) (net.Conn, error) {
			if fail {
				return nil, net.ErrClosed
			}
			dialled = append(dialled, &hung{})
			return dialled[len(dialled)-1], nil
		}}
		c.open(t.Context(), 1, "vault:8200")
		time.Sleep(fresh + time.Second)
		if got, err := c.get(t.Context(), "tcp", "vault:8200"); err != nil || got == net.Conn(dialled[0]) || !dialled[0].closed {
			t.Errorf("an old one is used: %v", err)
		}
		fail = true
		c.open(t.Context(), 1, "vault:8200")
		synctest.Wait()
		fail = false
		if got, err := c.get(t.Context(), "tcp", "vault:8200"); err != nil || got == nil {
			t.Errorf("what could not be had: %v", err)
		}
	})
}

func TestHandshakeNamesTheHost(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	names := make(chan string, 1)
	go func() {
		_ = tls.Server(server, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			names <- h.ServerName
			return nil, net.ErrClosed
		}}).HandshakeContext(t.Context())
	}()
	_, err := handshake(t.Context(), client, nil, "vault.example:8200")
	if name := <-names; name != "vault.example" || err == nil {
		t.Errorf("it is asked for %q (%v)", name, err)
	}
}
