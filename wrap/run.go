package wrap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
)

// Generation is a courier, and later the command that it became.
type Generation interface {
	PID() int
	Reported() <-chan courier.Report // once
	Executed() <-chan error          // once, after Open: nil when the program runs, or the errno
	Ended() <-chan struct{}          // closed
	Status() proc.Status             // once Ended is closed
	Open()
	Dismiss()
	Signal(s unix.Signal) error
	Stop(s unix.Signal) error // Signal, with one that asks the command to end
	Drain() <-chan struct{}   // once it has ended: closed when all that descends from it has, too
	Kill()                    // it, and all that descends from it
	Forget()                  // nothing will start from this generation any more
}

// Launcher sends a courier out; from is the generation to start from, nil at the first start.
type Launcher interface {
	Launch(t courier.Task, from Generation) (Generation, error)
}

// Keeper keeps what generations hold, and says what it cannot keep.
type Keeper interface {
	// Hold says that generation n holds hs, and nothing else. The channel is closed when what it held before, and
	// no generation holds now, is released.
	Hold(n uint64, hs []envsource.Holding) <-chan struct{}
	// Drop says that generation n is over: what no other holds is released; with leave, because a program may hold
	// it still, not at once. The channel is closed when that is done.
	Drop(n uint64, leave bool) <-chan struct{}
	Notices() <-chan envsource.Notice
	// Heard is what a courier found of the server: the outage it met, or "" where it was answered.
	Heard(problem string)
}

// phase is what is under way.
type phase int

const (
	quiet     phase = iota // the command runs
	fetching               // a courier is on its errand; the command runs, unless this is a start
	stopping               // the command was asked to end, for a rotation
	releasing              // stop-first: the command has ended, its leases are being revoked
	opening                // the gate is open, the program has not been executed yet
	readying               // overlap: the next program runs beside the command, and does not serve yet
	retiring               // overlap: the next program is the command, and the last one was asked to end
	waiting                // no command runs; a failed start is tried again later
)

// member is a generation with its number and what it holds.
type member struct {
	Generation
	n      uint64
	values Generation                   // what the next courier starts from: itself, or the last one that refreshed
	held   map[string]envsource.Holding // by key
	errand courier.Errand
	told   bool // its report has come
}

// loop is the state of one run. Run's goroutine alone touches it.
type loop struct {
	Policy
	launcher Launcher
	keeper   Keeper

	cancelled <-chan struct{} // Run's context; nil once it was
	phase     phase
	count     uint64  // generations so far
	child     *member // whose program runs, or ran last
	old       *member // overlap: the last one, whose program has not ended yet
	next      *member // on an errand, or at the gate
	alive     bool    // child's program runs
	pending   map[string]envsource.Notice
	taken     map[string]envsource.Notice // of pending: what the generation under way has anew
	begin     *time.Timer                 // of the rotation that settles, or of the retry
	kill      *time.Timer                 // the end of the stop grace
	killed    bool                        // it has passed
	drained   <-chan struct{}             // of a command that has ended and left processes behind
	oldGone   <-chan struct{}             // of old: its end, and then that of what it left behind
	oldEnded  bool
	lost      bool         // the command has ended, and old is waited for
	ready     <-chan error // of next, while readying
	unready   func()       // ends the wait for that
	released  <-chan struct{}
	failures  int
	saved     signals.Kept       // came while no program ran
	late      []envsource.Notice // came while next was on its errand, and may be newer than what that reads
	looked    bool               // a probe has found that what is pending can be done
	ending    bool               // vwrap was told to end, or has decided to
	status    *proc.Status       // that vwrap's own decision means; nil: the command's own
	said      map[string]bool
	done      bool

	since    time.Time // the command began
	restarts int
	problem  string          // why the last rotation could not be done
	changed  []string        // variables that the next generation has anew
	forced   map[string]bool // keys of what is rotated though its value may be the same
	askers   []asker
}

// Run launches the first generation and goes on until the command ends for good. It returns how vwrap has ended: as
// the command has, by the signal that ended vwrap while none ran, or with a code of vwrap's own. The error is what to
// tell the user in the last case, a line each. Couriers that are out when Run returns have been dismissed, and what
// they held was given to the keeper.
func Run(ctx context.Context, l Launcher, k Keeper, sigs <-chan signals.Received, p Policy) (proc.Status, error) {
	r := &loop{
		Policy: p, launcher: l, keeper: k, saved: p.Saved, said: map[string]bool{},
		pending: map[string]envsource.Notice{}, taken: map[string]envsource.Notice{}, forced: map[string]bool{},
		begin: stoppedTimer(), kill: stoppedTimer(),
	}
	defer r.begin.Stop()
	defer r.kill.Stop()
	r.cancelled = ctx.Done()
	err := r.launch(courier.Launch)
	for err == nil && !r.done {
		err = r.step(sigs)
		r.answer()
	}
	if p.Handle != nil {
		close(p.Handle.over)
	}
	r.farewell()
	if r.status != nil {
		return *r.status, err
	}
	return r.child.Status(), err
}

