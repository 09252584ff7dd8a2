package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// A lease that cannot be renewed, and how many of them each of several wrappers is watched through.
const (
	shortLease = 8 * time.Second
	lives      = 5
)

// ends looks how long before the end of a lease the command runs that has the next one.
func (b *bench) ends(ctx context.Context) (section, error) {
	tuned := map[string]any{"default_lease_ttl": shortLease.String(), "max_lease_ttl": shortLease.String()}
	if err := b.server.write(ctx, "sys/mounts/ssh", map[string]any{"type": "ssh", "config": tuned}); err != nil {
		return section{}, err
	}
	role := map[string]any{"key_type": "otp", "default_user": "bench", "cidr_list": "10.0.0.0/8"}
	if err := b.server.write(ctx, "ssh/roles/otp", role); err != nil {
		return section{}, err
	}
	var all []*renewed
	defer func() {
		for _, r := range all {
			r.stop()
			r.counter.close()
		}
	}()
	for range (b.scale.runs + lives - 1) / lives {
		r, err := b.startRenewed()
		if err != nil {
			return section{}, err
		}
		all = append(all, r)
		if err := sleep(ctx, shortLease/time.Duration(2*b.scale.runs)); err != nil { // they take turns
			return section{}, err
		}
	}
	var margins series
	for _, r := range all {
		those, err := r.margins()
		if err != nil {
			return section{}, err
		}
		margins = append(margins, those...)
	}
	return section{markdown: fmt.Sprintf("A lease of %v that cannot be renewed (`stop_grace: 1s`, `settle: %v`) is replaced before its end. Of %d, from the first instruction of the command with "+
		"the next one to the end of the old one:\n\n", shortLease, settle, len(margins)) +
		rows("that long before", [2]string{"p50", seconds(margins.middle())}, [2]string{"the least", seconds(margins.at(0))})}, nil
}

// renewed is a command whose credential is replaced, and when it was had.
type renewed struct {
	receiver
	counter *counter
}

func (b *bench) startRenewed() (*renewed, error) {
	counter, err := startCounter(b.server.address)
	if err != nil {
		return nil, err
	}
	rules := fmt.Sprintf("rotation: {settle: %v, stop_grace: 1s}\nsecrets: [{path: ssh/creds/otp, method: write, data: {ip: 10.1.2.3}, env: {V0: key}}]\n", settle)
	c, err := b.vwrapped(place{counter.at, b.server.token}, nil, rules, b.receiver, "lives")
	if err != nil {
		counter.close()
		return nil, err
	}
	r, err := startReceiver(c)
	if err != nil {
		counter.close()
		return nil, err
	}
	return &renewed{r, counter}, nil
}

// margins waits for all lives. A lease is taken to begin when it is asked for.
func (r *renewed) margins() (margins series, err error) {
	for i := range 1 + lives {
		if i > 0 {
			if _, err := r.answer(syscall.SIGTERM, time.Minute); err != nil {
				return nil, fmt.Errorf("wait for the old command's end: %w", err)
			}
		}
		began, err := r.answer(0, time.Minute)
		if err != nil {
			return nil, fmt.Errorf("wait for the command: %w", err)
		}
		had := r.counter.of("ssh/creds/")
		if len(had) < 1+i {
			return nil, errors.New("count requests for credentials: there are fewer than commands")
		}
		if i > 0 {
			margins = append(margins, had[i-1].at+shortLease-began)
		}
	}
	return margins, nil
}
