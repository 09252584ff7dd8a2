package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/vwrap/vwrap/bench/clock"
)

// What a change is waited for by, and what may come on top of it; how long no command may run.
const (
	poll       = time.Second
	settle     = 200 * time.Millisecond
	allowance  = 100 * time.Millisecond
	longestGap = 5 * time.Millisecond
)

// replaced is how a command was replaced, time and again.
type replaced struct {
	took series // from the change to the new command's first instruction
	gaps series // from the old command's last to that
}

// changes times restarts: by a new version of a value that is polled, and by a lease that is revoked.
func (b *bench) changes(ctx context.Context) (section, error) {
	kv := []value{{"V0", kvMount, "changing"}}
	leased := []value{{"V0", leaseMount, "changing"}}
	// A tenth of ten seconds: a lease is looked at as often as a value is.
	const ttl, renewAt = 10 * poll, 0.1
	rules := fmt.Sprintf("rotation: {poll: %v, settle: %v, renew_at: %g}\n", poll, settle, renewAt)
	write := func() error { return b.server.fill(ctx, kv, nil) }
	revoke := func() error {
		if err := b.lender.fill(ctx, leased, map[string]any{"ttl": ttl.String()}); err != nil {
			return err
		}
		return b.lender.ask(ctx, http.MethodPut, "sys/leases/revoke-prefix/"+leaseMount+"/changing", map[string]any{"sync": true}, nil)
	}
	if err := errors.Join(write(), revoke()); err != nil {
		return section{}, err
	}
	changed, err := b.replace(ctx, b.server.place(), kv, rules, write)
	if err != nil {
		return section{}, fmt.Errorf("a new version: %w", err)
	}
	revoked, err := b.replace(ctx, b.lender.place(), leased, rules, revoke)
	if err != nil {
		return section{}, fmt.Errorf("a revoked lease: %w", err)
	}
	return section{markdown: changeTable(changed, revoked), targets: changeTargets(changed, revoked)}, nil
}

// replace wraps a command whose value is changed over and over, at any moment between two polls.
func (b *bench) replace(ctx context.Context, at place, values []value, rules string, change func() error) (r replaced, err error) {
	c, err := b.vwrapped(at, values, rules, b.receiver, "lives")
	if err != nil {
		return r, err
	}
	wrapped, err := startReceiver(c)
	if err != nil {
		return r, err
	}
	defer wrapped.stop()
	if _, err := wrapped.answer(0, time.Minute); err != nil {
		return r, fmt.Errorf("wait for the command: %w", err)
	}
	for i := range b.scale.runs {
		// Multiples of the golden ratio, less what is whole of them, are spread evenly however many there are.
		_, part := math.Modf(float64(i) * math.Phi)
		if err := sleep(ctx, settle+time.Duration(part*float64(poll))); err != nil {
			return r, err
		}
		if err := change(); err != nil {
			return r, err
		}
		changed := clock.Now()
		ended, endErr := wrapped.answer(syscall.SIGTERM, time.Minute)
		began, beginErr := wrapped.answer(0, time.Minute)
		if err := errors.Join(endErr, beginErr); err != nil {
			return r, fmt.Errorf("wait for the restart: %w", err)
		}
		r.took, r.gaps = append(r.took, began-changed), append(r.gaps, began-ended)
	}
	return r, nil
}

func changeTable(changed, revoked replaced) string {
	var t strings.Builder
	fmt.Fprintf(&t, "### Changes\n\nUntil the first instruction of the new command (the old one ends at once when it is asked), %d restarts of each; `poll: %v`, which vwrap spreads by ±10%%, and `settle: %v`. "+
		"The lease is renewed as often as the value is polled, and so it is found to be revoked:\n\n| | p50 | p99 |\n|---|---:|---:|\n", len(changed.took), poll, settle)
	fmt.Fprintf(&t, "| from a new version of a KV value | %s | %s |\n", seconds(changed.took.middle()), seconds(changed.took.at(0.99)))
	fmt.Fprintf(&t, "| from the revocation of a lease | %s | %s |\n", seconds(revoked.took.middle()), seconds(revoked.took.at(0.99)))
	both := append(append(series{}, changed.gaps...), revoked.gaps...)
	fmt.Fprintf(&t, "| no command runs: from the old one's last instruction | %s | %s |\n", finely(both.middle()), finely(both.at(0.99)))
	return t.String()
}

func changeTargets(changed, revoked replaced) []target {
	most := poll + settle + allowance
	worst := changed.took.at(0.99)
	gap := append(append(series{}, changed.gaps...), revoked.gaps...).middle()
	return []target{
		{
			what: "no command runs in a restart, over the old command's own stop, p50",
			want: finely(longestGap) + " or less", got: finely(gap), state: judged(gap <= longestGap),
		},
		{
			what: "from a new KV value to the new command, p99",
			want: fmt.Sprintf("%s (poll + settle + %v) or less", seconds(most), allowance), got: seconds(worst), state: judged(worst <= most),
		},
	}
}
