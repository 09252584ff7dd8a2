package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vwrap/vwrap/bench/clock"
)

// The supervisors that vwrap is compared with, and the places of two contenders among them.
const (
	plainPlace = 0 // no wrapper at all
	tiniPlace  = 1
)

// supervisors is argv as it is, and in the hands of each wrapper that has nothing to do but to supervise it.
func (b *bench) supervisors(argv ...string) []contender {
	through := func(name string, wrapper ...string) contender {
		return contender{name: name, argv: append(wrapper, argv...)}
	}
	return []contender{
		through("no wrapper"),
		through("`tini -s --`", b.peers.tini, "-s", "--"),
		through("`dumb-init --`", b.peers.dumbInit, "--"),
		through("fork, `execve` and wait in Go (`bench/waiter`)", b.waiter),
		through("`vwrap --`", b.vwrap, "--"),
	}
}

// peers are the programs of others.
type peers struct {
	tini, dumbInit string // paths
	versions       string
}

var number = regexp.MustCompile(`[0-9]+(\.[0-9]+)+`)

func findPeers(ctx context.Context) (peers, error) {
	var p peers
	var versions []string
	for _, program := range []struct {
		name string
		path *string
	}{{"tini", &p.tini}, {"dumb-init", &p.dumbInit}} {
		path, err := exec.LookPath(program.name)
		if err != nil {
			return p, fmt.Errorf("find %s: there is none: apt-get install tini dumb-init", program.name)
		}
		said, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
		if err != nil {
			return p, fmt.Errorf("ask %s for its version: %w", program.name, err)
		}
		version := number.FindString(string(said)) // of "tini version 0.19.0", "dumb-init v1.2.5"
		if version == "" {
			return p, fmt.Errorf("ask %s for its version: it says %q", program.name, said)
		}
		versions = append(versions, program.name+" "+version)
		*program.path = path
	}
	p.versions = strings.Join(versions, ", ")
	return p, nil
}

// quickly is how much oftener a start is measured that asks no server: then a p99 is more than the worst.
const quickly = 5

// nothing times starts of `true` with nothing to inject.
func (b *bench) nothing(ctx context.Context, f *figures) error {
	program, err := exec.LookPath("true")
	if err != nil {
		return fmt.Errorf("find true: %w", err)
	}
	f.peers = b.peers.versions
	f.nothing = b.supervisors(program)
	return inTurn(ctx, quickly*f.runs, f.nothing, func(i int) (time.Duration, error) { return b.time(f.nothing[i].argv) })
}

// restBefore is how long a command runs whose end is timed: its wrapper has come to rest then too.
const restBefore = 30 * time.Millisecond

// exits times how long it takes from the end of a command that ran for a while until the wrapper has ended and its
// parent knows.
func (b *bench) exits(ctx context.Context, f *figures) error {
	f.peers = b.peers.versions
	f.exits = b.supervisors(b.receiver, "exit", restBefore.String())
	return inTurn(ctx, quickly*f.runs, f.exits, func(i int) (time.Duration, error) { return b.timeExit(f.exits[i].argv) })
}

func (b *bench) timeExit(argv []string) (time.Duration, error) {
	answers, theirs, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer answers.Close()
	defer theirs.Close()
	cmd, said, err := command{argv: argv, environ: b.environ(), dir: b.dir, stdout: theirs}.prepare()
	if err != nil {
		return 0, err
	}
	defer said.Close()
	err = cmd.Run()
	ended := clock.Now()
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return 0, fmt.Errorf("run %v: %w\n%s", argv, err, text)
	}
	_, at, err := readAnswer(answers)
	return ended - at, err
}

// timed are the signals that are measured: an ordinary one, and one of the real-time ones.
var timed = []struct {
	name   string
	signal syscall.Signal
}{{"USR1", syscall.SIGUSR1}, {"RTMIN+2", 36}}

// receiver is a program that answers signals, in the hands of a wrapper or of none.
type receiver struct {
	process *process
	answers *os.File
}

// signals times how long a signal takes from kill(2) of the wrapper until the wrapped program has it. All run at
// once and rest while another is asked.
func (b *bench) signals(ctx context.Context, f *figures) error {
	f.peers = b.peers.versions
	words := []string{b.receiver, "signals"}
	for _, s := range timed {
		words = append(words, strconv.Itoa(int(s.signal)))
	}
	receivers, err := b.startReceivers(b.signalled(words))
	defer func() {
		for _, r := range receivers {
			r.process.stop()
			r.answers.Close()
		}
	}()
	if err != nil {
		return err
	}
	if err := sleep(ctx, settling); err != nil {
		return err
	}
	for _, s := range timed {
		through := b.signalled(words)
		err := inTurn(ctx, f.signalRuns, through, func(i int) (time.Duration, error) { return receivers[i].time(s.signal) })
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		f.signals = append(f.signals, through)
	}
	return nil
}

// signalled are the supervisors that pass signals on, around argv.
func (b *bench) signalled(argv []string) (those []contender) {
	for _, c := range b.supervisors(argv...) {
		if c.argv[0] != b.waiter {
			those = append(those, c)
		}
	}
	return those
}

// startReceivers returns when all are ready. With an error it returns those that it has started.
func (b *bench) startReceivers(contenders []contender) (receivers []receiver, err error) {
	for i, c := range contenders {
		dir := filepath.Join(b.dir, "receiver-"+strconv.Itoa(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return receivers, fmt.Errorf("make folder: %w", err)
		}
		answers, theirs, err := os.Pipe()
		if err != nil {
			return receivers, fmt.Errorf("make pipe: %w", err)
		}
		p, err := start(command{argv: c.argv, environ: b.environ(), dir: dir, stdout: theirs})
		theirs.Close()
		if err != nil {
			answers.Close()
			return receivers, err
		}
		receivers = append(receivers, receiver{process: p, answers: answers})
		if _, err := receivers[i].answer(0); err != nil {
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
	got, err := r.answer(s)
	return got - sent, err
}

// patience is how long an answer may take before there is none.
const patience = 5 * time.Second

// answer is when the signal was received.
func (r receiver) answer(s syscall.Signal) (time.Duration, error) {
	if err := r.answers.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	got, at, err := readAnswer(r.answers)
	switch {
	case err != nil && r.process.endsWithin(time.Second): // what it wrapped may live on, and hold the pipe
		return 0, r.process.failure()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, errNever
	case err == nil && got != s:
		return 0, fmt.Errorf("signal %d came as %d", s, got)
	}
	return at, err
}

// readAnswer reads what the receiver writes.
func readAnswer(from io.Reader) (s syscall.Signal, at time.Duration, err error) {
	var text [16]byte
	if _, err := io.ReadFull(from, text[:]); err != nil {
		return 0, 0, fmt.Errorf("read answer: %w", err)
	}
	return syscall.Signal(binary.NativeEndian.Uint64(text[:])), time.Duration(binary.NativeEndian.Uint64(text[8:])), nil
}
