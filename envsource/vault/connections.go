package vault

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// mostAhead is how many connections are opened before they are wanted; as many are kept between requests.
const mostAhead = 64

// connectTimeout is how long a connection may take, and its handshake.
const connectTimeout = 10 * time.Second

// fresh is how long a connection that was opened ahead is of use: servers end those on which nothing is asked
// (Vault: http_read_header_timeout, 10 s).
const fresh = 5 * time.Second

// connections opens connections for a transport, some of them before they are asked for.
type connections struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	ahead []chan opened // each will have one
}

// opened is a connection, or nil where there was none to be had.
type opened struct {
	conn net.Conn
	at   time.Time
}

// get returns one that was opened ahead, where there is one, else a new one.
func (c *connections) get(ctx context.Context, network, address string) (net.Conn, error) {
	if conn := c.first(ctx); conn != nil {
		return conn, nil
	}
	return c.dial(ctx, network, address)
}

// first takes the first of those ahead, and waits for it; nil where it is of no use.
func (c *connections) first(ctx context.Context) net.Conn {
	c.mu.Lock()
	if len(c.ahead) == 0 {
		c.mu.Unlock()
		return nil
	}
	next := c.ahead[0]
	c.ahead = c.ahead[1:]
	c.mu.Unlock()
	select {
	case o := <-next:
		if o.conn != nil && time.Since(o.at) > fresh {
			_ = o.conn.Close()
			return nil
		}
		return o.conn
	case <-ctx.Done():
		return nil
	}
}

// open opens n connections ahead.
func (c *connections) open(ctx context.Context, n int, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		next := make(chan opened, 1)
		c.ahead = append(c.ahead, next)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, connectTimeout)
			defer cancel()
			conn, err := c.dial(ctx, "tcp", address)
			if err != nil { // it is told to who dials next
				conn = nil
			}
			next <- opened{conn, time.Now()}
		}()
	}
}

// connect gives transport its connections: TLS ones for https, which is where Dialer leaves off.
func connect(transport *http.Transport) (plain, secure *connections) {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	plain = &connections{dial: dialer.DialContext}
	secure = &connections{dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return handshake(ctx, conn, transport.TLSClientConfig, address)
	}}
	transport.DialContext, transport.DialTLSContext = plain.get, secure.get
	return plain, secure
}

// handshake makes conn a TLS one, as net/http would.
func handshake(ctx context.Context, conn net.Conn, config *tls.Config, address string) (net.Conn, error) {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	} else {
		config = config.Clone()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// Ahead opens connections, as many as requests will be made side by side, before there are any. Where a proxy or a socket
// of this machine stands between it does nothing: what is on the other side of those is not known, or near.
func (c *Client) Ahead(ctx context.Context, n int) {
	u, err := url.Parse(c.address)
	if err != nil || c.proxied {
		return
	}
	n = min(n, mostAhead)
	switch u.Scheme {
	case "http":
		c.plain.open(ctx, n, hostPort(u, "80"))
	case "https":
		c.secure.open(ctx, n, hostPort(u, "443"))
	}
}

// hostPort is where u's server listens.
func hostPort(u *url.URL, usual string) string {
	port := u.Port()
	if port == "" {
		port = usual
	}
	return net.JoinHostPort(u.Hostname(), port)
}
