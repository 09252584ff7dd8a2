package vault

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// engines is a server with secret/ (version 2), old/ (version 1) and db/; what is below "shut" is denied.
func engines(t *testing.T) *Source {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v1/")
		if list := r.URL.Query().Get("list") == "true" || r.Method == "LIST"; list {
			path = "LIST " + path
		}
		answers := map[string]string{
			"sys/internal/ui/mounts/secret": `{"data":{"type":"kv","path":"secret/","options":{"version":"2"}}}`,
			"sys/internal/ui/mounts/old":    `{"data":{"type":"kv","path":"old/","options":null}}`,
			"sys/internal/ui/mounts/db":     `{"data":{"type":"database","path":"db/"}}`,
			"LIST secret/metadata":          `{"data":{"keys":["dev/"]}}`,
			"LIST secret/metadata/dev":      `{"data":{"keys":["api","team/"]}}`,
			"LIST secret/metadata/odd":      `{"data":{"keys":["../"]}}`,
			"LIST old":                      `{"data":{"keys":["a"]}}`,
			"secret/data/dev/api":           `{"data":{"data":{"key":"hush"},"metadata":{"version":2,"created_time":"2026-01-02T03:04:05Z"}}}`,
			"secret/metadata/dev/api":       `{"data":{"current_version":2,"versions":{"2":{"created_time":"2026-01-02T03:04:05Z"}}}}`,
			"secret/metadata/dev/gone":      `{"data":{"current_version":1,"versions":{"1":{"created_time":"2026-01-02T03:04:05Z","destroyed":true}}}}`,
			"old/a":                         `{"data":{"n":1.50}}`,
			"auth/token/lookup-self":        `{"data":{"ttl":0}}`,
		}
		mount, _, _ := strings.Cut(strings.TrimPrefix(path, "sys/internal/ui/mounts/"), "/")
		text, ok := answers[strings.TrimSuffix(path, "/")]
		if strings.HasPrefix(path, "sys/internal/ui/mounts/") {
			text, ok = answers["sys/internal/ui/mounts/"+mount]
		}
		switch {
		case strings.Contains(path, "shut"):
			w.WriteHeader(http.StatusForbidden)
			text = `{"errors":["permission denied"]}`
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			text = `{"errors":[]}`
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	s, err := NewSource(Config{Address: server.URL}, secret.New("token"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKV(t *testing.T) {
	t.Parallel()
	s := engines(t)
	for path, want := range map[string]string{
		"secret": "secret: [dev/]", "/secret/dev/": "secret/dev: [api team/]", "secret/data/dev": "secret/dev: [api team/]", "old": "old: [a]", "old/": "old: [a]",
	} {
		kv, err := s.KV(t.Context(), "", path)
		if err != nil {
			t.Fatal(err)
		}
		names, err := kv.List(t.Context(), "")
		if got := fmt.Sprintf("%s: %v", kv, names); got != want || err != nil {
			t.Errorf("%s is %s, %v; want %s", path, got, err, want)
		}
	}
	kv, err := s.KV(t.Context(), "", "secret/dev")
	if err != nil {
		t.Fatal(err)
	}
	fields, read, err := kv.Read(t.Context(), "api")
	if string(fields["key"]) != `"hush"` || read.IsZero() || err != nil {
		t.Errorf("%s, %s, %v", fields, read, err)
	}
	if written, err := kv.Written(t.Context(), "api"); !written.Equal(read) || err != nil {
		t.Errorf("%s, %v", written, err)
	}
	if _, err := kv.Written(t.Context(), "gone"); !errors.Is(err, envsource.ErrMissing) || err.Error() != "secret/dev/gone: the newest version is deleted" {
		t.Errorf("%v", err)
	}
	old, err := s.KV(t.Context(), "", "old")
	if err != nil {
		t.Fatal(err)
	}
	fields, read, err = old.Read(t.Context(), "a")
	if string(fields["n"]) != "1.50" || !read.IsZero() || err != nil {
		t.Errorf("%s, %s, %v", fields, read, err)
	}
}

// What cannot be had is told apart, and a denial says the line of a policy that mends it.
func TestKVRefused(t *testing.T) {
	t.Parallel()
	s := engines(t)
	if _, err := s.KV(t.Context(), "", "db/creds"); err == nil || err.Error() != "db/creds is on no KV engine: only those can be listed" {
		t.Errorf("%v", err)
	}
	for path, lacks := range map[string]string{"shut": `"shut/metadata/*" { capabilities = ["list"] } (KV version 1: "shut/*")`, "shut/a/b": `"shut/metadata/a/b/*" { capabilities = ["list"] } (KV version 1: "shut/a/b/*")`} {
		if _, err := s.KV(t.Context(), "", path); !errors.Is(err, envsource.ErrDenied) || !strings.HasSuffix(err.Error(), lacks) {
			t.Errorf("%v", err)
		}
	}
	kv, err := s.KV(t.Context(), "", "secret")
	if err != nil {
		t.Fatal(err)
	}
	_, err = kv.List(t.Context(), "shut")
	if !errors.Is(err, envsource.ErrDenied) || !strings.HasSuffix(err.Error(), `lack: path "secret/metadata/shut/*" { capabilities = ["list"] }`) {
		t.Errorf("%v", err)
	}
	_, _, err = kv.Read(t.Context(), "shut")
	if !errors.Is(err, envsource.ErrDenied) || !strings.HasSuffix(err.Error(), `lack: path "secret/data/*" { capabilities = ["read"] }`) {
		t.Errorf("%v", err)
	}
	_, err = kv.Written(t.Context(), "shut")
	if !errors.Is(err, envsource.ErrDenied) || !strings.HasSuffix(err.Error(), `lack: path "secret/metadata/*" { capabilities = ["read"] }`) {
		t.Errorf("%v", err)
	}
	if _, err = kv.List(t.Context(), "none"); !errors.Is(err, envsource.ErrMissing) {
		t.Errorf("%v", err)
	}
	if _, err = kv.List(t.Context(), "odd"); err == nil || !strings.Contains(err.Error(), "no request can have") {
		t.Errorf("%v", err)
	}
}

// Whatever a server answers, it ends in names, fields or an error; and no name leads out of the folder.
func FuzzKVAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"keys":["a","b/"]}}`, `{"data":{"keys":[5,null,"../"]}}`, `{"data":{"keys":["a/../../b"]}}`, `{"data":{"data":{"a":1},"metadata":{"version":2,"created_time":"x"}}}`,
		`{"data":{"current_version":1,"versions":{"1":{"created_time":"2026-01-02T03:04:05Z"}}}}`, `{"data":{"data":null}}`, `{`, `null`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	answer := &answering{}
	server := httptest.NewServer(answer)
	f.Cleanup(server.Close)
	s, err := NewSource(Config{Address: server.URL}, secret.New("hush"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		answer.set(http.StatusOK, text)
		for _, kind := range []envsource.Kind{envsource.KindKV1, envsource.KindKV2} {
			kv := &KV{s, envsource.Read{Source: envsource.SourceVault, Mount: "secret/", Path: "dev", Kind: kind}}
			names, err := kv.List(t.Context(), "")
			for _, name := range names {
				if err != nil || strings.Contains("/"+name+"/", "/../") || name == "" {
					t.Errorf("%q, %v", names, err)
				}
			}
			_, _, one := kv.Read(t.Context(), "a")
			_, two := kv.Written(t.Context(), "a")
			if err := errors.Join(err, one, two); err != nil && strings.Contains(err.Error(), "hush") && !strings.Contains(string(text), "hush") {
				t.Errorf("the error names the token: %v", err)
			}
		}
	})
}
