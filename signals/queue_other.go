//go:build !linux || !(amd64 || arm64)

package signals

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// queue is what has signals come by itself: nothing has, here. os/signal receives them, which merges real-time
// signals that wait to be received.
type queue struct {
	c      chan Received // nothing comes
	others []os.Signal
}

func openQueue(wanted []unix.Signal) *queue {
	q := &queue{}
	for _, s := range wanted {
		if s != realtime { // which Go does not receive
			q.others = append(q.others, s)
		}
	}
	return q
}

func (q *queue) close() {}

// childChanges makes a pipe that is written to for each CHLD, once.
var childChanges = sync.OnceValues(func() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	go func() {
		for range ended {
			_, _ = w.Write([]byte{byte(unix.SIGCHLD)})
		}
	}()
	return r, nil
})

// sendOthers sends s to the process group. This process gets it too: then by STOP, where s is to stop it, since the
// default action of the others cannot be had back.
func sendOthers(s unix.Signal) {
	if Stops(s) {
		s = unix.SIGSTOP
	}
	_ = unix.Kill(0, s)
}

// stopThread stops the process by s, while still.
func stopThread(s unix.Signal, still func() bool) {
	if still() {
		sendThread(s)
	}
}

// continued would report whether CONT came after what last was to stop vwrap: that is not known here.
func continued() bool { return false }

// byDefault has s do what it does by default, as far as os/signal can.
func byDefault(s unix.Signal) (undo func()) {
	signal.Reset(s)
	return func() {}
}
