package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// first times the way to the first instruction of a command, and takes off what that takes without a wrapper.
func (b *bench) first(ctx context.Context) (section, error) {
	var columns []column
	for _, s := range shapes {
		contenders, err := b.around(s, b.server.place(), b.receiver, "first")
		if err != nil {
			return section{}, err
		}
		contenders = slices.DeleteFunc(contenders, func(c contender) bool {
			return !slices.Contains([]string{plainRow, floorRow, vwrapRow}, c.name)
		})
		err = inTurn(ctx, b.scale.runs, contenders, func(i int) (time.Duration, error) { return contenders[i].command.timeFirst() })
		if err != nil {
			return section{}, fmt.Errorf("%v: %w", s, err)
		}
		columns = append(columns, column{s.String(), contenders})
	}
	text := fmt.Sprintf("From fork to a command's first instruction (`bench/receiver`, a Go program, reads the clock before anything else of its own), "+
		"%d runs of each; p50 · p99, and for wrappers how much later than with none:\n\n", b.scale.runs)
	text += table("first instruction", columns, func(c column, one contender) string {
		if one.name == plainRow {
			return spreadOf(one.took)
		}
		plain := find(c.contenders, plainRow).took
		return more(one.took.middle()-plain.middle()) + " · " + more(one.took.at(0.99)-plain.at(0.99))
	})
	return section{markdown: text}, nil
}

func more(d time.Duration) string {
	return fmt.Sprintf("%+.1f ms", float64(d)/float64(time.Millisecond))
}

// timeFirst runs a receiver that answers when it begins.
func (c command) timeFirst() (time.Duration, error) {
	at, started, _, err := c.timeAnswer()
	return at - started, err
}
