package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// How often TestOverlapLosesNoRequest rotates each server; make e2e-full does it a hundred times.
var overlapRotations = 8

// TestOverlapLosesNoRequest: the example servers are rotated under load, and every request is answered: where generations
// overlap, and where the socket alone is held and the server restarted; then requests wait.
func TestOverlapLosesNoRequest(t *testing.T) {
	t.Parallel()
	servers := exampleServers(t)
	node, python, goServer := servers["node"], servers["python"], servers["go"]
	for name, c := range map[string]struct {
		command  []string
		rotation string
	}{
		"node, http":    {node, "action: overlap, ready: {http: /healthz}"},
		"python, tcp":   {python, "action: overlap, ready: {tcp: ADDRESS}"},
		"go, notify":    {goServer, "action: overlap, ready: {notify: true}"},
		"go, delay":     {goServer, "action: overlap, ready: {delay: 500ms}"},
		"go, restart":   {goServer, "action: restart"},
		"rails, http":   {servers["rails"], "action: overlap, ready: {http: /healthz}"},
		"node, restart": {node, "action: restart"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, c.rotation, c.command...)
			load := startLoad(s.address)
			rotations := overlapRotations
			if name == "rails, http" {
				rotations = 2 // its starts take seconds
			}
			for n := range rotations {
				check(t, s.own.put("dev/api", map[string]any{"key": fmt.Sprintf("key-%d", n)}))
				s.rotate()
				check(t, poll(patience, 10*time.Millisecond, func() error {
					if said := s.ask(); !strings.HasSuffix(said, fmt.Sprintf(" key-%d\n", n)) {
						return fmt.Errorf("it answers %q", said)
					}
					return nil
				}))
			}
			answered, failed := load.stop()
			t.Logf("%d requests in %d rotations, %d failed; the longest took %s", answered+failed, rotations, failed, time.Duration(load.longest.Load()).Round(time.Millisecond))
			if failed > 0 || answered == 0 {
				t.Errorf("%d of %d requests failed: %v", failed, answered+failed, load.first)
			}
			check(t, s.signal(syscall.SIGTERM))
			s.expectStatus(0)
		})
	}
}

// server is a wrapped server at a socket that vwrap holds.
type server struct {
	*live
	own     *tenant
	address string
}

func startServer(t *testing.T, rotation string, command ...string) *server {
	t.Helper()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	dir, err := os.MkdirTemp("", "v")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	port, err := freePort()
	check(t, err)
	s := &server{own: own, address: fmt.Sprintf("127.0.0.1:%d", port)}
	rotation = strings.ReplaceAll(rotation, "ADDRESS", s.address)
	config := fmt.Sprintf("version: 1\nenv: {API_KEY: \"vault:%s/dev/api#key\"}\nrotation: {listen: [tcp %s], poll: 1h, settle: 0s, %s}\n", own.kv, s.address, rotation)
	check(t, os.WriteFile(filepath.Join(dir, "vwrap.yaml"), []byte(config), 0o600))
	b := startBackground(t, vwrap(append([]string{"--config", filepath.Join(dir, "vwrap.yaml"), "--"}, command...)...),
		"VAULT_ADDR="+own.vault.address, "VAULT_TOKEN="+own.vault.token, "VWRAP_RUNTIME_DIR="+filepath.Join(dir, "run"), "HOME="+os.Getenv("HOME"))
	s.live = &live{background: b}
	check(t, poll(patience, 10*time.Millisecond, func() error {
		if said := s.ask(); !strings.HasSuffix(said, " first\n") {
			return fmt.Errorf("it answers %q", said)
		}
		return nil
	}))
	found, err := filepath.Glob(filepath.Join(dir, "run", "*.control"))
	check(t, err)
	s.control = found[0]
	return s
}

var once = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}

func (s *server) ask() string {
	text, err := get(s.address)
	if err != nil {
		return err.Error()
	}
	return text
}

func get(address string) (string, error) {
	answer, err := once.Get("http://" + address + "/healthz")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", answer.Status)
	}
	return string(text), err
}

// load asks a server all the time, each time over a new connection.
type load struct {
	answered, failed atomic.Int64
	longest          atomic.Int64 // of those that were answered, in nanoseconds
	first            error        // that a request met
	ended            chan struct{}
	users            sync.WaitGroup
}

func startLoad(address string) *load {
	l := &load{ended: make(chan struct{})}
	var said sync.Once
	for range 4 {
		l.users.Go(func() {
			for {
				select {
				case <-l.ended:
					return
				case <-time.After(2 * time.Millisecond): // a load, not all there is of the machine
				}
				began := time.Now()
				if _, err := get(address); err != nil {
					l.failed.Add(1)
					said.Do(func() { l.first = err })
					continue
				}
				l.answered.Add(1)
				for took := int64(time.Since(began)); ; {
					if longest := l.longest.Load(); took <= longest || l.longest.CompareAndSwap(longest, took) {
						break
					}
				}
			}
		})
	}
	return l
}

func (l *load) stop() (answered, failed int64) {
	close(l.ended)
	l.users.Wait()
	return l.answered.Load(), l.failed.Load()
}
