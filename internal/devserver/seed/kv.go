package seed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/devserver/admin"
)

// secret is a secret of KV. In its fields are still Generates, and no more Commands.
type secret struct {
	path   string
	fields map[string]any
}

// secret writes s, as many versions as there have to be.
func (a *applier) secret(ctx context.Context, s secret) error {
	at, m, rest := a.in(s.path)
	if m.engine != "kv" && m.engine != "kv-leased" {
		return fmt.Errorf("%s: the server has no KV there: name its mount under dev.engines in vwrap.yaml", s.path)
	}
	put := kvPut{a.client, s.path, s.fields, m.engine == "kv" && m.version == "2"}
	if put.wrapped {
		rest = strings.TrimPrefix(rest, "data/")
		put.path = at + "data/" + rest
	}
	if slices.Contains(a.written, put.path) {
		return fmt.Errorf("%s: stands twice under dev.kv: secret/data/NAME is secret/NAME", s.path)
	}
	a.written = append(a.written, put.path)
	versions := a.versions[s.path]
	if versions > 0 { // Vault keeps ten: a fixed one has to outlive the rotations
		if _, err := a.client.Write(ctx, at+"metadata/"+rest, map[string]any{"max_versions": 10_000}); err != nil {
			return err
		}
	}
	for range max(1, versions) {
		if err := put.do(ctx); err != nil {
			return err
		}
	}
	if names := madeUp(s.fields); len(names) > 0 {
		a.result.Made = append(a.result.Made, Made{at + rest, names})
		a.rotateKV(at+rest, m, put)
	}
	return nil
}

// kvPut writes a secret, with new values for what is generated.
type kvPut struct {
	client  *admin.Client
	path    string // as the server has it
	fields  map[string]any
	wrapped bool // in data, for version 2
}

func (k kvPut) do(ctx context.Context) error {
	body := freshFields(k.fields)
	if k.wrapped {
		body = map[string]any{"data": body}
	}
	for {
		_, err := k.client.Write(ctx, k.path, body)
		if e, ok := errors.AsType[*admin.Error](err); !ok || !strings.Contains(e.Said, "Upgrading from non-versioned") {
			return err
		}
		select { // a mount that was just made: Vault says so for a moment, and that it is to be asked again
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
