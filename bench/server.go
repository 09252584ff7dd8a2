package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// server is a Vault in development mode.
type server struct {
	address, token string
	process        *process
}

// newestBuilt is the program of that kind that the e2e suite has built last, into the user's cache.
func newestBuilt(kind string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(cache, "vwrap-e2e", kind+"-*"))
	if err != nil {
		return "", fmt.Errorf("find %s: %w", kind, err)
	}
	newest, at := "", time.Time{}
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(at) && filepath.Ext(path) == "" {
			newest, at = path, info.ModTime()
		}
	}
	if newest == "" {
		return "", fmt.Errorf("find %s: none is built yet: run make servers first, or give its program by a flag", kind)
	}
	return newest, nil
}

// startVault returns when the server is ready and has the secret.
func startVault(ctx context.Context, program, dir string) (*server, error) {
	v, err := startServer(ctx, dir, "vault", func(address, token string) []string {
		return []string{
			program, "server", "-dev", "-dev-no-store-token",
			"-dev-root-token-id=" + token, "-dev-listen-address=" + address,
		}
	})
	if err != nil {
		return nil, err
	}
	// Also a server that is healthy may still be setting secret/ up.
	err = await(ctx, time.Minute, "Vault to take a secret", func() error { return v.setKey(ctx, randomHex()) })
	if err != nil {
		v.stop()
		return nil, err
	}
	return v, nil
}

// startLender returns when devvault is ready, and has an engine whose answers are leases and a login.
func startLender(ctx context.Context, program, dir string) (*server, error) {
	v, err := startServer(ctx, dir, "lender", func(address, _ string) []string { return []string{program, "-listen", address} })
	if err != nil {
		return nil, err
	}
	err = v.write(ctx, "sys/mounts/"+leaseMount, map[string]any{"type": "kv-leased"})
	if err == nil {
		err = v.makeAppRole(ctx)
	}
	if err != nil {
		v.stop()
		return nil, err
	}
	return v, nil
}

// startServer returns when the server says that it is well.
func startServer(ctx context.Context, dir, name string, argv func(address, token string) []string) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find free port: %w", err)
	}
	address := listener.Addr().String()
	listener.Close()

	v := &server{address: "http://" + address, token: "bench-" + randomHex()}
	home := filepath.Join(dir, name)
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, fmt.Errorf("make server's folder: %w", err)
	}
	v.process, err = start(command{
		argv:    argv(address, v.token),
		environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DEVVAULT_TOKEN=" + v.token}, dir: home,
	})
	if err != nil {
		return nil, err
	}
	err = await(ctx, time.Minute, name+" to be ready", func() error {
		if v.process.ended() {
			return v.process.failure()
		}
		return v.ask(ctx, http.MethodGet, "sys/health", nil, nil)
	})
	if err != nil {
		v.stop()
		return nil, err
	}
	return v, nil
}

func (v *server) stop() { v.process.stop() }

// setKey writes a new version of the secret that the copies are looked for of.
func (v *server) setKey(ctx context.Context, key string) error {
	return v.write(ctx, "secret/data/dev/api", map[string]any{"data": map[string]any{"key": key}})
}

func (v *server) write(ctx context.Context, path string, body any) error {
	return v.ask(ctx, http.MethodPost, path, body, nil)
}

// ask sends one request as root, and decodes the answer where it is wanted.
func (v *server) ask(ctx context.Context, method, path string, body, answer any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, v.address+"/v1/"+path, bytes.NewReader(encoded))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("X-Vault-Token", v.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask Vault: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("ask Vault for %s: status %d", path, response.StatusCode)
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return errors.New("ask Vault for " + path + ": the answer is no JSON")
	}
	return nil
}

func randomHex() string {
	random := make([]byte, 16)
	rand.Read(random) // never fails
	return hex.EncodeToString(random)
}
