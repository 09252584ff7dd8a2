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

// newestServer is the server that the e2e suite has built last, into the user's cache.
func newestServer() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(cache, "vwrap-e2e", "vaultserver-*"))
	if err != nil {
		return "", fmt.Errorf("find Vault server: %w", err)
	}
	newest, at := "", time.Time{}
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(at) && filepath.Ext(path) == "" {
			newest, at = path, info.ModTime()
		}
	}
	if newest == "" {
		return "", errors.New("find Vault server: the e2e suite has built none yet: run make e2e first, or give -vault PROGRAM")
	}
	return newest, nil
}

// startServer returns when the server is ready and has the secret.
func startServer(ctx context.Context, program, dir string) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find free port: %w", err)
	}
	address := listener.Addr().String()
	listener.Close()

	v := &server{address: "http://" + address, token: "bench-" + randomHex()}
	home := filepath.Join(dir, "server")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, fmt.Errorf("make server's folder: %w", err)
	}
	v.process, err = start(command{
		argv: []string{
			program, "server", "-dev", "-dev-no-store-token",
			"-dev-root-token-id=" + v.token, "-dev-listen-address=" + address,
		},
		environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}, dir: home,
	})
	if err != nil {
		return nil, err
	}
	if err := v.awaitReady(ctx); err != nil {
		v.stop()
		return nil, err
	}
	return v, nil
}

func (v *server) awaitReady(ctx context.Context) error {
	// Also a server that is healthy may still be setting secret/ up.
	err := await(ctx, time.Minute, "Vault to be ready", func() error {
		if v.process.ended() {
			return v.process.failure()
		}
		return v.ask(ctx, http.MethodGet, "sys/health", nil)
	})
	if err != nil {
		return err
	}
	return await(ctx, time.Minute, "Vault to take a secret", func() error { return v.setKey(ctx, randomHex()) })
}

func (v *server) stop() { v.process.stop() }

// setKey writes a new version of the secret that everything here reads.
func (v *server) setKey(ctx context.Context, key string) error {
	return v.ask(ctx, http.MethodPost, "secret/data/dev/api", map[string]any{"data": map[string]any{"key": key}})
}

// ask sends one request as root and looks at the status alone.
func (v *server) ask(ctx context.Context, method, path string, body any) error {
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
	return nil
}

func randomHex() string {
	random := make([]byte, 16)
	rand.Read(random) // never fails
	return hex.EncodeToString(random)
}
