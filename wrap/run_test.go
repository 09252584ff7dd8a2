package wrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
)

// world stands for the system and for Vault: it records, in order, what wrap does to either. Real processes and
// the real Vault are in e2e; here it is the order and the time that matter.
type world struct {
	t      *testing.T
	mu     sync.Mutex // guards the rest: the bubble's timers order nothing for the race detector
	log    []string
	report func(task courier.Task) courier.Report // how the next courier reports; nil: it does not, yet
	exec   error                                  // what the next exec says
	gens   []*gen
	notice chan envsource.Notice
	slow   bool          // couriers report when told to
	left   chan struct{} // is closed when what a command left behind is gone; nil: nothing is left
	dies   bool          // what is left dies of KILL
}

func (w *world) did(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// now changes how the world answers from here on.
func (w *world) now(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// logged takes what happened since the last look.
func (w *world) logged() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	return log
}

// gen is a courier, then a command.
type gen struct {
	w         *world
	n         int
	task      courier.Task
	reported  chan courier.Report
	executed  chan error
	ended     chan struct{}
	status    proc.Status
	obeys     bool // the command ends on TERM
	dismissed bool
}

func (w *world) Launch(t courier.Task, _ Generation) (Generation, error) {
	w.did("%s %v", t.Errand, t.Due)
	w.mu.Lock()
	defer w.mu.Unlock()
	g := &gen{
		w: w, n: len(w.gens) + 1, task: t, obeys: true,
		reported: make(chan courier.Report, 1), executed: make(chan error, 1), ended: make(chan struct{}),
	}
	w.gens = append(w.gens, g)
	if !w.slow {
		g.reported <- w.report(t)
	}
	return g, nil
}

func (g *gen) PID() int                        { return 1000 + g.n }
func (g *gen) Reported() <-chan courier.Report { return g.reported }
func (g *gen) Executed() <-chan error          { return g.executed }
func (g *gen) Ended() <-chan struct{}          { return g.ended }
func (g *gen) Status() proc.Status             { return g.status }
func (g *gen) Forget()                         {}

func (g *gen) Open() {
	g.w.did("open %d", g.n)
	g.w.now(func() { g.executed <- g.w.exec })
}

func (g *gen) Dismiss() {
	if !g.dismissed {
		g.dismissed = true
		g.w.did("dismiss %d", g.n)
		g.end(proc.Status{})
	}
}

func (g *gen) Signal(s unix.Signal) error {
	g.w.did("%s to %d", unix.SignalName(s), g.n)
	if s == unix.SIGKILL || s == unix.SIGTERM && g.obeys {
		g.end(proc.Status{Signal: s})
	}
	return nil
}

func (g *gen) Stop(s unix.Signal) error { return g.Signal(s) }

func (g *gen) Kill() {
	g.w.did("kill %d", g.n)
	g.end(proc.Status{Signal: unix.SIGKILL})
	if g.w.dies {
		close(g.w.left)
	}
}

// Drain: nothing is left, unless the world's left says so.
func (g *gen) Drain() <-chan struct{} {
	if g.w.left == nil {
		return closed()
	}
	g.w.did("drain %d", g.n)
	return g.w.left
}

func (g *gen) end(s proc.Status) {
	select {
	case <-g.ended:
	default:
		g.status = s
		close(g.ended)
	}
}

func (w *world) Hold(n uint64, hs []envsource.Holding) <-chan struct{} {
	var names []string
	for _, h := range hs {
		names = append(names, h.Key+"="+h.Digest)
	}
	w.did("hold %d %v", n, names)
	return closed()
}

func (w *world) Drop(n uint64, leave bool) <-chan struct{} {
	verb := "drop"
	if leave {
		verb = "leave"
	}
	w.did("%s %d", verb, n)
	return closed()
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (w *world) Heard(problem string) {
	if problem != "" {
		w.did("heard %s", problem)
	}
}

func (w *world) Notices() <-chan envsource.Notice { return w.notice }

// pause lets d of the bubble's time go by, and what is due then happen.
func pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// kv and db are what a courier reports of two secrets: the digest stands for the value.
func kv(digest string) envsource.Holding {
	return envsource.Holding{Key: "kv", Digest: digest, Kind: envsource.KindKV2, Variables: []string{"KV"}}
}

func db(digest string) envsource.Holding {
	return envsource.Holding{Key: "db", Digest: digest, Kind: envsource.KindLeased, LeaseID: digest, Variables: []string{"DB"}}
}

func reports(hs ...envsource.Holding) func(courier.Task) courier.Report {
	return func(task courier.Task) (r courier.Report) {
		for _, h := range hs {
			if task.Errand != courier.Probe || slices.Contains(task.Due, h.Key) {
				r.Holdings = append(r.Holdings, h)
			}
		}
		return r
	}
}

// running is a wrapped command in a bubble.
type running struct {
	*world
	handle *Handle
	sigs   chan signals.Received
	result chan struct{}
	status proc.Status
	err    error
	stop   context.CancelFunc
}

// wrapped starts a run in a bubble; body drives it.
func wrapped(t *testing.T, p Policy, body func(t *testing.T, r *running)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if p.ActionFor == nil {
			p.ActionFor = func(envsource.Holding) Action { return Restart }
		}
		if p.StopGrace == 0 {
			p.StopGrace = 7 * time.Second
		}
		p.StopSignal, p.Signal, p.Settle = unix.SIGTERM, unix.SIGHUP, 2*time.Second
		p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
		w := &world{t: t, notice: make(chan envsource.Notice), report: reports(kv("1"), db("a"))}
		ctx, cancel := context.WithCancel(t.Context())
		p.Handle = NewHandle()
		r := &running{world: w, handle: p.Handle, sigs: make(chan signals.Received, 8), result: make(chan struct{}), stop: cancel}
		go func() {
			defer close(r.result)
			r.status, r.err = Run(ctx, w, w, r.sigs, p)
		}()
		synctest.Wait()
		body(t, r)
		for _, g := range w.gens {
			g.end(proc.Status{})
		}
		cancel()
		<-r.result
	})
}

