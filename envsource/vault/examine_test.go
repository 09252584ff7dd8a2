package vault

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// answers is a server that has one answer for each path, and notes what it was asked.
type answers struct {
	t    *testing.T
	by   map[string]string // "403" and such is a status
	mu   sync.Mutex
	seen []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	a.seen = append(a.seen, r.Method+" "+path+" "+r.Header.Get("X-Vault-Token"))
	text, ok := a.by[path]
	if !ok {
		text = "404"
	}
	var status int
	if n, _ := fmt.Sscanf(text, "%d", &status); n == 1 {
		w.WriteHeader(status)
		text = `{"errors":["hush is what the server says"]}`
	}
	fmt.Fprint(w, text)
}

func examined(t *testing.T, by map[string]string) (*Client, *Source, *answers) {
	a := &answers{t: t, by: by}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	conf := Config{Address: server.URL}
	c, err := NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSource(conf, secret.New("hush-token"))
	if err != nil {
		t.Fatal(err)
	}
	return c, s, a
}

func TestHealth(t *testing.T) {
	t.Parallel()
	c, _, a := examined(t, map[string]string{"sys/health": `{"initialized":true,"sealed":true,"standby":true,"version":"1.21.1"}`})
	c.SetToken(secret.New("hush-token"))
	h, err := c.Health(t.Context())
	if err != nil || !h.Initialized || !h.Sealed || !h.Standby || h.Version != "1.21.1" || !h.Timed || h.Skew.Abs() > 10*time.Second {
		t.Errorf("%+v, %v", h, err)
	}
	if want := []string{"GET sys/health "}; !reflect.DeepEqual(a.seen, want) {
		t.Errorf("it is asked %q, want %q: without the token", a.seen, want)
	}
	for _, text := range []string{"<html>", "{}", "[]", `"x"`} {
		c, _, _ := examined(t, map[string]string{"sys/health": text})
		if _, err := c.Health(t.Context()); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c, _, _ = examined(t, map[string]string{"sys/health": "502"})
	if _, err := c.Health(t.Context()); !errors.Is(err, envsource.ErrUnavailable) {
		t.Errorf("502: %v", err)
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, ok := skew("Fri, 02 Jan 2026 03:04:00 GMT", at, at.Add(time.Second))
	if !ok || got != 5*time.Second {
		t.Errorf("%v %v", got, ok)
	}
	if _, ok := skew("yesterday", at, at); ok {
		t.Error("yesterday is no time")
	}
}

func TestTokenInfo(t *testing.T) {
	t.Parallel()
	_, s, _ := examined(t, map[string]string{
		"auth/token/lookup-self": `{"data":{"id":"hush-token","accessor":"hush-a","ttl":60,"renewable":true,"num_uses":3,"type":"batch","policies":["b","default"],"identity_policies":["a","b"]}}`,
	})
	got, err := s.Token(t.Context())
	want := TokenInfo{time.Minute, true, true, 3, []string{"a", "b", "default"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	_, s, _ = examined(t, map[string]string{"auth/token/lookup-self": "403"})
	if _, err := s.Token(t.Context()); !errors.Is(err, ErrToken) {
		t.Errorf("403: %v", err)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	_, s, _ := examined(t, map[string]string{"sys/capabilities-self": `{"data":{"a":["read","list"],"b":["deny"],"capabilities":["root"]}}`})
	got, err := s.Capabilities(t.Context(), "", []string{"a", "b", "c"})
	if want := map[string][]string{"a": {"read", "list"}, "b": {"deny"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPresent(t *testing.T) {
	t.Parallel()
	const there = `{"data":{"current_version":1,"versions":{"1":{}}}}`
	kv2 := envsource.Read{Method: "read", Path: "kv/data/a", Mount: "kv/", Kind: envsource.KindKV2}
	kv1 := envsource.Read{Method: "read", Path: "old/a", Mount: "old/", Kind: envsource.KindKV1}
	user := envsource.Read{Method: "read", Path: "db/creds/app", Mount: "db/"}
	fixed := kv2
	fixed.Version = 2
	for name, c := range map[string]struct {
		read  envsource.Read
		by    map[string]string
		known bool
		err   error
	}{
		"version 2":                  {kv2, map[string]string{"kv/metadata/a": there}, true, nil},
		"version 2, none":            {kv2, nil, true, envsource.ErrMissing},
		"version 2, deleted":         {kv2, map[string]string{"kv/metadata/a": `{"data":{"current_version":1,"versions":{"1":{"destroyed":true}}}}`}, true, envsource.ErrMissing},
		"version 2, no metadata":     {kv2, map[string]string{"kv/metadata/a": "403", "kv/data/a": "{}"}, true, nil},
		"version 2, nothing allowed": {kv2, map[string]string{"kv/metadata/a": "403", "kv/data/a": "403"}, false, nil},
		"fixed":                      {fixed, map[string]string{"kv/data/a": "{}"}, true, nil},
		"version 1":                  {kv1, map[string]string{"old/a": "hush"}, true, nil},
		"version 1, none":            {kv1, nil, true, envsource.ErrMissing},
		"version 1, away":            {kv1, map[string]string{"old/a": "500"}, false, envsource.ErrUnavailable},
		"role":                       {user, map[string]string{"db/roles/app": "{}", "db/creds/app": "500"}, true, nil},
		"role, none":                 {user, map[string]string{"db/creds/app": "500"}, true, envsource.ErrMissing},
		"role, nothing allowed":      {user, map[string]string{"db/roles/app": "403", "db/creds/app": "500"}, false, nil},
		"some engine":                {envsource.Read{Method: "read", Path: "x/y/z", Mount: "x/"}, map[string]string{"x/y/z": "500"}, false, nil},
		"no mount":                   {envsource.Read{Method: "read", Path: "x/creds/z"}, nil, false, nil},
		"a write":                    {envsource.Read{Method: "write", Path: "old/a", Mount: "old/", Kind: envsource.KindKV1}, map[string]string{"old/a": "500"}, false, nil},
	} {
		_, s, a := examined(t, c.by)
		known, err := s.Present(t.Context(), c.read)
		if known != c.known || !errors.Is(err, c.err) || (err != nil) != (c.err != nil) {
			t.Errorf("%s: %v, %v", name, known, err)
		}
		if err != nil && errors.Is(err, envsource.ErrMissing) && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
		for _, asked := range a.seen {
			if strings.Contains(asked, "creds") || !strings.HasPrefix(asked, "GET ") {
				t.Errorf("%s: it asks %s, which makes a lease", name, asked)
			}
		}
	}
}

func TestRequires(t *testing.T) {
	t.Parallel()
	got := Requires(envsource.Read{Method: "read", Path: "kv/data/a", Mount: "kv/", Kind: envsource.KindKV2})
	want := []Requirement{{"kv/data/a", "read", false}, {"kv/metadata/a", "read", true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if line := got[0].Line(); line != `path "kv/data/a" { capabilities = ["read"] }` {
		t.Error(line)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		auth  Auth
		token Token
		env   map[string]string
	}{
		"a login by auth/approle":              {Auth{Method: "approle"}, Token{Own: true}, nil},
		"a login by auth/ours":                 {Auth{Method: "jwt", Mount: "ours/"}, Token{Own: true}, nil},
		"/home/u/.vault-token":                 {Auth{}, Token{File: "/home/u/.vault-token"}, nil},
		"VAULT_TOKEN":                          {Auth{Method: "token"}, Token{}, map[string]string{"VAULT_TOKEN": "hush"}},
		"BAO_TOKEN":                            {Auth{}, Token{}, map[string]string{"VAULT_TOKEN": "hush", "BAO_TOKEN": "hush"}},
		"the token helper that ~/.vault names": {Auth{}, Token{}, nil},
	} {
		if got := c.auth.Origin(c.token, func(name string) string { return c.env[name] }); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Whatever a server answers, it ends in an answer or an error, without the token.
func FuzzExaminersAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"initialized":true,"version":"1"}`, `{"data":{"ttl":60,"policies":["a",1],"num_uses":"x"}}`, `{"data":{"secret/data/a":["read",2]}}`, ``, `{`, `null`, `[]`,
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
	s, err := NewSource(Config{Address: server.URL}, secret.New("hush"))
	if err != nil {
		f.Fatal(err)
	}
	kv := envsource.Read{Method: "read", Path: "secret/data/a", Mount: "secret/", Kind: envsource.KindKV2}
	f.Fuzz(func(t *testing.T, text []byte) {
		answer.set(http.StatusOK, text)
		_, one := c.Health(t.Context())
		_, two := s.Token(t.Context())
		_, three := s.Capabilities(t.Context(), "", []string{kv.Path})
		_, four := s.Present(t.Context(), kv)
		if err := errors.Join(one, two, three, four); err != nil && strings.Contains(err.Error(), "hush") && !strings.Contains(string(text), "hush") {
			t.Errorf("the error names the token: %v", err)
		}
	})
}
