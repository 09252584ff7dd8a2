package signals

import (
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"
)

// Inbox receives the signals that are to be passed on, in the order in which they come, and loses none: a standard
// signal that comes again before the first was taken is one, as with the kernel (signal(7)); real-time signals are
// queued each.
type Inbox struct {
	C <-chan unix.Signal

	standard chan os.Signal // from os/signal
	queue    *queue         // what does not come from there
	closed   chan struct{}
	done     chan struct{}
}

// Listen begins to receive. What was ignored when vwrap started (nohup; a job in the background of a script) stays
// ignored, as far as Go has left it so; asking for it would end that. With shared, vwrap is stopped with
// the group that it shares with its command, by the terminal: what stops it is not received.
func Listen(shared bool) *Inbox {
	var wanted []unix.Signal
	for s := unix.Signal(1); s <= last; s++ {
		if Passed(s) && !signal.Ignored(s) && (!shared || !Stops(s)) {
			wanted = append(wanted, s)
		}
	}
	out := make(chan unix.Signal)
	i := &Inbox{
		C: out, standard: make(chan os.Signal, 1024), queue: openQueue(wanted),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	if len(i.queue.others) > 0 {
		signal.Notify(i.standard, i.queue.others...)
	}
	go i.collect(out)
	return i
}

// Close ends receiving. What has not been taken is lost.
func (i *Inbox) Close() {
	signal.Stop(i.standard)
	i.queue.close()
	close(i.closed)
	<-i.done
}

// collect holds what has come until it is taken, so that neither of the channels it reads from is ever full.
func (i *Inbox) collect(out chan<- unix.Signal) {
	defer close(i.done)
	var waiting []unix.Signal
	for {
		var next unix.Signal
		var taker chan<- unix.Signal
		if len(waiting) > 0 {
			next, taker = waiting[0], out
		}
		select {
		case s := <-i.standard:
			waiting = add(waiting, s.(unix.Signal))
		case s := <-i.queue.c:
			waiting = add(waiting, s)
		case taker <- next:
			waiting = waiting[1:]
		case <-i.closed:
			return
		}
	}
}

// add adds s to what waits: once, where it is a standard signal.
func add(waiting []unix.Signal, s unix.Signal) []unix.Signal {
	if s < realtime && slices.Contains(waiting, s) {
		return waiting
	}
	return append(waiting, s)
}
