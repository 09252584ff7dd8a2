package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// orphans is a shell function: each turn leaves a process without its parent.
const orphans = `orphans() { i=0; while [ $i -lt $1 ]; do ( : & ); i=$((i+1)); done; }
`

// TestStressOrphans: ten thousand processes that nobody waits for but vwrap leave no zombie, and the command's own
// status is not lost among theirs.
func TestStressOrphans(t *testing.T) {
	const command = orphans + `orphans 10000; echo made; until [ -e go ]; do sleep 0.05; done; orphans 200; exit 42`
	t.Run("subreaper", func(t *testing.T) {
		t.Parallel()
		w := startBackground(t, vwrap("--", "sh", "-c", command))
		w.expect(`made`)
		expectNoZombies(t, w.pid())
		w.tell("go")
		w.expectStatus(42)
		w.expectNothingLeft()
	})
	t.Run("PID 1", func(t *testing.T) {
		t.Parallel()
		w := startAsFirst(t, vwrap("--", "sh", "-c", command))
		w.expect(`made`)
		expectNoZombies(t, w.onlyChild())
		w.tell("go")
		w.expectStatus(42)
	})
}

// TestStressOrphansInStop: two thousand processes that end while the command is being stopped, and some that live on
// until vwrap ends them.
func TestStressOrphansInStop(t *testing.T) {
	const command = orphans + `trap 'orphans 2000; for i in 1 2 3 4 5 6 7 8 9; do ( sleep 1000 & ); done; exit 33' TERM; echo up; while :; do sleep 0.05; done`
	t.Run("subreaper", func(t *testing.T) {
		t.Parallel()
		w := startBackground(t, vwrap("--stop-grace", "10m", "--", "sh", "-c", command))
		w.expect(`up`)
		check(t, w.signal(syscall.SIGTERM))
		w.expectStatus(33)
		w.expectNothingLeft()
	})
	t.Run("PID 1", func(t *testing.T) {
		t.Parallel()
		w := startAsFirst(t, vwrap("--stop-grace", "10m", "--", "sh", "-c", command))
		w.expect(`up`)
		check(t, syscall.Kill(w.onlyChild(), syscall.SIGTERM))
		w.expectStatus(33)
	})
}

// TestStressOrphansInRestart: the same in a restart; the next command's status is what counts.
func TestStressOrphansInRestart(t *testing.T) {
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	const command = orphans + `trap 'orphans 2000; exit 33' TERM; echo up $KEY; until [ -e go ]; do sleep 0.05; done; orphans 200; exit 42`
	w := startBackground(t, vwrap("--stop-grace", "10m", "-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", command), often(t, own)...)
	for _, value := range []string{"first", "second", "third"} {
		check(t, own.put("dev/api", map[string]any{"key": value}))
		w.expect(`up ` + value)
	}
	expectNoZombies(t, w.pid())
	w.tell("go")
	w.expectStatus(42)
	w.expectNothingLeft()
}

// TestStressRestarts: two hundred restarts in a row leave nothing behind in vwrap: no zombie, no descriptor, no thread.
// The race detector watches.
func TestStressRestarts(t *testing.T) {
	binary := raceDetecting(t)
	own := newTestTenant(t)
	var flags []string
	secrets := []string{"a", "b", "c", "d", "e", "f", "g", "h"} // each is polled once a second, at a time of its own
	for _, name := range secrets {
		check(t, own.put(name, map[string]any{"key": "0"}))
		flags = append(flags, "-e", name+"=vault:"+own.kv+"/"+name+"#key")
	}
	argv := append(append([]string{binary}, flags...), "--", "sh", "-c", `( : & ); echo up; exec sleep 1000`)
	w := startBackground(t, argv, often(t, own)...)
	ups := func() int { return strings.Count(w.said(), "up\n") }
	value := 0
	restart := func(times int) {
		t.Helper()
		want := ups() + times
		check(t, poll(10*time.Minute, 100*time.Millisecond, func() error {
			value++
			check(t, own.put(secrets[value%len(secrets)], map[string]any{"key": strconv.Itoa(value)}))
			if !w.running() {
				t.Fatalf("it ended with %d", w.status())
			}
			if got := ups(); got < want {
				return fmt.Errorf("%d starts, want %d", got, want)
			}
			return nil
		}))
	}
	restart(10)
	settled(ups)
	descriptors, threads := countDescriptors(t, w.pid()), countThreads(t, w.pid())
	restart(200)
	settled(ups)
	expectNoZombies(t, w.pid())
	// A few come and go with the connections to Vault; a leak would be one for each restart.
	descriptorsAfter, threadsAfter := countDescriptors(t, w.pid()), countThreads(t, w.pid())
	if descriptorsAfter > descriptors+5 {
		t.Errorf("%d descriptors are open after 200 restarts, %d before", descriptorsAfter, descriptors)
	}
	if threadsAfter > threads+5 {
		t.Errorf("%d threads after 200 restarts, %d before", threadsAfter, threads)
	}
	check(t, w.signal(syscall.SIGTERM))
	w.expectStatus(143)
	w.expectNothingLeft()
	if strings.Contains(w.complained(), "DATA RACE") {
		t.Error("the race detector has found something")
	}
	t.Logf("%d starts; %d descriptors, then %d; %d threads, then %d", ups(), descriptors, descriptorsAfter, threads, threadsAfter)
}

