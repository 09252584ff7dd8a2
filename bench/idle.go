package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// rarest is how often an hour a wrapper may wake that has nothing to renew or to poll.
const rarest = 30

// watched is a wrapper that is looked at twice.
type watched struct {
	what      string
	at        place
	values    []value
	counter   *counter
	process   *process
	before    activity
	asked     int
	quietness // what lies between
}

// quietness is what a wrapper did in the meantime.
type quietness struct {
	switches int64
	ran      time.Duration
	requests int
}

// idle watches wrappers whose command sleeps, side by side.
func (b *bench) idle(ctx context.Context) (section, error) {
	leases, err := b.lend(ctx, 50, time.Hour)
	if err != nil {
		return section{}, err
	}
	all := []*watched{
		{what: "1 lease of an hour", at: b.lender.place(), values: leases[:1]},
		{what: "50 leases of an hour", at: b.lender.place(), values: leases},
		{what: "1 value polled every 30 s", at: b.server.place(), values: one.values(kvMount)},
		{what: "50 values of 50 paths polled every 30 s", at: b.server.place(), values: shape{50, 50}.values(kvMount)},
	}
	defer func() {
		for _, w := range all {
			w.stop()
		}
	}()
	for _, w := range all {
		if err := b.startWatched(ctx, w); err != nil {
			return section{}, fmt.Errorf("%s: %w", w.what, err)
		}
	}
	if err := sleep(ctx, b.scale.calm); err != nil { // a connection that is not used is kept for 90 s; its end is not what goes on
		return section{}, err
	}
	for _, w := range all {
		w.asked = w.counter.count()
		if w.before, err = activityOf(w.process.pid()); err != nil {
			return section{}, err
		}
	}
	if err := sleep(ctx, b.scale.idle); err != nil {
		return section{}, err
	}
	for _, w := range all {
		if err := w.look(); err != nil {
			return section{}, err
		}
	}
	return section{markdown: b.idleTable(all), targets: b.idleTargets(all[0])}, nil
}

func (b *bench) startWatched(ctx context.Context, w *watched) (err error) {
	if w.counter, err = startCounter(w.at.address); err != nil {
		return err
	}
	words, err := sleepWords()
	if err != nil {
		return err
	}
	c, err := b.vwrapped(place{w.counter.at, w.at.token}, w.values, "rotation: {poll: 30s}\n", words...)
	if err != nil {
		return err
	}
	if w.process, err = start(c); err != nil {
		return err
	}
	return awaitAsleep(ctx, w.process)
}

func (w *watched) look() error {
	after, err := activityOf(w.process.pid())
	if err != nil {
		return err
	}
	w.requests = w.counter.count() - w.asked
	w.switches, w.ran = after.since(w.before)
	return nil
}

func (w *watched) stop() {
	if w.process != nil {
		w.process.stop()
	}
	if w.counter != nil {
		w.counter.close()
	}
}

// hourly makes what was counted in the watch a number an hour.
func (b *bench) hourly(n float64) float64 { return n * float64(time.Hour) / float64(b.scale.idle) }

func (b *bench) idleTable(all []*watched) string {
	var t strings.Builder
	fmt.Fprintf(&t, "### At rest\n\nThe supervisor while its command sleeps, an hour, by what was counted in %v of it, from %v after its start. A wake-up is a context switch of any thread; CPU time is the kernel's "+
		"to the nanosecond. No lease here was due for renewal:\n\n| | CPU time | wake-ups | requests |\n|---|---:|---:|---:|\n", b.scale.idle, b.scale.calm)
	for _, w := range all {
		fmt.Fprintf(&t, "| %s | %s | %.0f | %.0f |\n", w.what, milliseconds(time.Duration(b.hourly(float64(w.ran)))), b.hourly(float64(w.switches)), b.hourly(float64(w.requests)))
	}
	return t.String()
}

func (b *bench) idleTargets(w *watched) []target {
	woke := b.hourly(float64(w.switches))
	return []target{{
		what: "wake-ups an hour with nothing to renew or poll", want: fmt.Sprintf("%d or fewer", rarest),
		got: fmt.Sprintf("%.0f", woke), state: judged(woke <= rarest),
	}}
}
