package wrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/proc"
)

var (
	// ErrOver is returned where the run has ended.
	ErrOver = errors.New("the command has ended")
	// ErrUnknown is wrapped where no secret is known by a name.
	ErrUnknown = errors.New("no secret")
	// ErrFailed is wrapped where a rotation was tried and could not be done; it is tried again.
	ErrFailed = errors.New("not rotated yet")
)

// Handle is for those who ask something of a run while it goes on. Its methods may be called from any goroutine.
type Handle struct {
	asks chan func(*loop)
	over chan struct{}
}

// NewHandle returns the handle for a run that gets it in its Policy.
func NewHandle() *Handle {
	return &Handle{asks: make(chan func(*loop)), over: make(chan struct{})}
}

// Status is how a run is at one moment. The holdings are for the keeper's eyes and the program's own; what of them may
// be told to others is the caller's to choose.
type Status struct {
	Generation uint64 // of the command; 0 before the first
	Running    bool
	PID        int       // of the command, where it runs
	Since      time.Time // it began; zero before
	Restarts   int
	Doing      string // in words: "running", "fetching", …
	Held       []envsource.Holding
	Pending    map[string]string // by the holding's key: why it is to be replaced
	Problem    string            // why the last rotation could not be done; "" where it could
}

// Status asks the run how it is.
func (h *Handle) Status() (Status, error) {
	return ask(h, func(r *loop, reply chan<- Status) { reply <- r.inspect() })
}

// Rotate has the secrets of the variables named, or of all where none is, fetched anew and the command rotated, at once
// and whether the values differ or not. It returns the generation that has them when that is done, and an error that
// wraps ErrFailed when it was tried and failed, or ErrUnknown.
func (h *Handle) Rotate(ctx context.Context, variables []string) (generation uint64, err error) {
	type outcome struct {
		generation uint64
		err        error
	}
	o, err := ask(h, func(r *loop, reply chan<- outcome) {
		keys, err := r.keysOf(variables)
		if err != nil {
			reply <- outcome{err: err}
			return
		}
		r.force(keys, func(n uint64, err error) { reply <- outcome{n, err} })
	}, ctx.Done())
	if err != nil {
		return 0, err
	}
	return o.generation, o.err
}

// End has the command stopped and the run end, with status 0, as if that were what the command does. It returns when that is
// under way, or ctx has ended.
func (h *Handle) End(ctx context.Context) error {
	_, err := ask(h, func(r *loop, reply chan<- struct{}) {
		if !r.ending {
			r.end(proc.Status{})
		}
		reply <- struct{}{}
	}, ctx.Done())
	return err
}

// ask has f run in the loop, and waits for its reply, which may come later.
func ask[T any](h *Handle, f func(*loop, chan<- T), given ...<-chan struct{}) (answer T, err error) {
	var up <-chan struct{}
	if len(given) > 0 {
		up = given[0]
	}
	reply := make(chan T, 1)
	select {
	case h.asks <- func(r *loop) { f(r, reply) }:
	case <-h.over:
		return answer, ErrOver
	case <-up:
		return answer, context.Canceled
	}
	select {
	case answer = <-reply:
		return answer, nil
	case <-up:
		return answer, context.Canceled
	case <-h.over: // with the last reply in time, perhaps
		select {
		case answer = <-reply:
			return answer, nil
		default:
			return answer, ErrOver
		}
	}
}

// inspect is the loop's state in others' words.
func (r *loop) inspect() Status {
	s := Status{Running: r.alive, Restarts: r.restarts, Since: r.since, Doing: r.doing(), Pending: map[string]string{}, Problem: r.problem}
	if r.child != nil {
		s.Generation, s.Held = r.child.n, values(r.child.held)
		if r.alive {
			s.PID = r.child.PID()
		}
	}
	for key, n := range r.pending {
		s.Pending[key] = n.Reason
	}
	return s
}

func (r *loop) doing() string {
	switch {
	case r.ending, r.drained != nil:
		return "stopping"
	case r.phase == fetching && r.child == nil, r.phase == opening && r.child == nil:
		return "starting"
	case r.phase == fetching:
		return "fetching"
	case r.overlapping():
		return "starting the next generation"
	case r.phase == retiring:
		return "stopping the last generation"
	case r.phase == waiting:
		return "waiting to try again"
	case r.phase != quiet:
		return "restarting"
	}
	return "running"
}

// keysOf are the keys of what the child holds for the variables; all keys where none is named.
func (r *loop) keysOf(variables []string) (keys []string, err error) {
	if r.child == nil {
		return nil, fmt.Errorf("%w: the command has not begun yet", ErrFailed)
	}
	var known, missing []string
	found := map[string]bool{}
	for _, h := range values(r.child.held) {
		known = append(known, h.Variables...)
		if len(variables) == 0 || slices.ContainsFunc(variables, func(name string) bool { return slices.Contains(h.Variables, name) }) {
			keys = append(keys, h.Key)
		}
		for _, name := range h.Variables {
			found[name] = true
		}
	}
	for _, name := range variables {
		if !found[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(known)
	switch {
	case len(missing) > 0:
		return nil, fmt.Errorf("%w is known as %s (there are: %s)", ErrUnknown, strings.Join(missing, ", "), strings.Join(slices.Compact(known), ", "))
	case len(keys) == 0:
		return nil, fmt.Errorf("%w is injected: there is nothing to rotate", ErrUnknown)
	}
	return keys, nil
}

// asker waits for a rotation.
type asker struct {
	keys     []string
	failures int // of the loop, when it asked
	answer   func(generation uint64, err error)
}

// force makes keys due now, whether their values have changed or not. What comes of it is told to answer.
func (r *loop) force(keys []string, answer func(uint64, error)) {
	for _, key := range keys {
		r.forced[key] = true
		r.pending[key] = envsource.Notice{Key: key, Reason: "it was asked for"}
	}
	r.failures = 0
	r.askers = append(r.askers, asker{keys: keys, answer: answer})
	if r.phase == quiet || r.phase == waiting {
		r.begin.Reset(0)
	}
}

// answer tells those who wait what has come of what they wanted.
func (r *loop) answer() {
	r.askers = slices.DeleteFunc(r.askers, func(a asker) bool {
		left := slices.ContainsFunc(a.keys, func(key string) bool { _, ok := r.pending[key]; return ok })
		switch {
		case r.phase == quiet && r.alive && !left:
			a.answer(r.child.n, nil)
		case r.failures > a.failures:
			a.answer(0, fmt.Errorf("%w: %s: trying again", ErrFailed, r.problem))
		default:
			return false
		}
		return true
	})
	if r.phase == quiet && r.alive {
		for key := range r.forced {
			if _, ok := r.pending[key]; !ok {
				delete(r.forced, key)
			}
		}
	}
}
