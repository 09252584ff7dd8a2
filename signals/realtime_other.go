//go:build !linux || !(amd64 || arm64)

package signals

import (
	"os"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"
)

// queue is where real-time signals come from, where the platform has any: os/signal, which merges those that come
// while one waits to be received.
type queue struct {
	c      chan unix.Signal // nothing comes
	others []os.Signal
}

func openQueue() *queue {
	q := &queue{}
	if runtime.GOOS == "linux" {
		for s := unix.Signal(realtime + 1); s <= last; s++ {
			q.others = append(q.others, s)
		}
	}
	return q
}

func (q *queue) close() {}

// stopOthers stops the process group, this process included.
func stopOthers(unix.Signal) { _ = unix.Kill(0, unix.SIGSTOP) }

// byDefault has s do what it does by default, as far as os/signal can.
func byDefault(s unix.Signal) (undo func()) {
	signal.Reset(s)
	return func() {}
}
