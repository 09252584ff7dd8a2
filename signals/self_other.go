//go:build !linux

package signals

import (
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// The highest signal's number; there are no real-time signals.
const (
	last     = 31
	realtime = last + 3
)

// stopThread stops the process with STOP: the default action of the others cannot be had back here.
func stopThread(unix.Signal) { _ = unix.Kill(unix.Getpid(), unix.SIGSTOP) }

// dieThread waits a little: the signal comes to any thread. Go cannot be made to die of QUIT here.
func dieThread(s unix.Signal) {
	if s == unix.SIGQUIT {
		return
	}
	signal.Reset(s)
	_ = unix.Kill(unix.Getpid(), s)
	time.Sleep(time.Second)
}