// exits has Run return code.
func (r *loop) exits(code int) { r.status = &proc.Status{Code: code} }

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// step waits for one thing to happen and does what it means.
func (r *loop) step(sigs <-chan signals.Received) error {
	var reported <-chan courier.Report
	var executed <-chan error
	var ended <-chan struct{}
	if r.next != nil && !r.next.told && !r.ending {
		reported = r.next.Reported()
	}
	if r.next != nil && r.phase == opening {
		executed = r.next.Executed()
	}
	if r.alive {
		ended = r.child.Ended()
	}
	var nextEnded <-chan struct{}
	if r.phase == readying {
		nextEnded = r.next.Ended()
	}
	var asks chan func(*loop)
	if r.Handle != nil {
		asks = r.Handle.asks
	}
	select {
	case f := <-asks:
		f(r)
	case <-r.cancelled:
		r.cancelled = nil
		r.signalled(signals.Received{Signal: unix.SIGTERM})
	case s := <-sigs:
		r.signalled(s)
	case n := <-r.keeper.Notices():
		r.noticed(n)
	case report := <-reported:
		return r.reported(report)
	case err := <-executed:
		return r.executed(err)
	case err := <-r.ready:
		return r.served(err)
	case <-nextEnded:
		return r.served(errors.New("it has ended"))
	case <-r.oldGone:
		return r.retired()
	case <-ended:
		return r.ended()
	case <-r.drained:
		return r.over()
	case <-r.released:
		r.released = nil
		return r.launch(courier.Launch, r.due()...)
	case <-r.begin.C:
		return r.rotate()
	case <-r.kill.C:
		return r.graceOver()
	}
	return nil
}

// launch sends a courier out.
func (r *loop) launch(e courier.Errand, due ...string) error {
	var from Generation
	if r.child != nil {
		from = r.child.values
	}
	g, err := r.launcher.Launch(courier.Task{Errand: e, Due: due, Strict: !r.alive}, from)
	if err != nil {
		if r.child == nil {
			r.exits(StatusFailed)
			return err
		}
		r.retry(err.Error(), 0)
		return nil
	}
	r.count++
	r.next = &member{Generation: g, n: r.count, values: g, errand: e}
	r.phase = fetching
	return nil
}

// reported is what a courier's report means.
func (r *loop) reported(report courier.Report) error {
	r.next.told, r.next.held = true, r.merge(report.Holdings)
	defer r.noticeLate()
	for _, line := range report.Warnings {
		r.sayOnce(line)
	}
	if !report.OK() {
		return r.failed(report)
	}
	r.heard(report)
	if r.next.errand == courier.Probe {
		return r.probed(report)
	}
	if r.child == nil {
		r.keeper.Hold(r.next.n, values(r.next.held))
		r.open()
		return nil
	}
	return r.prepared(report)
}

// noticeLate takes up what was noticed while a courier read.
func (r *loop) noticeLate() {
	late := r.late
	r.late = nil
	for _, n := range late {
		r.noticed(n)
	}
}

// merge lays what was read now over what the child's generation holds.
func (r *loop) merge(fresh []envsource.Holding) map[string]envsource.Holding {
	held := map[string]envsource.Holding{}
	if r.child != nil {
		for key, h := range r.child.held {
			held[key] = h
		}
	}
	for _, h := range fresh {
		held[h.Key] = h
	}
	return held
}

// failed: a courier could not do its errand. What it fetched besides is released.
func (r *loop) failed(report courier.Report) error {
	r.discard(report.Holdings)
	if r.child == nil {
		r.exits(report.Status)
		return errors.New(strings.Join(report.Errors, "\n"))
	}
	if report.Outage != "" {
		r.keeper.Heard(report.Outage)
		r.retry("", report.Wait)
		r.problem = report.Outage
		return nil
	}
	r.retry(strings.Join(report.Errors, "\n"), report.Wait)
	return nil
}

