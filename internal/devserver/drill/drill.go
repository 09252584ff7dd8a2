// Package drill changes the secrets that a command has, again and again, makes faults between, and tells how the command
// took it. What is changed, and how, it is told; so is who says how the command does.
package drill

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Rotation is a secret that is changed. Rotate must not be called by two at a time.
type Rotation struct {
	Name   string // its path
	Kind   string // "lease" where it is revoked, which is noticed when it is to be renewed; else it is noticed by looking
	Rotate func(context.Context) error
}

// Fault is one that lasts for a while. End may be nil.
type Fault struct {
	Name       string
	Begin, End func(context.Context) error
}

// Progress is how the command does.
type Progress struct {
	Generation uint64
	Restarts   int
	Running    bool
	Versions   map[string]int // of secrets that have one, by the name that their Rotation has
}

// Options say what a drill does.
type Options struct {
	Every     time.Duration // from round to round
	For       time.Duration // after which no round begins; 0: until the context ends
	Rotations []Rotation    // all of them are done in each round
	Faults    []Fault       // one in each round, in turn
	Probe     string        // a URL that is asked whether the command serves; "" is none
	Probing   time.Duration // how often; 0 is DefaultProbing
	MaxGap    time.Duration // the longest time without an answer that is no failure
	Progress  func(context.Context) (Progress, error)
	Tell      func(line string)
	Transport http.RoundTripper // nil is a new connection each time, and no proxy
}

const (
	// DefaultProbing is the time from probe to probe.
	DefaultProbing = 200 * time.Millisecond
	// beginWithin is what a command is given to run and to answer its first probe.
	beginWithin = time.Minute
)

// Run drills until the time is over and the last round has reached the command, or until ctx ends.
func Run(ctx context.Context, o Options) Report {
	d := &drill{Options: o, report: Report{Every: o.Every, For: o.For, Probe: o.Probe, MaxGap: o.MaxGap}}
	begun := time.Now()
	if d.begin(ctx) {
		d.prober = startProber(ctx, o)
		d.report.Drilled = d.answers(ctx)
		d.first, d.begun = d.now.Restarts, time.Now()
		for d.report.Drilled && d.step(ctx) {
		}
		d.prober.stop(&d.report)
	}
	d.endFault()
	d.report.Ran = time.Since(begun)
	d.report.Restarts = d.now.Restarts - d.first
	d.report.Interrupted = ctx.Err() != nil
	return d.report
}

// drill is one that runs. One goroutine has it.
type drill struct {
	Options
	report  Report
	prober  *prober
	begun   time.Time
	now     Progress // as it was seen last
	first   int      // restarts before the drill
	pending []round  // that have not reached the command
	fault   *Fault   // the one that is
	ends    time.Time
	faults  int // that were begun
}

// round is one in which everything was rotated.
type round struct {
	number   int
	before   uint64         // the generation
	versions map[string]int // before, of what has some: a generation alone may be for another secret's sake
	until    time.Time
}

// reached reports whether the command has what was new in the round.
func (r round) reached(p Progress) bool {
	for name, version := range r.versions {
		if p.Versions[name] <= version {
			return false
		}
	}
	return p.Generation > r.before
}

// look is how often the command is looked at.
func (d *drill) look() time.Duration {
	return min(max(d.Every/50, 10*time.Millisecond), 250*time.Millisecond)
}

// begin waits for the command to run.
func (d *drill) begin(ctx context.Context) bool {
	var err error
	for late := time.Now().Add(beginWithin); ctx.Err() == nil; pause(ctx, d.look()) {
		if d.now, err = d.Progress(ctx); err == nil && d.now.Running {
			return true
		}
		if time.Now().After(late) {
			break
		}
	}
	d.report.fail(lives, "the command did not begin to run")
	return false
}

