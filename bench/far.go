package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// fewest are the round trips that a start with many paths may take: a connection, a look-up of the engine, and all reads
// side by side.
const fewest = 3

// far times starts of `true` over the slow link, in turn with the same on loopback: what is between them is round trips.
func (b *bench) far(ctx context.Context) (section, error) {
	program, err := lookTrue()
	if err != nil {
		return section{}, err
	}
	slow, err := startLink(strings.TrimPrefix(b.server.address, "http://"))
	if err != nil {
		return section{}, err
	}
	defer slow.close()
	var columns []column
	var near [][]contender
	many := 0.0
	for _, s := range []shape{one, {100, 1}, {50, 50}, {100, 50}} {
		both, err := b.nearAndFar(s, slow.address(), program)
		if err != nil {
			return section{}, err
		}
		if err := timeAll(ctx, b.scale.runs, both); err != nil {
			return section{}, fmt.Errorf("%v: %w", s, err)
		}
		half := len(both) / 2
		near, columns = append(near, both[:half]), append(columns, column{s.String(), both[half:]})
		if s.paths == 50 {
			many = max(many, trips(find(both[:half], vwrapRow), find(both[half:], vwrapRow)))
		}
	}
	text := fmt.Sprintf("### Over a link of %v each way\n\nWall time of `true` from fork to exit, %d runs of each in turn with the same on loopback; p50 · p99, and round trips: what "+
		"it takes longer at p50 than on loopback, by %v:\n\n", delay, b.scale.runs, roundTrip)
	text += table("start of `true`", columns, func(c column, one contender) string {
		for i := range columns {
			if beside := find(near[i], one.name); columns[i].head == c.head && beside != nil {
				return fmt.Sprintf("%s; %.1f", spreadOf(one.took), trips(beside, &one))
			}
		}
		return ""
	})
	return section{markdown: text, targets: []target{{
		what: fmt.Sprintf("round trips of a start with 50 paths, %v each way", delay), want: fmt.Sprintf("%d or fewer", fewest),
		got: fmt.Sprintf("%.1f", many), state: judged(math.Round(many) <= fewest),
	}}}, nil
}

// nearAndFar are all that want something of a server: first on loopback, then, in the same order, over the link.
func (b *bench) nearAndFar(s shape, address, program string) (both []contender, err error) {
	for _, at := range []place{b.server.place(), {address, b.server.token}} {
		contenders, err := b.around(s, at, program)
		if err != nil {
			return nil, err
		}
		for _, c := range contenders {
			if c.name != plainRow && !b.slow(c.name) {
				both = append(both, c)
			}
		}
	}
	return both, nil
}

// trips are how many round trips lie between two medians. It is no whole number, since a wrapper does other things
// meanwhile, and needs a processor for each answer.
func trips(near, far *contender) float64 {
	return float64(far.took.middle()-near.took.middle()) / float64(roundTrip/time.Nanosecond)
}
