package vault

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// calls are all that the supervisor asks a server.
func calls(c *Client, ns string) map[string]func(ctx context.Context) error {
	kv := envsource.Read{Namespace: ns, Path: "secret/data/a", Mount: "secret/", Kind: envsource.KindKV2}
	return map[string]func(ctx context.Context) error{
		"sys/leases/renew":       func(ctx context.Context) error { _, err := c.Renew(ctx, ns, "lease", time.Minute); return err },
		"sys/leases/revoke":      func(ctx context.Context) error { return c.Revoke(ctx, ns, "lease") },
		"secret/metadata/a":      func(ctx context.Context) error { _, err := c.Version(ctx, kv); return err },
		"auth/token/lookup-self": func(ctx context.Context) error { _, err := c.LookupToken(ctx, secret.New("hush")); return err },
		"auth/token/renew-self": func(ctx context.Context) error {
			_, err := c.RenewToken(ctx, secret.New("hush"), time.Minute)
			return err
		},
		"auth/token/revoke-self": func(ctx context.Context) error { return c.RevokeToken(ctx, secret.New("hush")) },
		"auth/token/create": func(ctx context.Context) error {
			_, err := c.Child(ctx, Token{ID: secret.New("hush")}, time.Minute)
			return err
		},
		"auth/approle/login": func(ctx context.Context) error {
			a := Auth{Method: "approle", RoleID: "r"}
			_, err := a.Login(ctx, c, func(string) string { return "" })
			return err
		},
	}
}

// Each request names the namespace: that of what it is about, or the client's own.
func TestEveryRequestNamesTheNamespace(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[strings.TrimPrefix(r.URL.Path, "/v1/")] = r.Header.Get("X-Vault-Namespace")
		fmt.Fprint(w, `{"auth":{"client_token":"t","lease_duration":60},"data":{"ttl":60}}`)
	}))
	defer server.Close()
	c, err := NewClient(Config{Address: server.URL, Namespace: "team"})
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(secret.New("hush"))
	for _, ns := range []string{"", "other"} {
		for path, call := range calls(c, ns) {
			_ = call(t.Context()) // some answers are not what was asked for
			want := "team"
			if ns != "" && !strings.HasPrefix(path, "auth/") {
				want = ns
			}
			if got := seen[path]; got != want {
				t.Errorf("%s for the namespace %q is sent with %q, want %q", path, ns, got, want)
			}
		}
	}
}

// A token is sent nowhere else, whatever the server says.
func TestNoRequestFollowsARedirect(t *testing.T) {
	var mu sync.Mutex
	var sent []string // elsewhere
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, r.URL.Path)
	}))
	defer elsewhere.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL+r.URL.Path)
			w.WriteHeader(status)
		}))
		c, err := NewClient(Config{Address: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		c.SetToken(secret.New("hush"))
		for path, call := range calls(c, "") {
			if err := call(t.Context()); err == nil {
				t.Errorf("%s: %d is taken for an answer", path, status)
			}
		}
		if len(sent) > 0 {
			t.Errorf("%d: sent elsewhere: %q", status, sent)
		}
		if answer, err := http.Get(server.URL + "/v1/x"); err != nil || answer.Body.Close() != nil || len(sent) != 1 {
			t.Errorf("%d: a client that follows does not come there: %v, %q", status, err, sent)
		}
		sent = nil
		server.Close()
	}
}

// Whatever a server answers, it ends in an answer or an error, without the token.
func FuzzSupervisorsAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"auth":{"client_token":"t","lease_duration":60,"renewable":true}}`, `{"data":{"ttl":60,"renewable":"yes"}}`, `{"lease_id":"x","lease_duration":-1}`,
		`{"data":{"current_version":2,"versions":{"2":{"created_time":"x","deletion_time":"2020-01-01T00:00:00Z","destroyed":false}}}}`, `{`, `null`, `[]`, `{"auth":null}`,
	} {
		f.Add([]byte(seed))
	}
	answer := &answering{}
	server := httptest.NewServer(answer)
	f.Cleanup(server.Close)
	c, err := NewClient(Config{Address: server.URL})
	if err != nil {
		f.Fatal(err)
	}
	c.SetToken(secret.New("hush"))
	f.Fuzz(func(t *testing.T, text []byte) {
		answer.set(http.StatusOK, text)
		for path, call := range calls(c, "") {
			if err := call(t.Context()); err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: the error names the token: %v", path, err)
			}
		}
	})
}

// answering is a server that answers everything with one text.
type answering struct {
	mu     sync.Mutex
	status int
	text   []byte
	tokens map[string]bool // that it was asked with
}

func (a *answering) set(status int, text []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.text, a.tokens = status, text, map[string]bool{}
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[r.Header.Get("X-Vault-Token")] = true
	w.WriteHeader(a.status)
	_, _ = w.Write(a.text)
}
