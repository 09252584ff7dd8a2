package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/vwrap/vwrap/bench/clock"
)

// quickly is how much oftener a start is measured that asks no server: then a p99 is more than the worst.
const quickly = 5

// nothing times starts of `true` with nothing to inject.
func (b *bench) nothing(ctx context.Context) (section, error) {
	program, err := lookTrue()
	if err != nil {
		return section{}, err
	}
	starts, err := b.around(shape{}, place{}, program)
	if err != nil {
		return section{}, err
	}
	rounds := quickly * b.scale.runs
	if err := timeAll(ctx, rounds, starts); err != nil {
		return section{}, err
	}
	text := fmt.Sprintf("### With nothing to inject\n\nAll in turn, in sessions of their own, without a terminal and without a Vault. Wall time from fork to exit, %d runs of each:\n\n", rounds)
	return section{markdown: text + overPlain("start of `true`", starts, finely)}, nil
}

func lookTrue() (string, error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return "", fmt.Errorf("find true: %w", err)
	}
	return program, nil
}

// overPlain is a table of what each contender takes, and how much more than none.
func overPlain(corner string, contenders []contender, format func(time.Duration) string) string {
	var t strings.Builder
	fmt.Fprintf(&t, "| %s | p50 | p99 | p50 over %s |\n|---|---:|---:|---:|\n", corner, plainRow)
	plain := find(contenders, plainRow).took.middle()
	for _, c := range contenders {
		if len(c.took) == 0 {
			continue
		}
		middle := c.took.middle()
		fmt.Fprintf(&t, "| %s | %s | %s | %s |\n", c.name, format(middle), format(c.took.at(0.99)), format(middle-plain))
	}
	return t.String()
}

// restBefore is how long a command runs whose end is timed: its wrapper has come to rest then too.
const restBefore = 30 * time.Millisecond

// exits times how long it takes from the end of a command that ran for a while until the wrapper has ended and its
// parent knows.
func (b *bench) exits(ctx context.Context) (section, error) {
	exits, err := b.around(shape{}, place{}, b.receiver, "exit", restBefore.String())
	if err != nil {
		return section{}, err
	}
	rounds := quickly * b.scale.runs
	err = inTurn(ctx, rounds, exits, func(i int) (time.Duration, error) { return exits[i].command.timeExit() })
	if err != nil {
		return section{}, err
	}
	text := fmt.Sprintf("From the last thing that a command does (`bench/receiver` reads the clock, after %v of rest) until who started the "+
		"wrapper has been told of its end, %d runs of each:\n\n", restBefore, rounds)
	return section{markdown: text + overPlain("end of a command", exits, microseconds)}, nil
}

// timeExit runs a receiver to its end.
func (c command) timeExit() (time.Duration, error) {
	at, _, ended, err := c.timeAnswer()
	return ended - at, err
}

// timeAnswer runs a receiver to its end: when it was started, when it answered, and when its end was known.
func (c command) timeAnswer() (answered, started, ended time.Duration, err error) {
	answers, theirs, err := os.Pipe()
	if err != nil {
		return 0, 0, 0, fmt.Errorf("make pipe: %w", err)
	}
	defer answers.Close()
	defer theirs.Close()
	c.stdout = theirs
	cmd, said, err := c.prepare()
	if err != nil {
		return 0, 0, 0, err
	}
	defer said.Close()
	started = clock.Now()
	err = cmd.Run()
	ended = clock.Now()
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return 0, 0, 0, fmt.Errorf("run %v: %w\n%s", c.argv, err, text)
	}
	_, answered, err = readAnswer(answers)
	return answered, started, ended, err
}
