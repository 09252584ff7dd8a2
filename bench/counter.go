package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vwrap/vwrap/bench/clock"
)

// counter is a proxy before a server that remembers what was asked, and when.
type counter struct {
	server *http.Server
	at     string // its address

	mu   sync.Mutex
	seen []request
}

// request is one that was asked.
type request struct {
	at   time.Duration // by clock.Now
	path string        // after /v1/
}

func startCounter(server string) (*counter, error) {
	target, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("read the server's address: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the counting proxy: %w", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
		ErrorLog:  log.New(io.Discard, "", 0), // of clients that went away
	}
	c := &counter{at: "http://" + listener.Addr().String()}
	c.server = &http.Server{Handler: c.counted(proxy), ErrorLog: proxy.ErrorLog}
	go c.server.Serve(listener) // until close
	return c, nil
}

func (c *counter) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.seen = append(c.seen, request{clock.Now(), strings.TrimPrefix(r.URL.Path, "/v1/")})
		c.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (c *counter) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		c.server.Close()
	}
}

// count is how many requests there were.
func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// of are those for paths that begin so.
func (c *counter) of(prefix string) []request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.seen), func(r request) bool { return !strings.HasPrefix(r.path, prefix) })
}
