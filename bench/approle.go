package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// loggedIn is argv in the hands of vwrap that logs in by AppRole.
func (b *bench) loggedIn(ctx context.Context, at place, values []value, argv []string) (command, error) {
	role, secret, err := b.lender.appRole(ctx)
	if err != nil {
		return command{}, err
	}
	file := filepath.Join(b.dir, "secret_id")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		return command{}, fmt.Errorf("write secret_id: %w", err)
	}
	rules := fmt.Sprintf("vault: {auth: {method: approle, role_id: %q, secret_id_file: %q}}\n", role, file)
	return b.vwrapped(place{address: at.address}, values, rules, argv...)
}

// makeAppRole makes one that may read what is lent.
func (v *server) makeAppRole(ctx context.Context) error {
	for _, step := range []struct {
		path string
		body any
	}{
		{"sys/auth/approle", map[string]any{"type": "approle"}},
		{"sys/policies/acl/bench", map[string]any{"policy": `path "` + leaseMount + `/*" { capabilities = ["read"] }`}},
		{"auth/approle/role/bench", map[string]any{"token_policies": "bench", "token_ttl": "1h"}},
	} {
		if err := v.write(ctx, step.path, step.body); err != nil {
			return err
		}
	}
	return nil
}

// appRole takes its two halves.
func (v *server) appRole(ctx context.Context) (role, secret string, err error) {
	var answer struct {
		Data struct {
			RoleID   string `json:"role_id"`
			SecretID string `json:"secret_id"`
		} `json:"data"`
	}
	if err := v.ask(ctx, http.MethodGet, "auth/approle/role/bench/role-id", nil, &answer); err != nil {
		return "", "", err
	}
	err = v.ask(ctx, http.MethodPost, "auth/approle/role/bench/secret-id", nil, &answer)
	return answer.Data.RoleID, answer.Data.SecretID, err
}