// want compares what happened since the last look.
func (r *running) want(lines ...string) {
	r.t.Helper()
	synctest.Wait()
	if log := r.logged(); !slices.Equal(log, lines) {
		r.t.Errorf("happened:\n  %s\nwant:\n  %s", strings.Join(log, "\n  "), strings.Join(lines, "\n  "))
	}
}

// send is a signal that another process sends to vwrap.
func (r *running) send(s unix.Signal) { r.sigs <- signals.Received{Signal: s} }

// exits waits for the end and compares the status.
func (r *running) exits(status int) {
	r.t.Helper()
	<-r.result
	if got := r.status.Exit(); got != status {
		r.t.Errorf("status %d (%v), want %d", got, r.err, status)
	}
}

func (r *running) started() { r.want("launch []", "hold 1 [db=a kv=1]", "open 1") }

func TestTheCommandsEndIsVwrapsEnd(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.gens[0].end(proc.Status{Code: 3})
		r.exits(3)
	})
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.gens[0].end(proc.Status{Signal: unix.SIGSEGV})
		r.exits(139)
	})
}

func TestMakeBeforeBreak(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db"}
		r.want()
		pause(2 * time.Second)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1", "open 2", "drop 1")
		r.gens[1].end(proc.Status{})
		r.exits(0)
	})
}

func TestChangesWithinTheWindowAreOneRotation(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(db("b"), kv("2")) })
		r.notice <- envsource.Notice{Key: "db"}
		pause(time.Second)
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		pause(3 * time.Second)
		r.want("launch [db kv]", "hold 2 [db=b kv=2]", "SIGTERM to 1", "open 2", "drop 1")
	})
}

