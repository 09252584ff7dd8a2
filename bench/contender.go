package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// series is how long one thing took, each time.
type series []time.Duration

// at is the smallest time that at least part of all were not longer than.
func (s series) at(part float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	i := int(part*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func (s series) middle() time.Duration { return s.at(0.5) }

// contender is one way to do what others do too.
type contender struct {
	name    string
	command command
	foreign bool   // a peer: what it fails at is not measured, and nothing else is lost
	took    series // empty where it never does it
}

// excused reports whether err is a peer's, and says so.
func (c contender) excused(err error) bool {
	if err == nil || !c.foreign {
		return false
	}
	fmt.Fprintf(os.Stderr, "bench: goes on without %s here: %v\n", c.name, err)
	return true
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
			if contenders[i].excused(err) {
				err = errNever
			}
			if errors.Is(err, errNever) {
				never[i], contenders[i].took = true, nil
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", contenders[i].name, err)
			}
			if round >= warmUp {
				contenders[i].took = append(contenders[i].took, took)
			}
		}
	}
	return nil
}

// timeAll times all contenders from fork to exit, in turn.
func timeAll(ctx context.Context, rounds int, contenders []contender) error {
	return inTurn(ctx, rounds, contenders, func(i int) (time.Duration, error) { return contenders[i].command.time() })
}

// find is the contender of that name; nil where there is none, or it was not measured.
func find(contenders []contender, name string) *contender {
	i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == name && len(c.took) > 0 })
	if i < 0 {
		return nil
	}
	return &contenders[i]
}

// time runs the command to its end.
func (c command) time() (time.Duration, error) {
	cmd, said, err := c.prepare()
	if err != nil {
		return 0, err
	}
	defer said.Close()
	began := time.Now()
	err = cmd.Run()
	took := time.Since(began)
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return 0, fmt.Errorf("run %v: %w\n%s", c.argv, err, text)
	}
	return took, nil
}
