package vault

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// earlyReader has mounts and what is on them. It answers everything with status, where that is not 0.
func earlyReader(t *testing.T, status *atomic.Int32, mounts, secrets map[string]string) (_ *Source, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v1/")
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, path)
		below, isMount := strings.CutPrefix(path, "sys/internal/ui/mounts/")
		first, _, _ := strings.Cut(below, "/")
		switch {
		case status.Load() != 0:
			w.WriteHeader(int(status.Load()))
		case isMount && mounts[first] == "":
			w.WriteHeader(http.StatusForbidden)
		case isMount:
			fmt.Fprint(w, mounts[first])
		case secrets[path] == "":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[]}`)
		default:
			fmt.Fprint(w, secrets[path])
		}
	}))
	t.Cleanup(server.Close)
	s, err := NewSource(Config{Address: server.URL}, secret.New("token"))
	if err != nil {
		t.Fatal(err)
	}
	s.ReadEarly()
	return s, func() []string {
		mu.Lock()
		defer mu.Unlock()
		before := paths
		paths = nil
		return before
	}
}

const (
	describedAs2 = `{"data":{"type":"kv","path":"secret/","options":{"version":"2"}}}`
	describedAs1 = `{"data":{"type":"kv","path":"secret/","options":null}}`
	secretA      = `{"data":{"data":{"k":"v"},"metadata":{"created_time":"2006-01-02T15:04:05Z","version":3}}}`
)

// readOf locates and reads path.
func readOf(t *testing.T, s *Source, path string) (envsource.Answer, error) {
	t.Helper()
	r, err := s.Locate(t.Context(), envsource.Read{Source: envsource.SourceVault, Path: path, Method: envsource.MethodRead})
	if err != nil {
		return envsource.Answer{}, err
	}
	return s.Read(t.Context(), r)
}

func expectAsked(t *testing.T, asked func() []string, want ...string) {
	t.Helper()
	if got := asked(); !slices.Equal(got, want) {
		t.Errorf("asked were %q, not %q", got, want)
	}
}

// An answer that is one of KV version 2 says what its mount is; it serves once, and the others on that mount are known then.
func TestReadEarly(t *testing.T) {
	s, asked := earlyReader(t, new(atomic.Int32), nil, map[string]string{"secret/data/a": secretA, "secret/data/b": secretA})
	for _, path := range []string{"secret/a", "secret/b", "secret/data/a"} {
		a, err := readOf(t, s, path)
		if err != nil || string(a.Fields["k"]) != `"v"` || a.Version != 3 || a.Kind != envsource.KindKV2 || a.Asked.IsZero() {
			t.Errorf("%s: %+v, %v", path, a, err)
		}
	}
	expectAsked(t, asked, "secret/data/a", "secret/data/b", "secret/data/a")
}

// A name says nothing of what a mount is: where nothing is found it is asked.
func TestNotWhatItIsNamed(t *testing.T) {
	s, asked := earlyReader(t, new(atomic.Int32), map[string]string{"secret": describedAs1}, map[string]string{"secret/a": `{"data":{"k":"v"}}`, "secret/data/b": `{"data":{"k":"other"}}`})
	a, err := readOf(t, s, "secret/a")
	if err != nil || string(a.Fields["k"]) != `"v"` || a.Version != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	expectAsked(t, asked, "secret/data/a", "sys/internal/ui/mounts/secret/a", "secret/a")

	s, asked = earlyReader(t, new(atomic.Int32), map[string]string{"secret": describedAs1}, map[string]string{"secret/b": `{"data":{"k":"v"}}`, "secret/data/b": `{"data":{"k":"other"}}`})
	if a, err = readOf(t, s, "secret/b"); err != nil || string(a.Fields["k"]) != `"v"` {
		t.Errorf("a secret below data/ of version 1: %+v, %v", a, err)
	}
	expectAsked(t, asked, "secret/data/b", "sys/internal/ui/mounts/secret/b", "secret/b")
}

// What is not there, or may not be read, is told as it always is.
func TestReadEarlyFindsNothing(t *testing.T) {
	s, asked := earlyReader(t, new(atomic.Int32), map[string]string{"secret": describedAs2}, nil)
	if _, err := readOf(t, s, "secret/a"); !errors.Is(err, envsource.ErrMissing) || !strings.Contains(err.Error(), "nothing at secret/a") {
		t.Errorf("what is not there: %v", err)
	}
	expectAsked(t, asked, "secret/data/a", "sys/internal/ui/mounts/secret/a", "secret/data/a")
}

// A server that has enough to do is asked once.
func TestReadEarlyUnavailable(t *testing.T) {
	var status atomic.Int32
	s, asked := earlyReader(t, &status, nil, map[string]string{"secret/data/a": secretA})
	status.Store(http.StatusTooManyRequests)
	if _, err := readOf(t, s, "secret/a"); !errors.Is(err, envsource.ErrUnavailable) {
		t.Errorf("an answer of 429: %v", err)
	}
	expectAsked(t, asked, "secret/data/a")
	status.Store(0)
	if a, err := readOf(t, s, "secret/a"); err != nil || a.Version != 3 {
		t.Errorf("%+v, %v", a, err)
	}
}

// A path that may mint something is read as what it is, or not at all.
func TestNotReadEarly(t *testing.T) {
	s, asked := earlyReader(t, new(atomic.Int32), map[string]string{"database": `{"data":{"type":"database","path":"database/"}}`}, map[string]string{"database/creds/app": `{"lease_id":"l","data":{"k":"v"}}`})
	if a, err := readOf(t, s, "database/creds/app"); err != nil || a.LeaseID != "l" {
		t.Errorf("%+v, %v", a, err)
	}
	expectAsked(t, asked, "sys/internal/ui/mounts/database/creds/app", "database/creds/app")
	for path, want := range map[string]bool{"secret/a": true, "secret/data/a": true, "kv-v2/a": true, "secret": false, "secrets/a": false, "database/creds/a": false} {
		if _, ok := asVersion2(envsource.Read{Path: path, Method: envsource.MethodRead}); ok != want {
			t.Errorf("%s: %t", path, ok)
		}
	}
	if _, ok := asVersion2(envsource.Read{Path: "secret/a", Method: envsource.MethodWrite}); ok {
		t.Error("a write")
	}
}

// Two ways to write one path are one request, also side by side.
func TestReadEarlyOnce(t *testing.T) {
	s, asked := earlyReader(t, new(atomic.Int32), nil, map[string]string{"secret/data/a": secretA})
	reads, errs := locateAll(t, s, "secret/a", "secret/data/a", "secret/a", "secret/data/a")
	for i, r := range reads {
		if errs[i] != nil || r.Key() != reads[0].Key() {
			t.Errorf("%+v, %v", r, errs[i])
		}
	}
	if a, err := s.Read(t.Context(), reads[0]); err != nil || a.Version != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	expectAsked(t, asked, "secret/data/a")
}
