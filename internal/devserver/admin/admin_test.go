package admin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vwrap/vwrap/internal/devserver/admin"
)

func TestWhatIsWrittenIsNotInErrors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != "root" || r.URL.Path != "/v1/database/config/pg" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"errors":["cannot parse hunter22, nor deep99"]}`)
	}))
	t.Cleanup(server.Close)
	c := admin.New(server.URL, "root")
	t.Cleanup(c.Close)
	_, err := c.Write(context.Background(), "database/config/pg", map[string]any{"password": "hunter22", "more": []any{map[string]any{"a": "deep99"}}})
	if !admin.IsStatus(err, http.StatusBadRequest) {
		t.Fatalf("got %v", err)
	}
	if got, want := err.Error(), "database/config/pg: Vault answers 400: cannot parse [redacted], nor [redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListOfNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "LIST" {
			t.Errorf("asked by %s", r.Method)
		}
		if r.URL.Path == "/v1/secret/metadata/" {
			io.WriteString(w, `{"data":{"keys":["a","b/"]}}`)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	c := admin.New(server.URL, "root")
	t.Cleanup(c.Close)
	for path, want := range map[string]int{"secret/metadata": 2, "other": 0} {
		if keys, err := c.List(context.Background(), path); err != nil || len(keys) != want {
			t.Errorf("%s: %v, %v", path, keys, err)
		}
	}
}
