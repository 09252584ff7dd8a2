package signals

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Inbox receives the signals that are to be passed on, in the order in which they come, and loses none: a standard
// signal that comes again before the first was taken is one, as with the kernel (signal(7)); real-time signals are
// queued each.
type Inbox struct {
	C <-chan Received

	standard chan os.Signal // from os/signal
	queue    *queue         // what does not come from there
	closed   chan struct{}
	done     chan struct{}
}

// Received is a signal that came.
type Received struct {
	unix.Signal
	Kernel bool // no process has sent it, as far as can be told
}

// ReachedGroup reports whether a command in vwrap's own process group has got it as well: the terminal sends its
// signals to the whole foreground group, the shell CONT to the whole of a job.
func (r Received) ReachedGroup() bool {
	switch r.Signal {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGWINCH:
		return r.Kernel
	}
	return r.Signal == unix.SIGCONT
}

// ChildChanges is where there is something to read once a child of this process has ended or stopped since it was read last
// (SIGCHLD; waitpid(2) calls that a state change). It is one for the process, and stays open: who is not to wait any longer
// is told by its read deadline.
func ChildChanges() (*os.File, error) { return childChanges() }

// Listen begins to receive. What was ignored when vwrap started (nohup; a job in the background of a script) stays
// ignored, as far as Go has left it so; asking for it would end that.
func Listen() *Inbox {
	var wanted []unix.Signal
	for s := unix.Signal(1); s <= last; s++ {
		if Passed(s) && !signal.Ignored(s) {
			wanted = append(wanted, s)
		}
	}
	out := make(chan Received)
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
func (i *Inbox) collect(out chan<- Received) {
	defer close(i.done)
	var waiting []Received
	for {
		var next Received
		var taker chan<- Received
		if len(waiting) > 0 {
			next, taker = waiting[0], out
		}
		select {
		case s := <-i.standard:
			waiting = queued(waiting, Received{Signal: s.(unix.Signal), Kernel: true})
		case s := <-i.queue.c:
			waiting = queued(waiting, s)
		case taker <- next:
			waiting = waiting[1:]
		case <-i.closed:
			return
		}
	}
}
