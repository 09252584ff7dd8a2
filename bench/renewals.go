package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How long the leases last that one wrapper has many of, and how much more than the mean may be asked in a second.
const (
	manyTTL  = 30 * time.Second
	smoothly = 3
)

// renewals watches a wrapper with many leases that last so short that each is renewed several times.
func (b *bench) renewals(ctx context.Context) (section, error) {
	n := b.scale.leases
	values, err := b.lend(ctx, n, manyTTL)
	if err != nil {
		return section{}, err
	}
	w := &watched{at: b.lender.place(), values: values}
	defer w.stop()
	if err := b.startWatched(ctx, w); err != nil {
		return section{}, err
	}
	err = await(ctx, manyTTL, "the first renewal", func() error {
		if len(w.counter.of("sys/leases/renew")) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	if err != nil {
		return section{}, err
	}
	if w.before, err = activityOf(w.process.pid()); err != nil {
		return section{}, err
	}
	if err := sleep(ctx, b.scale.renewals); err != nil {
		return section{}, err
	}
	if err := w.look(); err != nil {
		return section{}, err
	}
	memory, err := pssOf(w.process.pid())
	if err != nil {
		return section{}, err
	}
	renewed := w.counter.of("sys/leases/renew")
	mean, peak := b.rate(renewed, 0, b.scale.renewals)
	_, early := b.rate(renewed, 0, manyTTL)
	_, late := b.rate(renewed, b.scale.renewals-manyTTL, b.scale.renewals)
	anew := len(w.counter.of(leaseMount+"/")) - n
	text := fmt.Sprintf("### %d leases in one wrapper\n\nEach of %v, all had at once, watched for %v from the first renewal on:\n\n", n, manyTTL, b.scale.renewals)
	text += rows("a wrapper that renews",
		[2]string{"renewals a second: mean", fmt.Sprintf("%.0f", mean)},
		[2]string{"… in the fullest second", fmt.Sprintf("%d (%.1f × the mean)", peak, float64(peak)/mean)},
		[2]string{fmt.Sprintf("… in that of the first %v", manyTTL), fmt.Sprint(early)},
		[2]string{fmt.Sprintf("… in that of the last %v", manyTTL), fmt.Sprint(late)},
		[2]string{"leases that were lost, and had anew", fmt.Sprint(anew)},
		[2]string{"of one core", fmt.Sprintf("%.1f %%", 100*w.ran.Seconds()/b.scale.renewals.Seconds())},
		[2]string{"PSS after that", pss(memory)})
	ratio := float64(peak) / mean
	most := target{what: fmt.Sprintf("PSS with %d leases, after many renewals", n), want: mebibytes(heaviest) + " or less", state: notMeasured}
	if memory > 0 {
		most.got, most.state = mebibytes(memory), judged(memory <= heaviest)
	}
	return section{markdown: text, targets: []target{most, {
		what: fmt.Sprintf("renewals of %d leases, fullest second over the mean", n), want: fmt.Sprintf("%d × or less", smoothly),
		got: fmt.Sprintf("%.1f ×", ratio), state: judged(ratio <= smoothly),
	}}}, nil
}

// rate is how many of the requests there are a second in a part of the watch, and in its fullest second.
func (b *bench) rate(requests []request, from, to time.Duration) (mean float64, peak int) {
	counts := map[int64]int{}
	n := 0
	for _, r := range requests {
		if at := r.at - requests[0].at; at >= from && at < to {
			second := int64(at / time.Second)
			counts[second]++
			n, peak = n+1, max(peak, counts[second])
		}
	}
	return float64(n) / (to - from).Seconds(), peak
}
