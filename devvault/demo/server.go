package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// server is a development Vault, and the root's way to talk to it.
type server struct{ address, token string }

// startServer returns when the server is ready. The token goes by the environment: an argv is for everybody to read.
func startServer(ctx context.Context, s *stage, program string) (*server, error) {
	v := &server{token: "demo-" + randomHex()}
	p, err := s.start(command{
		name: "vault", program: program, args: []string{"-listen", "127.0.0.1:0", "-until-eof"}, quiet: true,
		environ: []string{"PATH=" + os.Getenv("PATH"), "DEVVAULT_TOKEN=" + v.token}, grace: 5 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(p.stdout).ReadString('\n') // "" says it all
		ready <- text
	}()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case text := <-ready:
		_, after, _ := strings.Cut(text, "VAULT_ADDR=")
		v.address, _, _ = strings.Cut(after, " ")
		if v.address == "" {
			return nil, errors.New("start devvault: it ended before it was ready")
		}
		return v, nil
	case <-limit.C:
		return nil, errors.New("start devvault: it is not ready after 30s")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// policy is what the wrapped command's secrets need, and nothing more. What every token may do (renew itself and its
// leases) is in the policy that every token has.
const policy = `path "secret/data/dev/api"     { capabilities = ["read"] }
path "secret/metadata/dev/api" { capabilities = ["read"] }
path "leased/demo"             { capabilities = ["read"] }
path "pki/issue/web"           { capabilities = ["update"] }
path "sys/leases/revoke"       { capabilities = ["update"] }
`

// seed writes what the story is about and returns a token of the policy.
func (v *server) seed() (token string, err error) {
	type fields = map[string]any
	writes := []struct {
		path string
		data fields
	}{
		{"secret/data/dev/api", fields{"data": fields{"key": randomHex()}}},
		{"sys/mounts/leased", fields{"type": "kv-leased"}},
		{"leased/demo", fields{"value": randomHex(), "ttl": "6s"}},
		{"sys/mounts/pki", fields{"type": "pki", "config": fields{"max_lease_ttl": "1h"}}},
		{"pki/root/generate/internal", fields{"common_name": "demo.local", "ttl": "1h", "key_type": "ec", "key_bits": 256}},
		{"pki/roles/web", fields{
			"allowed_domains": "demo.local", "allow_subdomains": true, "key_type": "ec", "key_bits": 256,
			"ttl": "12s", "max_ttl": "12s", "generate_lease": true,
		}},
		{"sys/policies/acl/demo", fields{"policy": policy}},
	}
	for _, w := range writes {
		if _, err := v.do(http.MethodPost, w.path, w.data); err != nil {
			return "", err
		}
	}
	made, err := v.do(http.MethodPost, "auth/token/create", fields{"policies": []string{"demo"}, "ttl": "1h"})
	if err != nil {
		return "", err
	}
	return made.Auth.ClientToken, nil
}

// setKey writes a new version of the API key's secret.
func (v *server) setKey(key string) error {
	_, err := v.do(http.MethodPost, "secret/data/dev/api", map[string]any{"data": map[string]any{"key": key}})
	return err
}

// leases counts the leases under a path.
func (v *server) leases(path string) (int, error) {
	found, err := v.do("LIST", "sys/leases/lookup/"+path, nil)
	return len(found.Data.Keys), err
}

// alive reports whether a token is one still.
func (v *server) alive(token string) (bool, error) {
	found, err := v.do(http.MethodPost, "auth/token/lookup", map[string]any{"token": token})
	return found.Data.ID == token, err
}

// answer is what Vault says, as far as the story needs it.
type answer struct {
	Auth struct {
		ClientToken string `json:"client_token"`
	} `json:"auth"`
	Data struct {
		ID   string   `json:"id"`
		Keys []string `json:"keys"`
	} `json:"data"`
	Errors []string `json:"errors"`
}

// do sends one request as root. What is not there is an empty answer.
func (v *server) do(method, path string, body any) (reply answer, err error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return reply, fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, v.address+"/v1/"+path, bytes.NewReader(encoded))
	if err != nil {
		return reply, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("X-Vault-Token", v.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply, fmt.Errorf("ask Vault: %w", err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil && !errors.Is(err, io.EOF) {
		return reply, fmt.Errorf("decode Vault's answer to %s: %w", path, err)
	}
	if response.StatusCode >= 300 && response.StatusCode != http.StatusNotFound {
		return reply, fmt.Errorf("ask Vault for %s: status %d: %s", path, response.StatusCode, strings.Join(reply.Errors, "; "))
	}
	return reply, nil
}

func randomHex() string {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic(err) // a machine without randomness has worse to worry about
	}
	return hex.EncodeToString(random[:])
}
