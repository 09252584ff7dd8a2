package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// series is the wall times of one thing.
type series []time.Duration

// at is the smallest time that at least part of all were not longer than.
func (s series) at(part float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	i := int(part*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// contender is one way to do what others do too.
type contender struct {
	name string
	argv []string
	took series // empty where it never does it
}

// errNever is of what a contender does not do at all: its column stays empty.
var errNever = errors.New("it never comes")

// warmUp is how often each is run before it counts: the first finds cold caches.
const warmUp = 3

// inTurn measures all contenders, each round beginning with another, so that none always follows the same.
func inTurn(ctx context.Context, rounds int, contenders []contender, measure func(i int) (time.Duration, error)) error {
	never := make([]bool, len(contenders))
	for round := range warmUp + rounds {
		for i := range contenders {
			if err := ctx.Err(); err != nil {
				return err
			}
			i := (round + i) % len(contenders)
			if never[i] {
				continue
			}
			took, err := measure(i)
			if errors.Is(err, errNever) {
				never[i], contenders[i].took = true, nil
				continue
			}
			if err != nil {
				return err
			}
			if round >= warmUp {
				contenders[i].took = append(contenders[i].took, took)
			}
		}
	}
	return nil
}

// starts times starts of `true`, with a secret and without.
func (b *bench) starts(ctx context.Context, f *figures) error {
	nothing, err := exec.LookPath("true")
	if err != nil {
		return fmt.Errorf("find true: %w", err)
	}
	f.starts = []contender{
		{name: "`true` alone", argv: []string{nothing}},
		{name: "the floor: GET and `execve`", argv: []string{b.floor, nothing}},
		{name: "`vwrap -- true`, nothing to inject", argv: b.wrapped(nil, nothing)},
		{name: "`vwrap -e A=vault:secret/dev/api#key -- true`", argv: b.wrapped(injecting, nothing)},
		{name: "`vwrap dev --server embedded -e A=… -- true`: with the start of a server", argv: b.wrapped(append([]string{"dev", "--server", "embedded"}, injecting...), nothing)},
	}
	return inTurn(ctx, f.runs, f.starts, func(i int) (time.Duration, error) { return b.time(f.starts[i].argv) })
}

// floorStart is the place of the floor in figures.starts.
const floorStart = 1

// time runs argv to its end.
func (b *bench) time(argv []string) (time.Duration, error) {
	cmd, said, err := command{argv: argv, environ: b.environ(), dir: b.dir}.prepare()
	if err != nil {
		return 0, err
	}
	defer said.Close()
	began := time.Now()
	err = cmd.Run()
	took := time.Since(began)
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return 0, fmt.Errorf("run %v: %w\n%s", argv, err, text)
	}
	return took, nil
}
