package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// receiver is a program that answers, in the hands of a wrapper or of none.
type receiver struct {
	process *process
	answers *os.File
}

// startReceiver starts a command whose program writes answers to its stdout.
func startReceiver(c command) (receiver, error) {
	answers, theirs, err := os.Pipe()
	if err != nil {
		return receiver{}, fmt.Errorf("make pipe: %w", err)
	}
	c.stdout = theirs
	p, err := start(c)
	theirs.Close()
	if err != nil {
		answers.Close()
		return receiver{}, err
	}
	return receiver{p, answers}, nil
}

func (r receiver) stop() {
	r.process.stop()
	r.answers.Close()
}

// patience is how long a signal's answer may take before there is none.
const patience = 5 * time.Second

// answer is when the signal was received; with 0, when a program began.
func (r receiver) answer(s syscall.Signal, within time.Duration) (time.Duration, error) {
	if err := r.answers.SetReadDeadline(time.Now().Add(within)); err != nil {
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
