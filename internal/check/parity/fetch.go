package parity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	mostBytes    = 8 << 20 // of a manifest: a hundred thousand names
	fetchTimeout = 30 * time.Second
	redirects    = 5
)

// FetchOptions say how to get a manifest.
type FetchOptions struct {
	Stdin   io.Reader         // what "-" reads
	Token   string            // sent as a bearer token to https:// and to loopback; "" is none
	Timeout time.Duration     // of all of a request; 0 is 30 s
	Cache   string            // a folder of the user's own for what a server has sent with an ETag; "" is none
	Base    http.RoundTripper // nil is one of HTTP/1
}

// Fetch gets a manifest from a file, from standard input ("-"), or from an address (https://, and http:// on loopback).
func Fetch(ctx context.Context, where string, o FetchOptions) ([]byte, error) {
	switch {
	case where == "-" && o.Stdin == nil:
		return nil, errors.New("read the manifest: there is no standard input")
	case where == "-":
		return limited(o.Stdin, "standard input")
	case !fromFile(where):
		return o.download(ctx, where)
	}
	f, err := os.Open(where)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	defer f.Close()
	return limited(f, where)
}

// limited reads all of a manifest, and no more than one can have.
func limited(r io.Reader, where string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the manifest from %s: %w", where, bare(err))
	}
	if len(text) > mostBytes {
		return nil, fmt.Errorf("read the manifest from %s: it is larger than %d MiB", where, mostBytes>>20)
	}
	return text, nil
}

// bare takes the URL off an error of net/http: it may have credentials in it.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (o FetchOptions) download(ctx context.Context, where string) ([]byte, error) {
	u, err := url.Parse(where)
	if err != nil || u.Host == "" {
		return nil, errors.New("fetch the manifest: its address is not a URL (want https://HOST/PATH)")
	}
	plain := withoutCredentials(u)
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("fetch the manifest from %s: want https:// (http:// on loopback alone)", plain)
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = fetchTimeout
	}
	client := http.Client{Transport: o.Base, Timeout: timeout, CheckRedirect: sameHost}
	if o.Base == nil {
		client.Transport = http1()
		defer client.CloseIdleConnections()
	}
	text, err := o.ask(ctx, &client, u, plain)
	if errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err) {
		return nil, fmt.Errorf("fetch the manifest from %s: no answer within %s", plain, timeout)
	}
	return text, err
}

// http1 speaks HTTP/1 alone: GODEBUG=http2debug=2 would print the token's header.
func http1() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP1(true)
	return t
}

// ask downloads what is at u, or takes it from the cache where the server says that it is the same.
func (o FetchOptions) ask(ctx context.Context, client *http.Client, u *url.URL, plain string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the manifest from %s: its address is not usable", plain)
	}
	request.Header.Set("Accept", "application/yaml, application/json, text/plain, */*;q=0.1")
	if o.Token != "" {
		request.Header.Set("Authorization", "Bearer "+o.Token)
	}
	kept := o.kept(u)
	if kept.ETag != "" {
		request.Header.Set("If-None-Match", kept.ETag)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch the manifest from %s: %w", plain, bare(err))
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotModified && kept.ETag != "":
		return kept.Text, nil
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("fetch the manifest from %s: the server answers %s: is the bearer token right", plain, answer.Status)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetch the manifest from %s: the server answers %s", plain, answer.Status)
	}
	text, err := limited(answer.Body, plain)
	if err == nil {
		o.keep(u, cached{answer.Header.Get("ETag"), text})
	}
	return text, err
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// sameHost keeps a token, and trust, with the server that was named.
func sameHost(next *http.Request, before []*http.Request) error {
	if next.URL.Host != before[0].URL.Host || next.URL.Scheme != before[0].URL.Scheme {
		return errors.New("it redirects to another server: give that one's address, if it is the right one")
	}
	if len(before) > redirects {
		return fmt.Errorf("it redirects more than %d times", redirects)
	}
	return nil
}

// cached is an answer that is kept.
type cached struct {
	ETag string `json:"etag"`
	Text []byte `json:"text"`
}

// entry is the cache's file for u. Neither its credentials nor its query go into the name; where the query makes another
// manifest, that has another ETag. Whether the token may read what is kept, the server says each time.
func (o FetchOptions) entry(u *url.URL) string {
	sum := sha256.Sum256([]byte(withoutCredentials(u)))
	return filepath.Join(o.Cache, "manifest-"+hex.EncodeToString(sum[:16])+".json")
}

// kept is what the cache has for u; nothing, where it cannot be read.
func (o FetchOptions) kept(u *url.URL) cached {
	if o.Cache == "" {
		return cached{}
	}
	text, err := os.ReadFile(o.entry(u))
	if err != nil {
		return cached{}
	}
	return parseCached(text)
}

// parseCached reads an entry of the cache; nothing, where it is not one that keep would have made.
func parseCached(text []byte) (c cached) {
	if json.Unmarshal(text, &c) != nil || !fitsHeader(c.ETag) || len(c.Text) > mostBytes {
		return cached{}
	}
	return c
}

// fitsHeader reports whether an ETag can be sent back: one that cannot fails each request from then on.
func fitsHeader(etag string) bool {
	return !strings.ContainsFunc(etag, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// keep puts an answer into the cache, whole or not at all. Where that fails it is fetched again the next time.
func (o FetchOptions) keep(u *url.URL, c cached) {
	if o.Cache == "" || c.ETag == "" || !fitsHeader(c.ETag) || os.MkdirAll(o.Cache, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(o.Cache, "new-*")
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	err = json.NewEncoder(f).Encode(c)
	if f.Close() == nil && err == nil {
		_ = os.Rename(f.Name(), o.entry(u))
	}
}