// heard tells the keeper of the server, and the user of what could not be read for another reason.
func (r *loop) heard(report courier.Report) {
	if report.Outage != "" || len(report.Holdings) > 0 {
		r.keeper.Heard(report.Outage)
	}
	for _, key := range sortedKeys(report.Failed) {
		if report.Failed[key] != report.Outage {
			r.sayOnce(fmt.Sprintf("%s: %s: the command goes on with the value it had", r.names(key), report.Failed[key]))
		}
	}
}

// discard gives what the courier fetched to the keeper, to be released, and forgets the courier.
func (r *loop) discard(fetched []envsource.Holding) {
	r.keeper.Hold(r.next.n, fetched)
	r.keeper.Drop(r.next.n, false)
	r.dismiss()
}

// dismiss sends the courier away.
func (r *loop) dismiss() {
	r.next.Dismiss()
	r.next.Forget()
	r.next = nil
}

// retry says why a rotation could not be done ("" where that is said already) and sets the time of the next try.
// The command goes on. asked is as backoff has it.
func (r *loop) retry(why string, asked time.Duration) {
	r.problem = why
	for line := range strings.SplitSeq(why, "\n") {
		if line != "" {
			r.sayOnce(line + ": trying again")
		}
	}
	r.phase = quiet
	if !r.alive {
		r.phase = waiting
	}
	r.backoff(asked)
}

// backoff sets the time of the next try: exponential from 1 s to 60 s with full jitter, within a third of what the first
// pending credential to end has left. What the server asked for (Retry-After) is heeded, up to half of that.
func (r *loop) backoff(asked time.Duration) {
	r.failures++
	most := min(time.Second<<min(r.failures-1, 6), time.Minute)
	for _, n := range r.pending {
		if left := time.Until(n.By); !n.By.IsZero() && left > 0 {
			most, asked = min(most, left/3), min(asked, left/2)
		}
	}
	wait := time.Duration(rand.Float64()*float64(most)) + 100*time.Millisecond
	r.begin.Reset(max(wait, asked))
}

// sayOnce warns, unless that was said since the last rotation that went well.
func (r *loop) sayOnce(line string) {
	if !r.said[line] {
		r.said[line] = true
		r.Log.Warn(line)
	}
}

// probed: what a probe has seen is really different is pending for certain; the rest is as it was.
func (r *loop) probed(report courier.Report) error {
	same := []envsource.Holding{}
	for _, h := range report.Holdings {
		if r.differs(h) {
			r.pending[h.Key] = envsource.Notice{Key: h.Key, Reason: "it has a new value"}
			continue
		}
		same = append(same, h)
		delete(r.pending, h.Key)
	}
	r.dismiss()
	r.phase, r.failures = quiet, 0
	r.adopt(same)
	for key := range report.Failed { // looked at again at the next poll
		delete(r.pending, key)
		h := r.child.held[key]
		h.Asked = time.Now()
		r.adopt([]envsource.Holding{h})
	}
	if r.looked = len(r.probes()) < len(r.pending); r.looked && r.stopsFirst() {
		return r.rotate()
	}
	r.settle()
	return nil
}

// differs reports whether h has another value than the child's generation, or is to count as such.
func (r *loop) differs(h envsource.Holding) bool {
	return r.forced[h.Key] || r.child.held[h.Key].Digest != h.Digest
}

// adopt makes what was read anew, with no change of value, part of the child's generation.
func (r *loop) adopt(same []envsource.Holding) {
	if len(same) == 0 {
		return
	}
	for _, h := range same {
		r.child.held[h.Key] = h
	}
	r.keeper.Hold(r.child.n, values(r.child.held))
}

// prepared: a courier has the next generation ready. What it means depends on what really differs.
func (r *loop) prepared(report courier.Report) error {
	action, changed := None, false
	clear(r.taken)
	for _, h := range report.Holdings {
		if n, ok := r.pending[h.Key]; ok {
			r.taken[h.Key] = n
		}
		delete(r.pending, h.Key)
		if r.differs(h) {
			action, changed = Stronger(action, r.ActionFor(h)), true
		}
	}
	switch {
	case r.alive && !changed:
		r.dismiss()
		r.phase = quiet
		r.adopt(report.Holdings)
		r.again(report)
	case r.alive && (action == None || action == Signal):
		r.refreshed(action, report)
	case r.alive && action == Overlap:
		r.changed = r.changes(report.Holdings)
		r.keeper.Hold(r.next.n, values(r.next.held))
		r.Log.Info(fmt.Sprintf("starting the command anew beside the running one: new %s", strings.Join(r.changed, ", ")))
		r.open()
	case r.alive:
		r.changed = r.changes(report.Holdings)
		r.keeper.Hold(r.next.n, values(r.next.held))
		r.Log.Info(fmt.Sprintf("restarting the command: new %s", strings.Join(r.changed, ", ")))
		r.stop(r.StopSignal)
	default:
		r.changed = r.changes(report.Holdings)
		r.keeper.Hold(r.next.n, values(r.next.held))
		r.open()
	}
	return nil
}

