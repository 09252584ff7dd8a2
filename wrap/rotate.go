package wrap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/signals"
)

// noticed: the keeper cannot keep something as it is.
func (r *loop) noticed(n envsource.Notice) {
	if n.Expired {
		r.expired(n)
	}
	if before, ok := r.pending[n.Key]; ok && !before.Probe {
		n.Confirm = n.Confirm && before.Confirm
		n.Probe = false
	}
	r.pending[n.Key] = n
	r.Log.Debug(fmt.Sprintf("%s: %s", r.names(n.Key), n.Reason))
	r.settle()
}

// expired: a credential is dead. With StopOnExpiry that is the command's end.
func (r *loop) expired(n envsource.Notice) {
	if !r.StopOnExpiry || r.ending {
		r.sayOnce(fmt.Sprintf("%s: %s and it could not be replaced: the command goes on with a dead credential", r.names(n.Key), n.Reason))
		return
	}
	r.Log.Error(fmt.Sprintf("%s: %s and it could not be replaced: stopping the command (rotation.on_expiry is stop)", r.names(n.Key), n.Reason))
	r.end(StatusFailed)
}

// end stops the command, and vwrap with status when it has ended.
func (r *loop) end(status int) {
	r.ending, r.status = true, status
	switch {
	case !r.alive:
		r.done = true
	case r.phase != stopping:
		r.stop()
	}
}

// settle sets the time of the next rotation, where one is pending and nothing else is under way: after the settle
// window and a random splay, but early enough for what ends first. What a probe must see first is probed at once.
func (r *loop) settle() {
	if r.phase != quiet || !r.alive || r.ending || len(r.pending) == 0 {
		return
	}
	if len(r.probes()) == len(r.pending) {
		r.begin.Reset(0)
		return
	}
	wait := r.Settle
	if r.Splay > 0 {
		wait += time.Duration(rand.Int64N(int64(r.Splay)))
	}
	for _, n := range r.pending {
		if !n.By.IsZero() {
			wait = min(wait, max(0, time.Until(n.By)-r.StopGrace))
		}
	}
	r.begin.Reset(wait)
}

// again sets the time of the next rotation after one that is done: with backoff where something is left that
// could not be read.
func (r *loop) again(report courier.Report) {
	if len(report.Failed) > 0 {
		r.backoff()
		return
	}
	r.failures = 0
	clear(r.said)
	r.settle()
}

// probes are the pending keys that nobody has seen a change of.
func (r *loop) probes() (keys []string) {
	for _, key := range sortedKeys(r.pending) {
		if r.pending[key].Probe {
			keys = append(keys, key)
		}
	}
	return keys
}

// unsure are the pending keys whose value may be the same still.
func (r *loop) unsure() (keys []string) {
	for _, key := range sortedKeys(r.pending) {
		if r.pending[key].Confirm {
			keys = append(keys, key)
		}
	}
	return keys
}

// due are the pending keys.
func (r *loop) due() []string { return sortedKeys(r.pending) }

// action is the strongest that the pending keys call for.
func (r *loop) action() Action {
	a := None
	for key := range r.pending {
		a = Stronger(a, r.ActionFor(r.child.held[key]))
	}
	return a
}

// stopsFirst reports whether the command is to be stopped before anything is fetched. Then a probe comes before
// that: what changed may be as it was, and what can be known to fail must not cost the old command.
func (r *loop) stopsFirst() bool {
	a := r.action()
	return a == Exit || a == Restart && r.StopFirst
}

// rotate begins what is pending.
func (r *loop) rotate() error {
	maps.DeleteFunc(r.pending, func(key string, _ envsource.Notice) bool {
		_, held := r.child.held[key]
		return !held
	})
	switch {
	case r.phase == waiting && !r.ending:
		return r.launch(courier.Launch, r.due()...)
	case r.phase != quiet || r.ending || len(r.pending) == 0:
		return nil
	}
	action, stopsFirst := r.action(), r.stopsFirst()
	unsure := r.unsure()
	looked := r.looked
	r.looked = false
	switch {
	case stopsFirst && !looked && (action != Exit || len(unsure) == len(r.pending)), len(r.probes()) == len(r.pending):
		return r.launch(courier.Probe, unsure...)
	case action == Exit:
		r.Log.Info(fmt.Sprintf("stopping the command and exiting with %d: %s", StatusRotate, r.reasons()))
		r.end(StatusRotate)
	case stopsFirst:
		r.Log.Info("restarting the command: " + r.reasons())
		r.stop()
	case action == Restart:
		return r.launch(courier.Launch, r.due()...)
	default:
		return r.launch(courier.Refresh, r.due()...)
	}
	return nil
}

// reasons says why the pending keys are pending.
func (r *loop) reasons() string {
	var all []string
	for _, key := range r.due() {
		all = append(all, r.names(key)+": "+r.pending[key].Reason)
	}
	return strings.Join(all, "; ")
}

// names are the variables that come from the holding with this key.
func (r *loop) names(key string) string {
	for _, m := range []*member{r.child, r.next} {
		if m != nil {
			if h, ok := m.held[key]; ok && len(h.Variables) > 0 {
				return strings.Join(h.Variables, ", ")
			}
		}
	}
	return key
}

// signalled: vwrap was sent s.
func (r *loop) signalled(s unix.Signal) {
	switch {
	case !r.alive && r.phase != opening && signals.Ends(s):
		r.end(128 + int(s))
	case !r.alive:
		r.saved = append(r.saved, s)
	default:
		r.pass(s)
	}
}

// pass gives s to the running command. TERM, and what else ends programs while a rotation stops the command, is a
// stop: no rotation is begun or finished any more, and the stop grace runs. A second one is KILL.
func (r *loop) pass(s unix.Signal) {
	stop := s == unix.SIGTERM || r.phase == stopping && signals.Ends(s)
	switch {
	case r.ending && (s == unix.SIGTERM || s == unix.SIGINT):
		r.Log.Warn(fmt.Sprintf("a second %s: killing the command", signals.Name(s)))
		r.signal(unix.SIGKILL)
	case stop && r.phase == stopping:
		r.ending = true
		if s != r.StopSignal {
			r.signal(s)
		}
	case stop:
		r.ending, r.phase = true, stopping
		r.signal(s)
		r.kill.Reset(r.StopGrace)
	case r.Shared && (s == unix.SIGINT || s == unix.SIGQUIT || s == unix.SIGWINCH):
		// The terminal has sent it to the command too.
	default:
		r.signal(s)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func values(held map[string]envsource.Holding) []envsource.Holding {
	var hs []envsource.Holding
	for _, key := range sortedKeys(held) {
		hs = append(hs, held[key])
	}
	return hs
}
