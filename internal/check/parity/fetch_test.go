package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFetchFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for where, o := range map[string]FetchOptions{file: {}, "-": {Stdin: strings.NewReader("x")}} {
		if text, err := Fetch(t.Context(), where, o); string(text) != "x" || err != nil {
			t.Errorf("%s: %q, %v", where, text, err)
		}
	}
	if _, err := Fetch(t.Context(), file+"-not", FetchOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := Fetch(t.Context(), "-", FetchOptions{}); err == nil {
		t.Error("no standard input is no error")
	}
	if _, err := Fetch(t.Context(), "-", FetchOptions{Stdin: endless{}}); err == nil || !strings.HasSuffix(err.Error(), "it is larger than 8 MiB") {
		t.Errorf("%v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// manifests is a server with a manifest behind a token, and with what else servers do.
func manifests(t *testing.T) (server *httptest.Server, full func() int) {
	t.Helper()
	sent := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+hush:
			w.WriteHeader(http.StatusUnauthorized)
		case r.Header.Get("If-None-Match") == `"one"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			sent++
			w.Header().Set("ETag", `"one"`)
			fmt.Fprint(w, "required_keys: [a]")
		}
	})
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:1/keys?token="+hush, http.StatusFound)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for range 9 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, func() int { return sent }
}

func TestFetch(t *testing.T) {
	t.Parallel()
	server, _ := manifests(t)
	for path, want := range map[string]string{
		"/keys": "", "/here": "", "/keys?x=" + hush: "",
		"/round":        "fetch the manifest from URL/round: it redirects more than 5 times",
		"/away":         "fetch the manifest from URL/away: it redirects to another server: give that one's address, if it is the right one",
		"/large":        "read the manifest from URL/large: it is larger than 8 MiB",
		"/none?" + hush: "fetch the manifest from URL/none: the server answers 404 Not Found",
	} {
		text, err := Fetch(t.Context(), server.URL+path, FetchOptions{Token: hush})
		switch {
		case want == "" && (string(text) != "required_keys: [a]" || err != nil):
			t.Errorf("%s: %q, %v", path, text, err)
		case want != "" && (err == nil || strings.ReplaceAll(err.Error(), server.URL, "URL") != want):
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	for where, want := range map[string]string{
		"http://ci.example/keys":                     "want https:// (http:// on loopback alone)",
		"ftp://127.0.0.1/keys":                       "want https:// (http:// on loopback alone)",
		"https://":                                   "its address is not a URL (want https://HOST/PATH)",
		"http://u:" + hush + "@[::1/":                "its address is not a URL (want https://HOST/PATH)",
		"http://u:" + hush + "@127.0.0.1:1/?" + hush: "connection refused",
		server.URL + "/keys":                         "the server answers 401 Unauthorized: is the bearer token right",
	} {
		if _, err := Fetch(t.Context(), where, FetchOptions{}); err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), hush) {
			t.Errorf("%s: %v, want %s", where, err, want)
		}
	}
}

// A server that does not answer is not waited for for ever.
func TestFetchSlow(t *testing.T) {
	t.Parallel()
	server, _ := manifests(t)
	if _, err := Fetch(t.Context(), server.URL+"/slow", FetchOptions{Timeout: 1}); err == nil || !strings.HasSuffix(err.Error(), "/slow: no answer within 1ns") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Fetch(ctx, server.URL+"/slow", FetchOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What has not changed is not sent again; and the token is asked for all the same.
func TestFetchCache(t *testing.T) {
	t.Parallel()
	server, full := manifests(t)
	o := FetchOptions{Token: hush, Cache: filepath.Join(t.TempDir(), "cache")}
	for range 3 {
		if text, err := Fetch(t.Context(), server.URL+"/keys?"+hush, o); string(text) != "required_keys: [a]" || err != nil {
			t.Fatalf("%q, %v", text, err)
		}
	}
	if full() != 1 {
		t.Errorf("sent %d times", full())
	}
	files, err := filepath.Glob(filepath.Join(o.Cache, "*"))
	if len(files) != 1 || err != nil {
		t.Fatalf("%v, %v", files, err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || strings.Contains(string(text)+files[0], hush) {
		t.Errorf("%s: %s, %v", files[0], text, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), server.URL+"/keys", o); err != nil || full() != 2 {
		t.Errorf("what is broken is not fetched again: %v", err)
	}
	o.Token = ""
	if _, err := Fetch(t.Context(), server.URL+"/keys", o); err == nil {
		t.Error("without a token it is taken from the cache")
	}
}

// A server that speaks HTTP/2 too is asked by HTTP/1: there is a debug switch that prints the headers of HTTP/2.
func TestFetchByHTTP1(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	base := http1()
	base.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	t.Cleanup(base.CloseIdleConnections)
	if text, err := Fetch(t.Context(), server.URL, FetchOptions{Token: hush, Base: base}); string(text) != "HTTP/1.1" || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := Fetch(t.Context(), server.URL, FetchOptions{Token: hush}); err == nil || !strings.Contains(err.Error(), "unknown authority") || strings.Contains(err.Error(), hush) {
		t.Errorf("who has signed its certificate is not asked: %v", err)
	}
}

// What another program has put into the cache is taken for an entry, or for nothing; what keep writes is read back as it was.
func FuzzCached(f *testing.F) {
	for _, text := range []string{`{"etag":"\"one\"","text":"YQ=="}`, `{"etag":"a\nb","text":"YQ=="}`, `{"etag":1}`, `[]`, `{`, `{"text":"?"}`, "null", ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := parseCached(text)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("If-None-Match", c.ETag)
		if err := request.Write(io.Discard); err != nil {
			t.Errorf("%q cannot be sent: %v", c.ETag, err)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := parseCached(again); got.ETag != c.ETag || !bytes.Equal(got.Text, c.Text) {
			t.Errorf("%q became %q", c, got)
		}
	})
}
