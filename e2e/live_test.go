package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// How much TestLiveReadsAreWhole does; make e2e-full does ten times as much.
var liveRotations, liveReads int64 = 50, 10_000

// TestLiveReadsAreWhole: who reads while a rotation is under way gets one generation or the next, and never parts of both.
func TestLiveReadsAreWhole(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	// Large enough that an answer is more than one write: of each generation all fields are the same.
	write := func(n int64) {
		value := fmt.Sprintf("%d:%s", n, strings.Repeat("x", 20_000))
		check(t, own.put("dev/api", map[string]any{"a": value, "b": value, "c": value, "d": value}))
	}
	write(0)
	l := startLive(t, own, "-e", "A=vault:"+own.kv+"/dev/api#a", "-e", "B=vault:"+own.kv+"/dev/api#b", "-e", "C=vault:"+own.kv+"/dev/api#c", "-e", "D=vault:"+own.kv+"/dev/api#d")

	var reads, mixed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for ctx.Err() == nil {
				variables, err := l.read()
				if err != nil {
					t.Error(err)
					return
				}
				if a := variables["A"]; a == "" || a != variables["B"] || a != variables["C"] || a != variables["D"] {
					mixed.Add(1)
				}
				reads.Add(1)
			}
		})
	}
	for n := int64(1); n <= liveRotations; n++ {
		write(n)
		l.rotate()
		variables, err := l.read()
		check(t, err)
		if got, _, _ := strings.Cut(variables["A"], ":"); got != fmt.Sprint(n) {
			t.Fatalf("after rotation %d the values are those of %s", n, got)
		}
	}
	check(t, poll(10*patience, 0, func() error {
		if n := reads.Load(); n < liveReads && !t.Failed() {
			return fmt.Errorf("%d reads", n)
		}
		return nil
	}))
	stop()
	readers.Wait()
	t.Logf("%d reads in %d rotations, %d of them mixed", reads.Load(), liveRotations, mixed.Load())
	if mixed.Load() > 0 {
		t.Errorf("%d of %d reads had parts of two generations", mixed.Load(), reads.Load())
	}
	check(t, l.signal(syscall.SIGTERM))
	l.expectStatus(0)
}

// TestLiveReadersThatDoNotRead: one that takes nothing holds nothing up, neither others nor the end.
func TestLiveReadersThatDoNotRead(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": strings.Repeat("x", 100_000)}))
	l := startLive(t, own, "-e", "KEY=vault:"+own.kv+"/dev/api#key")
	for range 200 {
		conn, err := net.Dial("unix", l.live)
		check(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /v1/env HTTP/1.1\r\nHost: vwrap\r\n\r\n")
		check(t, err)
	}
	l.rotate()
	variables, err := l.read()
	check(t, err)
	if len(variables["KEY"]) != 100_000 {
		t.Errorf("the key is %d bytes long", len(variables["KEY"]))
	}
	check(t, l.signal(syscall.SIGTERM))
	l.expectStatus(0)
}

// live is a vwrap with a live channel, whose command is told of new values and left alone.
type live struct {
	*background
	live, control string // sockets
}

func startLive(t *testing.T, own *tenant, flags ...string) *live {
	t.Helper()
	dir, err := os.MkdirTemp("", "v")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "vwrap.yaml")
	check(t, os.WriteFile(config, []byte("version: 1\nlive: true\nrotation: {action: none, poll: 1h, settle: 0s}\n"), 0o600))
	argv := append([]string{"--config", config}, flags...)
	b := startBackground(t, vwrap(append(argv, "--", filepath.Join(programs, "show-env"))...),
		"VAULT_ADDR="+own.vault.address, "VAULT_TOKEN="+own.vault.token, "VWRAP_RUNTIME_DIR="+filepath.Join(dir, "run"))
	b.expect(`(?m)^pid=`)
	l := &live{background: b}
	for suffix, socket := range map[string]*string{"live": &l.live, "control": &l.control} {
		found, err := filepath.Glob(filepath.Join(dir, "run", "*."+suffix))
		check(t, err)
		if len(found) != 1 {
			t.Fatalf("the sockets are %v", found)
		}
		*socket = found[0]
	}
	return l
}

// over is a client of a socket, with a connection a request.
func over(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

func (l *live) read() (variables map[string]string, err error) {
	answer, err := over(l.live).Get("http://vwrap/v1/env")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", answer.Status)
	}
	return variables, json.NewDecoder(answer.Body).Decode(&variables)
}

// rotate has all fetched anew, and returns when that is done.
func (l *live) rotate() {
	l.t.Helper()
	answer, err := over(l.control).Post("http://vwrap/v1/rotate", "application/json", strings.NewReader("{}"))
	check(l.t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(answer.Body)
		l.t.Fatalf("rotate: %s: %s", answer.Status, said)
	}
}
