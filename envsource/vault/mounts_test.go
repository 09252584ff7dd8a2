package vault

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// mountServer describes mounts by their paths: those with "kv" in them are of KV version 2.
func mountServer(t *testing.T, status *atomic.Int32, paths ...string) (_ *Source, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if s := status.Load(); s != 0 {
			w.WriteHeader(int(s))
			return
		}
		if strings.HasSuffix(r.URL.Path, "/lookup-self") {
			fmt.Fprint(w, `{"data":{"ttl":0}}`)
			return
		}
		path := strings.TrimPrefix(r.URL.Path, "/v1/sys/internal/ui/mounts/")
		for _, m := range paths {
			if strings.HasPrefix(path, m) && strings.Contains(m, "kv") {
				fmt.Fprintf(w, `{"data":{"type":"kv","path":%q,"options":{"version":"2"}}}`, m)
				return
			} else if strings.HasPrefix(path, m) {
				fmt.Fprintf(w, `{"data":{"type":"database","path":%q}}`, m)
				return
			}
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errors":["preflight capability check returned 403"]}`)
	}))
	t.Cleanup(server.Close)
	s, err := NewSource(Config{Address: server.URL}, secret.New("token"))
	if err != nil {
		t.Fatal(err)
	}
	return s, asked
}

// locateAll locates paths side by side.
func locateAll(t *testing.T, s *Source, paths ...string) (reads []envsource.Read, errs []error) {
	t.Helper()
	reads, errs = make([]envsource.Read, len(paths)), make([]error, len(paths))
	var wg sync.WaitGroup
	for i, p := range paths {
		wg.Go(func() { reads[i], errs[i] = s.Locate(t.Context(), envsource.Read{Path: p}) })
	}
	wg.Wait()
	return reads, errs
}

func TestPathsOnOneMountAreAskedForOnce(t *testing.T) {
	s, asked := mountServer(t, new(atomic.Int32), "kv/", "team/a/kv/", "team/b/")
	var paths []string
	for i := range 50 {
		paths = append(paths, fmt.Sprintf("kv/%d", i))
	}
	reads, errs := locateAll(t, s, append(paths, "team/a/kv/x", "team/b/creds/app", "kvother/x")...)
	for i, p := range paths {
		if want := "kv/data/" + strings.TrimPrefix(p, "kv/"); reads[i].Path != want || errs[i] != nil {
			t.Errorf("%s is %+v (%v)", p, reads[i], errs[i])
		}
	}
	if a, b := reads[50], reads[51]; a.Path != "team/a/kv/data/x" || b.Path != "team/b/creds/app" || b.Mount != "team/b/" {
		t.Errorf("%+v, %+v", a, b)
	}
	if !errors.Is(errs[52], envsource.ErrDenied) {
		t.Errorf("what is on no mount: %v", errs[52])
	}
	// kv, team twice, kvother, and whether the token is known.
	if n := asked.Load(); n != 5 {
		t.Errorf("it is asked %d times", n)
	}
	if _, errs = locateAll(t, s, "kv/later", "team/b/later"); errors.Join(errs...) != nil || asked.Load() != 5 {
		t.Errorf("known mounts are asked for again: %d, %v", asked.Load(), errs)
	}
}

// An outage is one for all who wait, and is not remembered.
func TestAFailedLookUpIsNotRemembered(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusServiceUnavailable)
	s, asked := mountServer(t, &status, "kv/")
	_, errs := locateAll(t, s, "kv/a", "kv/b", "kv/c")
	for _, err := range errs {
		if !errors.Is(err, envsource.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	status.Store(0)
	before := asked.Load()
	if reads, errs := locateAll(t, s, "kv/a", "kv/b", "kv/c"); errors.Join(errs...) != nil || reads[2].Path != "kv/data/c" || asked.Load() != before+1 {
		t.Errorf("%v, %v, asked %d times", reads, errs, asked.Load()-before)
	}
}