// The settle window is not waited out where the credential would end in it.
func TestADeadlineShortensTheWindow(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db", By: time.Now().Add(3 * time.Second)}
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1", "open 2", "drop 1")
	})
}

func TestTheSameValueIsNoReason(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(kv("1")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		pause(3 * time.Second)
		r.want("launch [kv]", "dismiss 2", "hold 1 [db=a kv=1]")
	})
}

func TestAProbeComesBeforeARotation(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(kv("1")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true, Probe: true}
		pause(time.Millisecond)
		r.want("probe [kv]", "dismiss 2", "hold 1 [db=a kv=1]")
		r.now(func() { r.report = reports(kv("2")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true, Probe: true}
		pause(time.Second)
		r.want("probe [kv]", "dismiss 3")
		pause(2 * time.Second)
		r.want("launch [kv]", "hold 4 [db=a kv=2]", "SIGTERM to 1", "open 4", "drop 1")
	})
}

// What changes while a courier reads may be newer than what that has read: it is looked at once more.
func TestAChangeDuringARead(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.slow, r.report = true, reports(kv("1")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true, Probe: true}
		pause(time.Millisecond)
		r.want("probe [kv]")
		r.notice <- envsource.Notice{Key: "kv", Confirm: true, Probe: true}
		pause(time.Millisecond)
		probe := r.gens[1]
		r.now(func() {
			probe.reported <- r.report(probe.task)
			r.slow, r.report = false, reports(kv("2"))
		})
		pause(time.Millisecond)
		r.want("dismiss 2", "hold 1 [db=a kv=1]", "probe [kv]", "dismiss 3")
	})
}

func TestStopFirst(t *testing.T) {
	wrapped(t, Policy{StopFirst: true}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.want("probe []", "dismiss 2", "SIGTERM to 1", "hold 1 [kv=1]", "launch [db]", "hold 3 [db=b kv=1]", "open 3", "drop 1")
		if !r.gens[2].task.Strict {
			t.Error("the old credential is gone: it may not be carried over")
		}
		// A changed version is looked at before anything is stopped.
		r.now(func() { r.report = reports(kv("1")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		pause(3 * time.Second)
		r.want("probe [kv]", "dismiss 4", "hold 3 [db=b kv=1]")
	})
}

// What can be known to fail is found while the old command runs.
func TestStopFirstStopsNothingForACommandThatIsGone(t *testing.T) {
	wrapped(t, Policy{StopFirst: true}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() {
			r.report = func(courier.Task) courier.Report {
				return courier.Report{Errors: []string{"prog: command not found"}, Status: 127}
			}
		})
		r.notice <- envsource.Notice{Key: "db"}
		pause(time.Minute)
		if log := r.logged(); slices.Contains(log, "SIGTERM to 1") {
			r.t.Errorf("stopped: %v", log)
		}
		r.now(func() { r.report = reports(db("b")) })
		pause(time.Minute)
		if log := r.logged(); !slices.Contains(log, "SIGTERM to 1") || log[len(log)-1] != "drop 1" {
			r.t.Errorf("not tried again: %v", log)
		}
	})
}

func TestStopFirstTriesUntilThereIsACredential(t *testing.T) {
	wrapped(t, Policy{StopFirst: true}, func(_ *testing.T, r *running) {
		r.started()
		r.report = func(courier.Task) courier.Report {
			return courier.Report{Errors: []string{"DB: no answer"}, Status: 125}
		}
		r.notice <- envsource.Notice{Key: "db"}
		pause(10 * time.Second)
		synctest.Wait()
		r.logged()
		r.now(func() { r.report = reports(db("b")) })
		pause(2 * time.Minute)
		synctest.Wait()
		log := r.logged()
		if got := strings.Join(log[max(0, len(log)-4):], ", "); !strings.Contains(got, "open") || !strings.HasSuffix(got, "drop 1") {
			t.Errorf("ends with %s", got)
		}
	})
}

