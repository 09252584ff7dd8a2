// Package proc is the kernel's side of supervision: it starts processes from one thread, waits for each in one
// place, signals them without hitting a stranger, and hands the terminal over and takes it back.
//
// It knows nothing of secrets and nothing of generations.
package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Status is how a process ended.
type Status struct {
	Code   int         // of a process that exited
	Signal unix.Signal // that ended it; 0 where it exited
}

// Exit is the status that a shell gives: the code, or 128+N for signal N (POSIX.1-2024, XCU 2.8.2).
func (s Status) Exit() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

// String is s in words.
func (s Status) String() string {
	if s.Signal != 0 {
		return fmt.Sprintf("ended by signal %s", unix.SignalName(s.Signal))
	}
	return fmt.Sprintf("exited with status %d", s.Code)
}

func statusOf(ws unix.WaitStatus) Status {
	if ws.Signaled() {
		return Status{Signal: ws.Signal()}
	}
	return Status{Code: ws.ExitStatus()}
}