// changes are the variables whose values differ.
func (r *loop) changes(hs []envsource.Holding) (names []string) {
	for _, h := range hs {
		if r.differs(h) {
			names = append(names, h.Variables...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// refreshed: the command goes on; its generation is the new one.
func (r *loop) refreshed(action Action, report courier.Report) {
	names := r.changes(report.Holdings)
	r.keeper.Hold(r.next.n, values(r.next.held))
	r.keeper.Drop(r.child.n, true)
	r.next.Dismiss()
	r.child.values.Forget()
	r.publish()
	r.child.n, r.child.values, r.child.held = r.next.n, r.next.values, r.next.held
	r.next = nil
	r.phase = quiet
	if action == Signal {
		r.Log.Info(fmt.Sprintf("sending %s to the command: new %s", signals.Name(r.Signal), strings.Join(names, ", ")))
		r.failing(r.child.Signal(r.Signal))
	} else {
		r.Log.Info(fmt.Sprintf("new %s: the command is left alone", strings.Join(names, ", ")))
	}
	r.rotated(action, names)
	r.again(report)
}

// rotated tells of a rotation.
func (r *loop) rotated(action Action, variables []string) {
	if r.Rotated != nil {
		r.Rotated(Rotation{Generation: r.child.n, Variables: variables, Action: action})
	}
}

// open lets the courier become the command.
func (r *loop) open() {
	r.phase = opening
	r.publish()
	r.next.Open()
}

// publish makes the next generation's values known.
func (r *loop) publish() {
	if r.Publish != nil {
		r.Publish(r.next.n, r.next.values)
	}
}

// republish takes that back.
func (r *loop) republish() {
	if r.Publish != nil {
		r.Publish(r.child.n, r.child.values)
	}
}

// executed: the courier has become the command, or could not.
func (r *loop) executed(err error) error {
	if err != nil && r.child == nil {
		r.discard(nil)
		var errno syscall.Errno
		errors.As(err, &errno)
		r.exits(courier.ExecStatus(errno))
		return err
	}
	if r.alive {
		return r.beside(err)
	}
	old := r.child
	r.child, r.next = r.next, nil
	if old != nil {
		r.keeper.Drop(old.n, false)
		old.values.Forget()
	}
	if err != nil {
		r.retry(err.Error(), 0)
		return nil
	}
	r.phase = quiet
	r.began(old != nil, Restart)
	r.settle()
	return nil
}

// began: the child's program runs, and is the command.
func (r *loop) began(again bool, a Action) {
	r.alive, r.killed, r.failures, r.problem, r.since = true, false, 0, "", time.Now()
	clear(r.said)
	if again {
		r.restarts++
		r.rotated(a, r.changed)
	}
	r.Log.Debug(fmt.Sprintf("generation %d runs", r.child.n))
	saved := r.saved
	r.saved = nil
	for _, s := range saved {
		r.signalled(s)
	}
}

// over: the command has ended, and what it left behind too, where that was waited for.
func (r *loop) over() error {
	r.kill.Stop()
	r.drained = nil
	switch {
	case r.old != nil: // it was asked to end, and is waited for
		r.ending, r.lost = true, true
		r.kill.Reset(r.StopGrace)
	case r.ending || r.phase != stopping:
		r.done = true
	case r.next != nil:
		r.open()
	default: // stop-first: the old credentials go before new ones are asked for
		r.phase = releasing
		r.released = r.keeper.Hold(r.child.n, r.notDue())
	}
	return nil
}

// notDue are the child's holdings less those that are about to be replaced.
func (r *loop) notDue() (hs []envsource.Holding) {
	for _, h := range values(r.child.held) {
		if _, due := r.pending[h.Key]; !due {
			hs = append(hs, h)
		}
	}
	return hs
}

// farewell dismisses a courier that is out. What it has fetched by then the keeper gets, to be released.
func (r *loop) farewell() {
	if r.next == nil {
		return
	}
	if r.overlapping() {
		r.next.Kill()
	}
	r.next.Dismiss()
	if !r.next.told {
		select {
		case report := <-r.next.Reported():
			r.keeper.Hold(r.next.n, report.Holdings)
		case <-time.After(2 * time.Second):
			return
		}
	}
	<-r.next.Ended()
}