func TestSignalAndNone(t *testing.T) {
	for _, action := range []Action{Signal, None} {
		wrapped(t, Policy{ActionFor: func(envsource.Holding) Action { return action }}, func(_ *testing.T, r *running) {
			r.started()
			r.now(func() { r.report = reports(db("b")) })
			r.notice <- envsource.Notice{Key: "db"}
			pause(3 * time.Second)
			want := []string{"refresh [db]", "hold 2 [db=b kv=1]", "leave 1", "dismiss 2"}
			if action == Signal {
				want = append(want, "SIGHUP to 1")
			}
			r.want(want...)
			r.gens[0].end(proc.Status{Code: 4})
			r.exits(4)
		})
	}
}

func TestExit(t *testing.T) {
	wrapped(t, Policy{ActionFor: func(envsource.Holding) Action { return Exit }}, func(_ *testing.T, r *running) {
		r.started()
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.want("SIGTERM to 1")
		r.exits(StatusRotate)
	})
	wrapped(t, Policy{ActionFor: func(envsource.Holding) Action { return Exit }}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(kv("1")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		pause(3 * time.Second)
		r.want("probe [kv]", "dismiss 2", "hold 1 [db=a kv=1]")
	})
}

// The strongest action of what really changed is taken: what was fetched for a restart may end as a signal.
func TestTheStrongestActionOfWhatChanged(t *testing.T) {
	p := Policy{ActionFor: func(h envsource.Holding) Action {
		if h.Key == "kv" {
			return Signal
		}
		return Restart
	}}
	wrapped(t, p, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(kv("2"), db("a")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.want("launch [db kv]", "hold 2 [db=a kv=2]", "leave 1", "dismiss 2", "SIGHUP to 1")
		r.now(func() { r.report = reports(kv("3"), db("b")) })
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.want("launch [db kv]", "hold 3 [db=b kv=3]", "SIGTERM to 1", "open 3", "drop 2")
	})
}

func TestACommandThatDoesNotEndIsKilled(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.gens[0].obeys = false
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db"}
		pause(8 * time.Second)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1")
		pause(2 * time.Second)
		r.want("kill 1", "open 2", "drop 1")
	})
}

func TestAFailedRotationLeavesTheCommandAlone(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() {
			r.report = func(courier.Task) courier.Report {
				return courier.Report{Errors: []string{"prog: command not found"}, Status: 127, Holdings: []envsource.Holding{db("b")}}
			}
		})
		r.notice <- envsource.Notice{Key: "db"}
		pause(2 * time.Second)
		r.want("launch [db]", "hold 2 [db=b]", "drop 2", "dismiss 2")
		r.now(func() { r.report = reports(db("c")) })
		pause(time.Minute)
		synctest.Wait()
		if log := r.logged(); !slices.Contains(log, "SIGTERM to 1") || !slices.Contains(log, "drop 1") {
			r.t.Errorf("not tried again: %v", log)
		}
	})
}

// A server that asks for time (Retry-After) gets it, but for what ends before.
func TestAServerThatAsksForTimeGetsIt(t *testing.T) {
	busy := func(courier.Task) courier.Report {
		return courier.Report{Errors: []string{"busy"}, Status: StatusFailed, Outage: "busy", Wait: 10 * time.Minute}
	}
	tried := func(log []string) (n int) {
		for _, line := range log {
			if strings.HasPrefix(line, "launch ") {
				n++
			}
		}
		return n
	}
	for by, want := range map[time.Duration]int{0: 0, time.Hour: 0, 10 * time.Minute: 1} {
		wrapped(t, Policy{}, func(_ *testing.T, r *running) {
			r.started()
			r.now(func() { r.report = busy })
			n := envsource.Notice{Key: "db"}
			if by > 0 {
				n.By = time.Now().Add(by)
			}
			r.notice <- n
			pause(2 * time.Second)
			if got := tried(r.logged()); got != 1 {
				r.t.Errorf("tried %d times", got)
			}
			pause(6 * time.Minute)
			if got := tried(r.logged()); got != want {
				r.t.Errorf("what ends in %s is tried %d times within six minutes, not %d", by, got, want)
			}
		})
	}
}

