package main

import (
	"context"
	"fmt"
	"slices"
)

// starts times starts of `true` with secrets, each shape on its own.
func (b *bench) starts(ctx context.Context) (section, error) {
	program, err := lookTrue()
	if err != nil {
		return section{}, err
	}
	var columns []column
	for _, s := range shapes {
		contenders, err := b.around(s, b.server.place(), program)
		if err != nil {
			return section{}, err
		}
		if s == one {
			contenders = append(contenders, b.devStart(program))
		}
		if err := timeAll(ctx, b.scale.runs, contenders); err != nil {
			return section{}, fmt.Errorf("%v: %w", s, err)
		}
		columns = append(columns, column{s.String(), contenders})
	}
	ones := columns[slices.Index(shapes, one)]
	text := fmt.Sprintf("### Starts\n\nWall time of `true` from fork to exit, %d runs of each in turn, Vault on loopback, by how many variables come of "+
		"how many paths; p50 · p99:\n\n", b.scale.runs)
	text += table("start of `true`", columns, func(_ column, c contender) string { return spreadOf(c.took) })
	text += "\n" + table("one variable of one path", []column{{"p50 over the floor's", ones.contenders}}, func(_ column, c contender) string {
		return fmt.Sprintf("%.2f ×", times(c.took.middle(), find(ones.contenders, floorRow).took.middle()))
	})
	return section{markdown: text, targets: startTargets(ones.contenders)}, nil
}

// devStart is vwrap with a server of its own, which it starts too.
func (b *bench) devStart(program string) contender {
	words := []string{b.vwrap, "dev", "--server", "embedded", "-e", "A=vault:secret/dev/api#key", "--", program}
	return contender{name: "`vwrap dev --server embedded`: with the start of a server", command: b.command(b.dir, place{}, words...)}
}

// startTargets compares vwrap with the floor, and with each peer that was there.
func startTargets(ones []contender) []target {
	own := find(ones, vwrapRow).took.middle()
	ratio := times(own, find(ones, floorRow).took.middle())
	targets := []target{{
		what: "a start with one path, over the floor", want: "1.7 × or less",
		got: fmt.Sprintf("%.2f ×", ratio), state: judged(ratio <= 1.7),
	}}
	for _, goal := range []struct {
		row    string
		factor float64
	}{{envconsulRow, 1}, {consulTemplateRow, 1}, {vaultEnvRow, 2.5}, {agentRow, 200}} {
		t := target{what: "… how much faster than " + goal.row, want: fmt.Sprintf("%g × or more", goal.factor), state: notMeasured}
		if goal.factor == 1 {
			t.want = "more than 1 ×"
		}
		if theirs := find(ones, goal.row); theirs != nil {
			faster := times(theirs.took.middle(), own)
			t.got, t.state = fmt.Sprintf("%.2f ×", faster), judged(faster >= goal.factor && faster > 1)
		}
		targets = append(targets, t)
	}
	return targets
}
