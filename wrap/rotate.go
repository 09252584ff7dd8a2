package wrap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/proc"
)

// noticed: the keeper cannot keep something as it is.
func (r *loop) noticed(n envsource.Notice) {
	if n.Probe && r.next != nil && !r.next.told { // the courier may have read before that
		r.late = append(r.late, n)
		return
	}
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
	r.end(proc.Status{Code: StatusFailed})
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
		r.problem = report.Failed[sortedKeys(report.Failed)[0]]
		r.backoff(report.Wait)
		return
	}
	r.failures, r.problem = 0, ""
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
		r.end(proc.Status{Code: StatusRotate})
	case stopsFirst:
		r.Log.Info("restarting the command: " + r.reasons())
		r.stop(r.StopSignal)
	case action == Restart, action == Overlap:
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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func values(held map[string]envsource.Holding) []envsource.Holding {
	var hs []envsource.Holding
	for _, key := range sortedKeys(held) {
		hs = append(hs, held[key])
	}
	return hs
}