// An outage that ends before a credential does costs none, however long it was.
func TestWhatCanBeReplacedInTimeIs(t *testing.T) {
	for _, c := range []struct{ outage, left time.Duration }{{30 * time.Second, 45 * time.Second}, {time.Minute, 80 * time.Second}, {90 * time.Second, 2 * time.Minute}, {time.Hour, time.Hour + 30*time.Second}} {
		for range 50 {
			wrapped(t, Policy{}, func(_ *testing.T, r *running) {
				r.started()
				r.now(func() {
					r.report = func(courier.Task) courier.Report {
						return courier.Report{Errors: []string{"down"}, Status: StatusFailed, Outage: "down"}
					}
				})
				r.notice <- envsource.Notice{Key: "db", By: time.Now().Add(c.left)}
				pause(c.outage)
				r.now(func() { r.report = reports(db("b")) })
				pause(c.left - c.outage)
				if log := r.logged(); !slices.Contains(log, "open "+strconv.Itoa(len(r.gens))) {
					r.t.Errorf("an outage of %s outlived a credential that had %s", c.outage, c.left)
				}
			})
		}
	}
}

// What is due and cannot be read does not keep the rest from rotating, and is tried again.
func TestOneBadSecretStopsNoOther(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() {
			r.report = func(courier.Task) courier.Report {
				return courier.Report{Holdings: []envsource.Holding{kv("2")}, Failed: map[string]string{"db": "denied"}}
			}
		})
		r.notice <- envsource.Notice{Key: "db"}
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		pause(2 * time.Second)
		r.want("launch [db kv]", "hold 2 [db=a kv=2]", "SIGTERM to 1", "open 2", "drop 1")
		r.now(func() { r.report = reports(db("b")) })
		pause(time.Minute)
		r.want("launch [db]", "hold 3 [db=b kv=2]", "SIGTERM to 2", "open 3", "drop 2")
	})
}

func TestAStartThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, notice: make(chan envsource.Notice), report: func(courier.Task) courier.Report {
			return courier.Report{Errors: []string{"A: nothing", "B: denied"}, Status: 125, Holdings: []envsource.Holding{db("a")}}
		}}
		status, err := Run(t.Context(), w, w, nil, Policy{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if status.Exit() != 125 || err == nil || err.Error() != "A: nothing\nB: denied" {
			t.Errorf("%d, %v", status, err)
		}
		if want := []string{"launch []", "hold 1 [db=a]", "drop 1", "dismiss 1"}; !slices.Equal(w.log, want) {
			t.Errorf("%v, want %v: the lease must be let go", w.log, want)
		}
	})
}

func TestAnExecThatFails(t *testing.T) {
	for errno, want := range map[syscall.Errno]int{unix.ENOENT: 127, unix.EACCES: 126} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, notice: make(chan envsource.Notice), report: reports(db("a")), exec: errno}
			status, err := Run(t.Context(), w, w, nil, Policy{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			if status.Exit() != want || !errors.Is(err, errno) {
				t.Errorf("%v: %d, %v, want %d", errno, status, err, want)
			}
		})
	}
	// At a rotation the old command is gone already: it is tried again until there is one.
	wrapped(t, Policy{}, func(t *testing.T, r *running) {
		r.started()
		r.now(func() { r.report, r.exec = reports(db("b")), unix.ETXTBSY })
		r.notice <- envsource.Notice{Key: "db"}
		pause(2 * time.Second)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1", "open 2", "drop 1")
		r.now(func() { r.report, r.exec = reports(), nil })
		pause(time.Minute)
		r.want("launch []", "hold 3 [db=b kv=1]", "open 3", "drop 2")
		r.gens[2].end(proc.Status{Code: 5})
		r.exits(5)
	})
}

