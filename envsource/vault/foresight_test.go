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

// foreseer has mounts and what is on them. It describes a mount once as many reads as it waits for have come.
func foreseer(t *testing.T, waits int, mounts, secrets map[string]string) (_ *Source, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	var reads sync.WaitGroup
	reads.Add(waits)
	var waited atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v1/")
		mu.Lock()
		paths = append(paths, path)
		mu.Unlock()
		if below, ok := strings.CutPrefix(path, "sys/internal/ui/mounts/"); ok {
			reads.Wait()
			first, _, _ := strings.Cut(below, "/")
			if mounts[first] == "" {
				w.WriteHeader(http.StatusForbidden)
			}
			fmt.Fprint(w, mounts[first])
			return
		}
		if int(waited.Add(1)) <= waits {
			reads.Done()
		}
		if secrets[path] == "" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[]}`)
			return
		}
		fmt.Fprint(w, secrets[path])
	}))
	t.Cleanup(server.Close)
	s, err := NewSource(Config{Address: server.URL}, secret.New("token"))
	if err != nil {
		t.Fatal(err)
	}
	s.Foresee()
	return s, func() []string {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(paths)
		return paths
	}
}

const (
	version2 = `{"data":{"type":"kv","path":"secret/","options":{"version":"2"}}}`
	version1 = `{"data":{"type":"kv","path":"secret/","options":null}}`
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

// The read is under way before the mount is known, and is not made again.
func TestReadIsForeseen(t *testing.T) {
	s, asked := foreseer(t, 1, map[string]string{"secret": version2}, map[string]string{"secret/data/a": `{"data":{"data":{"k":"v"},"metadata":{"version":3}}}`})
	a, err := readOf(t, s, "secret/a")
	if err != nil || string(a.Fields["k"]) != `"v"` || a.Version != 3 || a.Asked.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
	if want := []string{"secret/data/a", "sys/internal/ui/mounts/secret/a"}; !slices.Equal(asked(), want) {
		t.Errorf("asked were %q, not %q", asked(), want)
	}
}

// What it is named as says nothing of what a mount is: the read that is right is made then.
func TestForeseenWrongly(t *testing.T) {
	s, asked := foreseer(t, 1, map[string]string{"secret": version1}, map[string]string{"secret/a": `{"data":{"k":"v"}}`})
	a, err := readOf(t, s, "secret/a")
	if err != nil || string(a.Fields["k"]) != `"v"` || a.Version != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	if want := []string{"secret/a", "secret/data/a", "sys/internal/ui/mounts/secret/a"}; !slices.Equal(asked(), want) {
		t.Errorf("asked were %q, not %q", asked(), want)
	}
}

// What fails is tried again anew, and an answer serves once.
func TestForeseenServesOnce(t *testing.T) {
	secrets := map[string]string{}
	s, asked := foreseer(t, 1, map[string]string{"secret": version2}, secrets)
	if _, err := readOf(t, s, "secret/a"); !errors.Is(err, envsource.ErrMissing) {
		t.Errorf("what is not there: %v", err)
	}
	secrets["secret/data/a"] = `{"data":{"data":{"k":"v"},"metadata":{"version":3}}}`
	if a, err := readOf(t, s, "secret/a"); err != nil || string(a.Fields["k"]) != `"v"` {
		t.Errorf("%+v, %v", a, err)
	}
	if n := len(asked()); n != 3 { // the mount is known
		t.Errorf("asked were %q", asked())
	}
}

// A path that may mint something is read as what it is, or not at all.
func TestNotForeseen(t *testing.T) {
	s, asked := foreseer(t, 0, map[string]string{"database": `{"data":{"type":"database","path":"database/"}}`}, map[string]string{"database/creds/app": `{"lease_id":"l","data":{"k":"v"}}`})
	if a, err := readOf(t, s, "database/creds/app"); err != nil || a.LeaseID != "l" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := readOf(t, s, "secret/a"); !errors.Is(err, envsource.ErrDenied) {
		t.Errorf("a mount that may not be seen: %v", err)
	}
	if slices.Contains(asked(), "database/data/creds/app") {
		t.Errorf("asked were %q", asked())
	}
	for path, want := range map[string]bool{"secret/a": true, "secret/data/a": true, "kv-v2/a": true, "secret": false, "secrets/a": false, "database/creds/a": false} {
		if _, ok := Foretell(envsource.Read{Path: path, Method: envsource.MethodRead}); ok != want {
			t.Errorf("%s: %t", path, ok)
		}
	}
	if _, ok := Foretell(envsource.Read{Path: "secret/a", Method: envsource.MethodWrite}); ok {
		t.Error("a write")
	}
}
