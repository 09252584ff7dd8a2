package parity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	token "github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/check"
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
	source, err := vault.NewSource(vault.Config{Address: serve(t, keys)}, token.New("root"))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := source.KV(t.Context(), "", "secret/dev")
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func serve(t testing.TB, keys map[string]string) (address string) {
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
	return server.URL
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

// mostMemory is what a check of a hundred thousand keys may take, all of the process counted.
const mostMemory = 128 << 20

// memoryGoal is what a process that checks so much tells Go's collector to stay below; without it garbage makes it 150 MiB.
const memoryGoal = 96 << 20

// A tree of a hundred thousand keys, written as a manifest, and held against it and against itself, in a process of its own:
// go test -bench Tree -benchtime 1x.
func BenchmarkTree(b *testing.B) {
	const n = 100_000
	for name, folder := range map[string]func(i int) string{
		"flat": func(int) string { return "" }, "folders": func(i int) string { return fmt.Sprintf("team-%d/service-%d/", i%10, i%200) },
	} {
		b.Run(name, func(b *testing.B) {
			keys := make(map[string]string, n)
			for i := range n {
				keys[fmt.Sprintf("dev/%sapi-key-of-app-%d", folder(i), i)] = `{}`
			}
			address := serve(b, keys)
			for b.Loop() {
				for _, job := range []string{"list", "manifest", "against"} {
					begin := time.Now()
					c := exec.Command(os.Args[0], "-test.run=^TestOfBenchmark$", "-test.v")
					c.Env = append(os.Environ(), "PARITY_JOB="+job, "PARITY_ADDRESS="+address)
					out, err := c.CombinedOutput()
					if err != nil {
						b.Fatalf("%v: %s", err, out)
					}
					_, text, _ := strings.Cut(string(out), "peak ")
					most, _ := strconv.Atoi(strings.Fields(text)[0])
					b.ReportMetric(float64(most)/(1<<20), "MiB-"+job)
					b.ReportMetric(time.Since(begin).Seconds(), "s-"+job)
					if most > mostMemory {
						b.Errorf("%s takes %d MiB", job, most>>20)
					}
				}
			}
		})
	}
}

// TestOfBenchmark is what the benchmark runs, and a test of nothing.
func TestOfBenchmark(t *testing.T) {
	job := os.Getenv("PARITY_JOB")
	if job == "" {
		t.Skip("for the benchmark alone")
	}
	debug.SetMemoryLimit(memoryGoal)
	source, err := vault.NewSource(vault.Config{Address: os.Getenv("PARITY_ADDRESS")}, token.New("root"))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := source.KV(t.Context(), "", "secret/dev")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := List(t.Context(), kv, kv.String())
	if err != nil || len(tree.names) != 100_000 {
		t.Fatal(len(tree.names), err)
	}
	var r check.Report
	switch job {
	case "manifest":
		var m Manifest
		if m, err = ParseManifest(Write(tree), "ci"); err == nil {
			r, err = Compare(t.Context(), tree, m)
		}
	case "against":
		var other Tree
		if other, err = List(t.Context(), kv, kv.String()); err == nil {
			r, err = Against(t.Context(), tree, other, false)
		}
	}
	if err != nil || !r.Clean() {
		t.Fatal(r.Summary, err)
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	_, most, _ := strings.Cut(string(text), "VmHWM:")
	kib, _ := strconv.Atoi(strings.Fields(most)[0])
	fmt.Println("peak", kib<<10)
}

var _ Vault = (*vault.KV)(nil)