func TestSignals(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGWINCH, unix.SIGINT, unix.SIGQUIT} {
			r.send(s)
		}
		r.want("SIGHUP to 1", "SIGUSR1 to 1", "SIGWINCH to 1", "SIGINT to 1", "SIGQUIT to 1")
		r.send(unix.SIGTERM)
		r.want("SIGTERM to 1")
		r.exits(143)
	})
	wrapped(t, Policy{Shared: true}, func(_ *testing.T, r *running) {
		r.started()
		r.sigs <- signals.Received{Signal: unix.SIGINT, Kernel: true}
		r.sigs <- signals.Received{Signal: unix.SIGWINCH, Kernel: true}
		r.send(unix.SIGUSR2)
		r.want("SIGUSR2 to 1")
	})
}

func TestASecondTermKills(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.gens[0].obeys = false
		r.send(unix.SIGTERM)
		r.want("SIGTERM to 1")
		r.send(unix.SIGTERM)
		r.want("kill 1")
		r.exits(137)
	})
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.gens[0].obeys = false
		r.send(unix.SIGTERM)
		pause(8 * time.Second)
		r.want("SIGTERM to 1", "kill 1")
	})
}

// A stop that comes while a rotation is under way cancels the rotation.
func TestAStopCancelsARotation(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.gens[0].obeys = false
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1")
		r.send(unix.SIGINT)
		r.want("SIGINT to 1")
		r.gens[0].end(proc.Status{Code: 9})
		r.want("dismiss 2")
		r.exits(9)
	})
}

// While no command runs, what ends programs ends vwrap, and the rest is kept for the next command.
func TestSignalsBetweenCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, notice: make(chan envsource.Notice), slow: true}
		sigs := make(chan signals.Received, 2)
		done := make(chan int)
		go func() {
			status, _ := Run(t.Context(), w, w, sigs, Policy{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			done <- status.Exit()
		}()
		synctest.Wait()
		sigs <- signals.Received{Signal: unix.SIGHUP}
		sigs <- signals.Received{Signal: unix.SIGTERM}
		synctest.Wait()
		w.gens[0].reported <- courier.Report{Errors: []string{"given up"}, Holdings: []envsource.Holding{db("a")}}
		if got := <-done; got != 143 {
			t.Errorf("status %d, want 143", got)
		}
		if want := []string{"launch []", "dismiss 1", "hold 1 [db=a]"}; !slices.Equal(w.log, want) {
			t.Errorf("%v, want %v", w.log, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, notice: make(chan envsource.Notice), slow: true}
		sigs := make(chan signals.Received, 2)
		done := make(chan int)
		go func() {
			status, _ := Run(t.Context(), w, w, sigs, Policy{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			done <- status.Exit()
		}()
		sigs <- signals.Received{Signal: unix.SIGUSR1}
		synctest.Wait()
		w.gens[0].reported <- courier.Report{}
		synctest.Wait()
		if want := []string{"launch []", "hold 1 []", "open 1", "SIGUSR1 to 1"}; !slices.Equal(w.log, want) {
			t.Errorf("%v, want %v", w.log, want)
		}
		w.gens[0].end(proc.Status{})
		<-done
	})
}

func TestExpiry(t *testing.T) {
	wrapped(t, Policy{StopOnExpiry: true}, func(_ *testing.T, r *running) {
		r.started()
		r.notice <- envsource.Notice{Key: "db", Expired: true}
		r.want("SIGTERM to 1")
		r.exits(StatusFailed)
	})
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db", Expired: true, By: time.Now()}
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1", "open 2", "drop 1")
	})
}

func TestACommandThatEndsDuringAFetchEndsVwrap(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.now(func() { r.slow = true })
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.gens[0].end(proc.Status{Code: 6})
		synctest.Wait()
		r.gens[1].reported <- courier.Report{Holdings: []envsource.Holding{db("b")}}
		r.want("launch [db]", "dismiss 2", "hold 2 [db=b]")
		r.exits(6)
	})
}
