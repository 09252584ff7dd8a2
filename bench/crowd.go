package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/vwrap/vwrap/bench/clock"
)

// gathered is what many that were started at once have come to.
type gathered struct {
	all    time.Duration // until the last command's first instruction
	shared int64         // PSS of all wrappers
	each   int64         // RSS of one
}

// crowd starts many wrappers at once, each with one variable, and the same commands without one.
func (b *bench) crowd(ctx context.Context) (section, error) {
	contenders, err := b.around(one, b.server.place(), b.receiver, "lives")
	if err != nil {
		return section{}, err
	}
	var t strings.Builder
	fmt.Fprintf(&t, "### %d at once\n\nSo many are started as fast as can be, each with one variable and a command of its own, until the last command's first instruction; and the memory of all "+
		"wrappers then, without the commands:\n\n| | all run after | PSS of all | RSS of one |\n|---|---:|---:|---:|\n", b.scale.crowd)
	for _, c := range contenders {
		if c.name != plainRow && c.name != vwrapRow {
			continue
		}
		g, err := b.gather(ctx, c.command)
		if err != nil {
			return section{}, fmt.Errorf("%s: %w", c.name, err)
		}
		if c.name == plainRow {
			fmt.Fprintf(&t, "| %s | %s | | |\n", c.name, seconds(g.all))
		} else {
			fmt.Fprintf(&t, "| %s | %s | %s | %s |\n", c.name, seconds(g.all), pss(g.shared), mebibytes(g.each))
		}
	}
	return section{markdown: t.String()}, nil
}

// gather starts them, all with one pipe for their answers.
func (b *bench) gather(ctx context.Context, c command) (g gathered, err error) {
	answers, theirs, err := os.Pipe()
	if err != nil {
		return g, fmt.Errorf("make pipe: %w", err)
	}
	defer answers.Close()
	c.stdout = theirs
	var all []*process
	defer func() { stopAll(all) }()
	began := clock.Now()
	for range b.scale.crowd {
		p, err := start(c)
		if err != nil {
			theirs.Close()
			return g, err
		}
		all = append(all, p)
	}
	theirs.Close()
	if err := answers.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return g, err
	}
	for range all {
		_, at, err := readAnswer(answers)
		if err != nil {
			return g, fmt.Errorf("wait for all to run: %w", err)
		}
		g.all = max(g.all, at-began)
	}
	if err := sleep(ctx, settling); err != nil {
		return g, err
	}
	for _, p := range all {
		n, err := pssOf(p.pid())
		if err != nil {
			return g, err
		}
		g.shared += n
	}
	g.each, err = kilobytes(all[0].pid(), "status", "VmRSS")
	return g, err
}

// stopAll asks all before it waits for any.
func stopAll(all []*process) {
	for _, p := range all {
		p.ask()
	}
	for _, p := range all {
		p.stop()
	}
}
