package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/devserver"
)

func TestList(t *testing.T) {
	t.Parallel()
	for want, secrets := range map[string]map[string]string{
		"[] false":               nil,
		"[a b] true":             {"": `{"b":1,"a":2}`},
		"[a a/b/c a/d] false":    {"a": `{}`, "a/b/c": `{}`, "a/d": `{}`, "": `{"own":1}`},
		"[deep/er/and/on] false": {"deep/er/and/on": ""},
	} {
		tree, err := List(t.Context(), &fake{secrets: secrets}, "secret")
		if got := fmt.Sprint(tree.names, tree.one); got != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

// slow is a fake whose every request takes a while: requests meet if they may.
type slow struct{ *fake }

func (s slow) List(ctx context.Context, below string) ([]string, error) {
	leave, err := s.enter()
	defer leave()
	time.Sleep(time.Second)
	quiet := &fake{secrets: s.secrets}
	names, listErr := quiet.List(ctx, below)
	return names, errors.Join(err, listErr)
}

func (s slow) Read(ctx context.Context, below string) (map[string]json.RawMessage, time.Time, error) {
	leave, err := s.enter()
	defer leave()
	time.Sleep(time.Second)
	quiet := &fake{secrets: s.secrets, written: s.written}
	found, written, readErr := quiet.Read(ctx, below)
	return found, written, errors.Join(err, readErr)
}

// No more than 16 requests are under way, for folders and for secrets, and so many are.
func TestRequestsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		secrets, text := map[string]string{}, "required_keys:\n"
		for i := range 400 {
			name := fmt.Sprintf("team-%d/app-%d", i%80, i)
			secrets[name] = `{"v":"x"}`
			text += "  " + name + ": {min_length: 1}\n"
		}
		f := &fake{secrets: secrets}
		tree, err := List(t.Context(), slow{f}, "secret")
		if err != nil || len(tree.names) != 400 || f.most != atOnce {
			t.Errorf("%d keys with %d requests at once, %v", len(tree.names), f.most, err)
		}
		f.most = 0
		r, err := Compare(t.Context(), tree, manifest(t, text))
		if err != nil || !r.Clean() || f.most != atOnce {
			t.Errorf("%d requests at once, %v, %v", f.most, drift(r), err)
		}
	})
}

// The first failure ends it, and is what is returned.
func TestFailureEndsIt(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	failure := errors.New("no")
	err := each(t.Context(), 1000, func(_ context.Context, i int) error {
		asked.Add(1)
		if i == 3 {
			return failure
		}
		return nil
	})
	if !errors.Is(err, failure) || asked.Load() > 100 {
		t.Errorf("%v after %d", err, asked.Load())
	}
}

// endlessly has a folder in every folder.
type endlessly struct{ *fake }

func (endlessly) List(context.Context, string) ([]string, error) { return []string{"a/", "b/"}, nil }

func TestTooMany(t *testing.T) {
	if testing.Short() {
		t.Skip("a million names")
	}
	t.Parallel()
	if _, err := List(t.Context(), endlessly{}, "secret"); err == nil || !strings.HasPrefix(err.Error(), "more than 1000000 keys") {
		t.Errorf("%v", err)
	}
}

// served is the embedded server's secret/dev with keys below, asked through envsource/vault.
func served(t testing.TB, keys map[string]string) *vault.KV {
	t.Helper()
	s := devserver.New("root")
	for path, text := range keys {
		r := httptest.NewRequest("POST", "/v1/secret/data/"+path, strings.NewReader(`{"data":`+text+`}`))
		r.Header.Set("X-Vault-Token", "root")
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != 200 {
			t.Fatal(w.Body)
		}
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	source, err := vault.NewSource(vault.Config{Address: server.URL}, "root")
	if err != nil {
		t.Fatal(err)
	}
	kv, err := source.KV(t.Context(), "", "secret/dev")
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestServed(t *testing.T) {
	t.Parallel()
	kv := served(t, map[string]string{"dev/db": `{"password":"` + hush + `"}`, "dev/team/api-key": `{"key":"sk_` + hush + `"}`, "prod": `{}`})
	tree, err := List(t.Context(), kv, kv.String())
	if err != nil || !slices.Equal(tree.names, []string{"db", "team/api-key"}) {
		t.Fatalf("%v, %v", tree.names, err)
	}
	r, err := Compare(t.Context(), tree, manifest(t, "required_keys: {db#password: {not_older_than: 1h}, team/API_KEY: {pattern: ^sk_}, other: }"))
	if got := drift(r); got != "missing other" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	one, err := List(t.Context(), served(t, map[string]string{"dev": `{"A":1}`}), "secret/dev")
	if err != nil || !one.one || !slices.Equal(one.names, []string{"A"}) {
		t.Errorf("%+v, %v", one, err)
	}
	if r, err := Against(t.Context(), tree, tree, true); err != nil || !r.Clean() {
		t.Errorf("%v, %v", r, err)
	}
}

// A tree of a hundred thousand keys: go test -bench Tree -benchtime 1x.
func BenchmarkTree(b *testing.B) {
	const n = 100_000
	for name, folder := range map[string]func(i int) string{
		"flat": func(int) string { return "" }, "folders": func(i int) string { return fmt.Sprintf("team-%d/service-%d/", i%100, i%1000) },
	} {
		b.Run(name, func(b *testing.B) {
			keys := make(map[string]string, n)
			var text bytes.Buffer
			text.WriteString("required_keys:\n")
			for i := range n {
				key := fmt.Sprintf("%sapi-key-of-app-%d", folder(i), i)
				keys["dev/"+key] = `{}`
				fmt.Fprintf(&text, "- %s\n", key)
			}
			kv := served(b, keys)
			keys = nil
			for b.Loop() {
				most := peak(func() {
					tree, err := List(b.Context(), kv, "secret/dev")
					if err != nil || len(tree.names) != n {
						b.Fatal(len(tree.names), err)
					}
				})
				b.ReportMetric(float64(most)/(1<<20), "MiB-list")
				tree, err := List(b.Context(), kv, "secret/dev")
				if err != nil {
					b.Fatal(err)
				}
				most = peak(func() {
					m, err := ParseManifest(text.Bytes(), "ci")
					if err != nil {
						b.Fatal(err)
					}
					if r := report(tree, m, nil); !r.Clean() {
						b.Fatal(r.Summary)
					}
					other, err := Against(b.Context(), tree, tree, false)
					if err != nil || !other.Clean() {
						b.Fatal(err)
					}
				})
				b.ReportMetric(float64(most)/(1<<20), "MiB-manifest")
			}
		})
	}
}

// peak is how much more heap there is at a time while f runs.
func peak(f func()) (most uint64) {
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			select {
			case <-tick.C:
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
			case <-stop:
				return
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return most
}

var _ Vault = (*vault.KV)(nil)
