package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vwrap/vwrap/bench/clock"
)

// timed are the signals that are measured: an ordinary one, and one of the real-time ones.
var timed = []struct {
	name   string
	signal syscall.Signal
}{{"USR1", syscall.SIGUSR1}, {"RTMIN+2", 36}}

// signalled are the wrappers that pass one signal on.
type signalled struct {
	name    string
	through []contender
}

// signals times how long a signal takes from kill(2) of the wrapper until the wrapped program has it. All run at
// once and rest while another is asked.
func (b *bench) signals(ctx context.Context) (section, error) {
	words := []string{b.receiver, "signals"}
	for _, s := range timed {
		words = append(words, strconv.Itoa(int(s.signal)))
	}
	contenders, err := b.around(shape{}, place{}, words...)
	if err != nil {
		return section{}, err
	}
	contenders = slices.DeleteFunc(contenders, func(c contender) bool { return c.name == waiterRow }) // it passes none on
	receivers, err := b.startReceivers(contenders)
	defer func() {
		for _, r := range receivers {
			r.stop()
		}
	}()
	if err != nil {
		return section{}, err
	}
	if err := sleep(ctx, settling); err != nil {
		return section{}, err
	}
	var all []signalled
	for _, s := range timed {
		through := slices.Clone(contenders)
		err := inTurn(ctx, b.scale.signals, through, func(i int) (time.Duration, error) { return receivers[i].time(s.signal) })
		if err != nil {
			return section{}, fmt.Errorf("%s: %w", s.name, err)
		}
		all = append(all, signalled{s.name, through})
	}
	return section{markdown: b.signalTable(all)}, nil
}

// startReceivers returns when all are ready. With an error it returns those that it has started.
func (b *bench) startReceivers(contenders []contender) (receivers []receiver, err error) {
	for _, c := range contenders {
		// What each says is to be told apart.
		if c.command.dir, err = os.MkdirTemp(b.dir, "receiver-"); err != nil {
			return receivers, fmt.Errorf("make folder: %w", err)
		}
		r, err := startReceiver(c.command)
		if err != nil {
			return receivers, err
		}
		receivers = append(receivers, r)
		if _, err := r.answer(0, patience); err != nil {
			return receivers, fmt.Errorf("wait for %s to be ready: %w", c.name, err)
		}
	}
	return receivers, nil
}

// pause is what lies between two signals, so that each finds a wrapper at rest.
const pause = time.Millisecond

// time sends a signal and waits for its answer.
func (r receiver) time(s syscall.Signal) (time.Duration, error) {
	time.Sleep(pause)
	sent := clock.Now()
	if err := syscall.Kill(r.process.pid(), s); err != nil {
		return 0, fmt.Errorf("send signal: %w", err)
	}
	got, err := r.answer(s, patience)
	return got - sent, err
}

func (b *bench) signalTable(all []signalled) string {
	var t strings.Builder
	fmt.Fprintf(&t, "From `kill(2)` of the wrapper until the wrapped program has the signal, %d of each, each sent %v after the one before was "+
		"answered. The program has them blocked and waits in `rt_sigtimedwait(2)`; it reads the same clock as who sends, so "+
		"the answer's way does not count:\n\n| a signal to |", b.scale.signals, pause)
	for _, s := range all {
		fmt.Fprintf(&t, " %s: p50 | p99 | p50 over tini |", s.name)
	}
	t.WriteString("\n|---|" + strings.Repeat("---:|---:|---:|", len(all)) + "\n")
	for i, c := range all[0].through {
		fmt.Fprintf(&t, "| %s |", c.name)
		for _, s := range all {
			t.WriteString(s.cells(i))
		}
		t.WriteString("\n")
	}
	return t.String()
}

// cells are the three of the i-th wrapper.
func (s signalled) cells(i int) string {
	took := s.through[i].took
	if len(took) == 0 {
		return " not passed on | | |"
	}
	over := ""
	if tini := find(s.through, tiniRow); tini != nil {
		over = microseconds(took.middle() - tini.took.middle())
	}
	return fmt.Sprintf(" %s | %s | %s |", microseconds(took.middle()), microseconds(took.at(0.99)), over)
}
