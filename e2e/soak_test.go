package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soakFor is how long the soak is in an ordinary run; make soak sets VWRAP_SOAK.
const soakFor = 20 * time.Second

// TestSoak: leases of five seconds, and one fault after another, as a seed says that is printed (VWRAP_SOAK_SEED repeats
// one). Whatever happens, vwrap and its command run, no more leases are there than can be explained, and when a fault is
// over the command soon has good credentials again. At the end nothing is left.
func TestSoak(t *testing.T) {
	t.Parallel()
	span, seed := soakFor, rand.Uint64()
	if text := os.Getenv("VWRAP_SOAK"); text != "" {
		var err error
		span, err = time.ParseDuration(text)
		check(t, err)
	}
	if text := os.Getenv("VWRAP_SOAK_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		check(t, err)
	}
	t.Logf("seed %d, for %s", seed, span)
	s := newSoak(t, rand.New(rand.NewPCG(seed, 0)))
	faults := map[string]int{}
	for end := time.Now().Add(span); time.Now().Before(end) && !t.Failed(); {
		faults[s.trouble()]++
		s.recovers()
	}
	t.Logf("faults: %v; %d starts of the command, %d good queries, %d that failed", faults,
		strings.Count(s.said(), "\nstart ")+1, strings.Count(s.said(), "\nok "), strings.Count(s.said(), "\nfailed "))
	s.signal(syscall.SIGTERM)
	s.expectStatus(0)
	check(t, poll(10*time.Second, 50*time.Millisecond, func() error { return s.expectLeases(0, 0) }))
}

type soak struct {
	*background
	t     *testing.T
	own   *tenant
	proxy *faultyProxy
	rand  *rand.Rand
	value int
}

func newSoak(t *testing.T, source *rand.Rand) *soak {
	t.Helper()
	p, err := sharedPostgres()
	check(t, err)
	s := &soak{t: t, own: newTestTenant(t), rand: source}
	check(t, s.own.databaseRole(p, "app", "5s", "60s"))
	check(t, s.own.put("dev/api", map[string]any{"key": "0"}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.proxy = newProxy(listener, func() string { return s.own.vault.address })
	t.Cleanup(s.proxy.close)
	config := filepath.Join(t.TempDir(), "vwrap.yaml")
	check(t, os.WriteFile(config, []byte("version: 1\nrotation: {poll: 1s, settle: 100ms, stop_grace: 500ms}\n"), 0o600))
	creds := s.own.db + "/creds/app"
	url := fmt.Sprintf("DATABASE_URL=postgres://${vault:%s#username | urlencode}:${vault:%s#password | urlencode}@%s/app?sslmode=disable", creds, creds, p.address)
	s.background = startBackground(t, vwrap("-e", url, "-e", "API_KEY=vault:"+s.own.kv+"/dev/api#key", "--", filepath.Join(programs, "query-loop")),
		"VAULT_ADDR=http://"+listener.Addr().String(), "VAULT_TOKEN="+s.own.vault.token, "VWRAP_CONFIG="+config)
	s.expect(`(?m)^ok user=`)
	return s
}

// trouble makes a fault, and watches while it lasts. It returns its name.
func (s *soak) trouble() string {
	s.t.Helper()
	proxied := []string{"reset", "lose", "truncate", "hang", "delay=1s", "status=429", "status=500", "status=502", "status=503"}
	name := append(proxied, "revoke", "change", "nothing")[s.rand.IntN(len(proxied)+3)]
	switch name {
	case "revoke":
		_, err := s.own.vault.do(http.MethodPut, "sys/leases/revoke-prefix/"+s.own.db, map[string]any{"sync": true})
		check(s.t, err)
	case "change":
		s.value++
		check(s.t, s.own.put("dev/api", map[string]any{"key": strconv.Itoa(s.value)}))
	case "nothing":
	default:
		f, err := parseFault(name)
		check(s.t, err)
		s.proxy.set(f)
	}
	s.watch(time.Duration(s.rand.Int64N(int64(6 * time.Second))))
	s.proxy.set(fault{kind: "none"})
	return name
}

// watch looks each second whether what must hold does.
func (s *soak) watch(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(min(time.Second, time.Until(end))) {
		if !s.running() {
			s.t.Fatalf("vwrap has ended")
		}
		// One in use, one to come, and those that could not be revoked in an outage and die within five seconds.
		check(s.t, s.expectLeases(0, 4))
	}
}

// recovers waits until the command makes a good query that began after the fault was over.
func (s *soak) recovers() {
	s.t.Helper()
	before := strings.Count(s.said(), "\nok ")
	check(s.t, poll(2*time.Minute, 50*time.Millisecond, func() error {
		if n := strings.Count(s.said(), "\nok "); n < before+2 {
			return fmt.Errorf("%d good queries, and no more", n)
		}
		return nil
	}))
}

func (s *soak) expectLeases(least, most int) error {
	all, err := s.own.vault.do("LIST", "sys/leases/lookup/"+s.own.db+"/creds/app", nil)
	keys, _ := all.Data["keys"].([]any)
	var missing *vaultError
	if errors.As(err, &missing) && missing.status == http.StatusNotFound {
		err = nil
	}
	if err == nil && (len(keys) < least || len(keys) > most) {
		err = fmt.Errorf("%d leases, not %d to %d", len(keys), least, most)
	}
	return err
}