// answers waits for the first probe that is answered.
func (d *drill) answers(ctx context.Context) bool {
	if d.Probe == "" {
		return true
	}
	late := time.NewTimer(beginWithin)
	defer late.Stop()
	select {
	case <-d.prober.answered:
		return true
	case <-ctx.Done():
	case <-late.C:
		d.report.fail(serves, fmt.Sprintf("%s was never answered, in %s: is that where the command serves?", d.Probe, beginWithin))
	}
	return false
}

// step does what is due, and looks at the command; it reports false at the end.
func (d *drill) step(ctx context.Context) bool {
	since := time.Since(d.begun)
	switch {
	case d.fault != nil && !time.Now().Before(d.ends):
		d.endFault()
	case d.fault == nil && d.faultIsDue(since):
		d.beginFault(ctx)
	case d.fault == nil && !d.over() && since >= time.Duration(d.report.Rounds)*d.Every:
		d.rotate(ctx)
	}
	d.see(ctx)
	if d.over() && d.fault == nil && len(d.pending) == 0 && since >= d.For {
		return false
	}
	pause(ctx, d.look())
	return ctx.Err() == nil
}

// over reports whether all rounds were begun.
func (d *drill) over() bool {
	return d.For > 0 && d.report.Rounds >= max(1, int(d.For/d.Every))
}

// faultIsDue reports whether one is: half way through each round.
func (d *drill) faultIsDue(since time.Duration) bool {
	return len(d.Faults) > 0 && d.faults < d.report.Rounds && since >= time.Duration(d.report.Rounds)*d.Every-d.Every/2
}

// rotate changes everything.
func (d *drill) rotate(ctx context.Context) {
	d.see(ctx) // what was under way is not of this round
	d.report.Rounds++
	slow := true // nothing of it is noticed but at a renewal
	versions := map[string]int{}
	for _, r := range d.Rotations {
		if version := d.now.Versions[r.Name]; version > 0 {
			versions[r.Name] = version
		}
		if err := r.Rotate(ctx); err != nil && ctx.Err() == nil {
			d.report.fail(reaches, fmt.Sprintf("%s could not be rotated: %v", r.Name, err))
		}
		slow = slow && r.Kind == "lease"
	}
	patience := d.Every
	if slow {
		patience = 2 * d.Every
	}
	d.pending = append(d.pending, round{d.report.Rounds, d.now.Generation, versions, time.Now().Add(patience)})
	d.Tell(fmt.Sprintf("drill: round %d: rotated", d.report.Rounds))
}

// see looks at the command, and which rounds have reached it.
func (d *drill) see(ctx context.Context) {
	p, err := d.Progress(ctx)
	if err != nil {
		return // it is stopped, or too busy: the rounds have their time
	}
	d.now = p
	left := d.pending[:0]
	for _, r := range d.pending {
		switch {
		case r.reached(p):
			d.report.Reached++
			d.Tell(fmt.Sprintf("drill: round %d: the command has generation %d", r.number, p.Generation))
		case time.Now().After(r.until):
			d.report.fail(reaches, fmt.Sprintf("round %d did not reach the command in time", r.number))
		default:
			left = append(left, r)
		}
	}
	d.pending = left
}

func (d *drill) beginFault(ctx context.Context) {
	f := d.Faults[d.faults%len(d.Faults)]
	d.faults++
	d.Tell(fmt.Sprintf("drill: fault: %s", f.Name))
	if err := f.Begin(ctx); err != nil && ctx.Err() == nil {
		d.report.fail(reaches, fmt.Sprintf("the fault %s could not be made: %v", f.Name, err))
	}
	d.report.fault(f.Name)
	d.fault, d.ends = &f, time.Now().Add(d.Every/3)
}

// endFault ends the fault that is, also where the context has ended.
func (d *drill) endFault() {
	f := d.fault
	if d.fault = nil; f == nil || f.End == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := f.End(ctx); err != nil {
		d.report.fail(reaches, fmt.Sprintf("the fault %s could not be ended: %v", f.Name, err))
	}
	d.Tell(fmt.Sprintf("drill: fault: %s is over", f.Name))
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