// settled returns when count has not changed for some seconds.
func settled(count func() int) {
	for before := -1; before != count(); {
		before = count()
		time.Sleep(4 * time.Second)
	}
}

// TestStressTermInRestart: TERM in the middle of a restart ends vwrap, and leaves nothing running.
func TestStressTermInRestart(t *testing.T) {
	t.Run("while the command stops", func(t *testing.T) {
		t.Parallel()
		own := newTestTenant(t)
		check(t, own.put("dev/api", map[string]any{"key": "first"}))
		const command = `trap 'echo stopping; until [ -e go ]; do sleep 0.05; done; exit 33' TERM; sleep 1000 & echo up $KEY; while :; do sleep 0.05; done`
		w := startBackground(t, vwrap("--stop-grace", "10m", "-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", command), often(t, own)...)
		w.expect(`up first`)
		check(t, own.put("dev/api", map[string]any{"key": "second"}))
		w.expect(`stopping`)
		check(t, w.signal(syscall.SIGTERM))
		time.Sleep(300 * time.Millisecond) // it does not kill: this TERM is the first that the user has sent
		if !w.running() {
			t.Error("vwrap did not wait for the command")
		}
		w.tell("go")
		w.expectStatus(33)
		w.expectNothingLeft()
		if said := w.said(); strings.Contains(said, "up second") {
			t.Errorf("a command was started after TERM: %s", said)
		}
	})
	t.Run("while the command is deaf", func(t *testing.T) {
		t.Parallel()
		own := newTestTenant(t)
		check(t, own.put("dev/api", map[string]any{"key": "first"}))
		const command = `trap 'echo stopping' TERM; echo up $KEY; while :; do sleep 0.05; done`
		w := startBackground(t, vwrap("--stop-grace", "10m", "-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", command), often(t, own)...)
		w.expect(`up first`)
		check(t, own.put("dev/api", map[string]any{"key": "second"}))
		w.expect(`stopping`)
		check(t, w.signal(syscall.SIGTERM))
		time.Sleep(300 * time.Millisecond)
		check(t, w.signal(syscall.SIGTERM))
		w.expectStatus(137)
		w.expectNothingLeft()
	})
	t.Run("while Vault lets wait", func(t *testing.T) {
		t.Parallel()
		own := newTestTenant(t)
		check(t, own.put("dev/api", map[string]any{"key": "first"}))
		slow := startSlowVault(t, own)
		const command = `trap 'echo stopping; exit 33' TERM; echo up $KEY; while :; do sleep 0.05; done`
		w := startBackground(t, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", command), slow.often()...)
		w.expect(`up first`)
		slow.hold()
		check(t, own.put("dev/api", map[string]any{"key": "second"}))
		slow.awaitHeld(t)
		check(t, w.signal(syscall.SIGTERM))
		w.expectStatus(33)
		w.expectNothingLeft()
	})
	t.Run("before the first command", func(t *testing.T) {
		t.Parallel()
		own := newTestTenant(t)
		check(t, own.put("dev/api", map[string]any{"key": "first"}))
		slow := startSlowVault(t, own)
		slow.hold()
		w := startBackground(t, vwrap("--start-timeout", "10m", "-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "echo", "began"), slow.often()...)
		slow.awaitHeld(t)
		check(t, w.signal(syscall.SIGTERM))
		w.expectStatus(143)
		w.expectNothingLeft()
		if w.said() != "" {
			t.Error("the command was executed")
		}
	})
	t.Run("at any moment", termAtAnyMoment)
}

// termAtAnyMoment has a change make several vwraps restart their commands at about the same time, and tells each to
// end a little later than the one before.
func termAtAnyMoment(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	var all []*background
	for range 12 {
		const command = `trap 'sleep 0.2; exit 33' TERM; sleep 1000 & echo up $KEY; while :; do sleep 0.05; done`
		all = append(all, startBackground(t, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", command), often(t, own)...))
	}
	for _, w := range all {
		w.expect(`up first`)
	}
	check(t, own.put("dev/api", map[string]any{"key": "second"}))
	time.Sleep(200 * time.Millisecond)
	for _, w := range all {
		check(t, w.signal(syscall.SIGTERM))
		time.Sleep(100 * time.Millisecond)
	}
	for _, w := range all {
		if !w.waitFor(patience) {
			t.Fatal("it still runs")
		}
		// 143: before the new command could ask for TERM, or while there was none.
		if got := w.status(); got != 33 && got != 143 {
			t.Errorf("it ended with %d", got)
		}
		w.expectNothingLeft()
	}
}

// TestStressParentDeath: vwrap is killed with -9 while its threads are busy: with signals, and with rotations. The
// command gets TERM each time. (The kernel sends it when the thread ends that has started the command.)
func TestStressParentDeath(t *testing.T) {
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "0"}))
	stop := make(chan struct{})
	var churn sync.WaitGroup
	churn.Go(func() {
		for value := 1; ; value++ {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
				own.put("dev/api", map[string]any{"key": strconv.Itoa(value)})
			}
		}
	})
	defer churn.Wait()
	defer close(stop)
	for i := range 20 {
		killInChurn(t, own, i)
	}
}

var upOrEnd = regexp.MustCompile(`(?m)^(up|TERM) (\d+)$`)

// killInChurn kills one vwrap at a moment that turn moves.
func killInChurn(t *testing.T, own *tenant, turn int) {
	t.Helper()
	const command = `trap 'echo TERM $$; exit 0' TERM; echo up $$; while :; do sleep 0.02; done`
	w := startBackground(t, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", command), often(t, own)...)
	w.expect(`up \d+`)
	harmless := []syscall.Signal{syscall.SIGWINCH, syscall.SIGCONT} // also to a command that has not begun yet
	for end := time.Now().Add(time.Duration(turn) * 100 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		w.signal(harmless[turn%len(harmless)])
	}
	check(t, w.signal(syscall.SIGKILL))
	w.expectStatus(137)
	w.expectNothingLeft()
	began, asked := []string{}, map[string]bool{}
	for _, match := range upOrEnd.FindAllStringSubmatch(w.said(), -1) {
		if match[1] == "up" {
			began = append(began, match[2])
		} else {
			asked[match[2]] = true
		}
	}
	if i := slices.IndexFunc(began, func(pid string) bool { return !asked[pid] }); i >= 0 {
		t.Errorf("turn %d: command %s was not sent TERM: %s", turn, began[i], w.said())
	}
}

// startAsFirst starts argv as PID 1 of a namespace of its own, which ends with the test. The process is unshare's, and
// ends with argv's status.
func startAsFirst(t *testing.T, argv []string, environ ...string) *background {
	t.Helper()
	return startBackground(t, asFirst(t, argv...), environ...)
}

// onlyChild is the process that is PID 1 in the namespace.
func (w *background) onlyChild() int {
	w.t.Helper()
	for _, e := range processTable() {
		if e.parent == w.pid() {
			return e.pid
		}
	}
	w.t.Fatal("unshare has no child")
	return 0
}

// often has the tenant's server in it, and that vwrap looks at it as often as it can.
func often(t *testing.T, own *tenant) []string {
	t.Helper()
	return []string{"VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token, "VWRAP_CONFIG=" + oftenConfig(t)}
}

func oftenConfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vwrap.yaml")
	check(t, os.WriteFile(file, []byte("version: 1\nrotation: {poll: 1s, settle: 0s}\n"), 0o600))
	return file
}

// raceDetecting is a vwrap that is built with the race detector.
func raceDetecting(t *testing.T) string {
	t.Helper()
	needs(t, "cc")
	binary := filepath.Join(t.TempDir(), "vwrap-race")
	cmd := exec.Command("go", "build", "-race", "-o", binary, ".")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build with the race detector: %v\n%s", err, said)
	}
	return binary
}

func expectNoZombies(t *testing.T, parent int) {
	t.Helper()
	check(t, poll(patience, 50*time.Millisecond, func() error {
		if left := zombies(parent); len(left) > 0 {
			return fmt.Errorf("process %d has %d zombies, the first is %+v", parent, len(left), left[0])
		}
		return nil
	}))
}

func countDescriptors(t *testing.T, pid int) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if os.IsPermission(err) {
		t.Log("only root may look at the descriptors of a process that is not dumpable")
		return 0
	}
	check(t, err)
	return len(open)
}

func countThreads(t *testing.T, pid int) int {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	check(t, err)
	return len(threads)
}

// slowVault stands before a server and can let whoever asks for values wait.
type slowVault struct {
	*httptest.Server
	t     *testing.T
	token string

	mu      sync.Mutex
	holding bool
	held    int
}

func startSlowVault(t *testing.T, own *tenant) *slowVault {
	t.Helper()
	behind, err := url.Parse(own.vault.address)
	check(t, err)
	v := &slowVault{t: t, token: own.vault.token}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/data/") && v.holds() {
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *slowVault) holds() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.holding {
		v.held++
	}
	return v.holding
}

// hold leaves from now on everybody without an answer.
func (v *slowVault) hold() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holding = true
}

// awaitHeld waits until somebody waits.
func (v *slowVault) awaitHeld(t *testing.T) {
	t.Helper()
	check(t, poll(patience, 10*time.Millisecond, func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.held == 0 {
			return fmt.Errorf("nobody asked for a value")
		}
		return nil
	}))
}

// often is the same for the server behind it.
func (v *slowVault) often() []string {
	return []string{"VAULT_ADDR=" + v.URL, "VAULT_TOKEN=" + v.token, "VWRAP_CONFIG=" + oftenConfig(v.t)}
}
