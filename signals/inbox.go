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

	standard chan os.Signal
	realtime *queue
	closed   chan struct{}
	done     chan struct{}
}

// Listen begins to receive. HUP and INT that were ignored when vwrap started (nohup; a job in the background of a
// script) stay ignored, here and in the command: asking for them would end that. With shared, vwrap is stopped with
// the group that it shares with its command, by the terminal: what stops it is not received.
func Listen(shared bool) *Inbox {
	out := make(chan unix.Signal)
	i := &Inbox{
		C: out, standard: make(chan os.Signal, 1024), realtime: openQueue(),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	var wanted []os.Signal
	for s := unix.Signal(1); s < realtime; s++ {
		if Passed(s) && !signal.Ignored(s) && (!shared || !Stops(s)) {
			wanted = append(wanted, s)
		}
	}
	signal.Notify(i.standard, append(wanted, i.realtime.others...)...)
	go i.collect(out)
	return i
}

// Close ends receiving. What has not been taken is lost.
func (i *Inbox) Close() {
	signal.Stop(i.standard)
	i.realtime.close()
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
			if n := s.(unix.Signal); n >= realtime || !slices.Contains(waiting, n) {
				waiting = append(waiting, n)
			}
		case s := <-i.realtime.c:
			waiting = append(waiting, s)
		case taker <- next:
			waiting = waiting[1:]
		case <-i.closed:
			return
		}
	}
}
