//go:build linux && (amd64 || arm64)

package signals

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// os/signal cannot do what a wrapper needs: it merges real-time signals that wait to be received, it cannot receive
// the first of them (34) at all, it does not tell who sent a signal, and asking it for one costs two changes of
// threads, of which it starts three. So signals have a handler of their own: it writes the signal's number into a pipe,
// which is all that it does and about all that a handler may (signal-safety(7)).

// pipe is the descriptor that the handler writes to, childPipe the one for CHLD; self the process ID: what vwrap has done
// to itself (PIPE, when nobody reads its messages any more) is not to be passed on.
var pipe, childPipe, self int32 //nolint:unused // by handle

// goHandler is the handler of Go's runtime. What the kernel says of a fault is for that: it makes a panic of it.
var goHandler uintptr //nolint:unused // by handle

// jobControl is which of CONT, TSTP, TTIN and TTOU came last; handle writes it. In the pipe they are as they came, but
// who reads there does not know yet what comes next.
var jobControl int32

// handle is the handler. The kernel calls it, on the stack that Go keeps for signals.
func handle() //nolint:unused // by handlerPC

// handlerPC is the address of handle.
func handlerPC() uintptr

// byKernel is set in the byte of a signal that no process has sent.
const byKernel = 0x80

// queue is the pipe, and what comes out of it.
type queue struct {
	c      chan Received
	others []os.Signal // that os/signal has to receive: none, here

	r      *os.File
	closed chan struct{}
	done   sync.WaitGroup
	before map[unix.Signal]action
}

// ignore is the handler of what is ignored (SIG_IGN).
const ignore = 1

// openQueue has wanted come to it. What was ignored when vwrap started, and Go has left so, stays ignored, here and
// in the command: HUP and INT (nohup; a job in the background of a script), and TSTP, TTIN, TTOU and CONT (what a
// shell that does job control wants left alone).
func openQueue(wanted []unix.Signal) *queue {
	q := &queue{c: make(chan Received), closed: make(chan struct{}), before: map[unix.Signal]action{}}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return q // no descriptor is left: then nothing else will work either
	}
	q.r, pipe, self = os.NewFile(uintptr(fds[0]), "signals"), int32(fds[1]), int32(os.Getpid())
	own := ownAction()
	for _, s := range wanted {
		if actionOf(s).handler != ignore {
			q.before[s] = own.install(s)
		}
	}
	q.done.Add(1)
	go q.read()
	return q
}

func (q *queue) read() {
	defer q.done.Done()
	buffer := make([]byte, 4096)
	for {
		n, err := q.r.Read(buffer)
		for _, s := range buffer[:max(n, 0)] {
			select {
			case q.c <- Received{Signal: unix.Signal(s &^ byKernel), Kernel: s&byKernel != 0}:
			case <-q.closed:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (q *queue) close() {
	close(q.closed)
	if q.r == nil {
		return
	}
	for s, before := range q.before {
		before.install(s)
	}
	_ = q.r.Close()
	q.done.Wait()
	_ = unix.Close(int(pipe))
}

// ownAction is the action that has handle called.
var ownAction = sync.OnceValue(func() action {
	own := actionOf(unix.SIGURG) // Go's own, for its flags, its mask, and its way back from a handler
	goHandler, own.handler = own.handler, handlerPC()
	return own
})

// childChanges makes the pipe for CHLD, once.
var childChanges = sync.OnceValues(func() (*os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	childPipe = int32(fds[1])
	ownAction().install(unix.SIGCHLD)
	return os.NewFile(uintptr(fds[0]), "child changes"), nil
})

// action is the kernel's struct sigaction (rt_sigaction(2)); it is the same on these architectures.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// actionOf is the action for s; a failure, which there is none for a valid signal, leaves it zero: the default.
func actionOf(s unix.Signal) (a action) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), 0, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a.mask), 0, 0)
	return a
}

// install makes a the action for s, and returns the one before.
func (a action) install(s unix.Signal) (before action) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&a)), uintptr(unsafe.Pointer(&before)), unsafe.Sizeof(a.mask), 0, 0)
	return before
}

// sendOthers sends s to the process group, but not to this process: what a process ignores is dropped when it is
// sent. One that came to it besides what sendThread sends could stop it first, and sendThread again, after it was
// continued.
func sendOthers(s unix.Signal) {
	syscall.ForkLock.Lock() // a child must not begin with s ignored
	defer syscall.ForkLock.Unlock()
	before := action{handler: ignore}.install(s)
	_ = unix.Kill(0, s)
	// While the process's first thread blocks s, in a handler, s is kept instead. To ignore it drops that too.
	action{handler: ignore}.install(s)
	before.install(s)
}

// stopThread stops the process by s while still. s waits, blocked, until that was asked: what continues vwrap from
// then on takes s back (signal(7)), so that it cannot come too early and be missed. It is asked before as well: what
// is about to continue vwrap is taken back by s.
func stopThread(s unix.Signal, still func() bool) {
	defer blocked(s)() // STOP cannot be
	if still() {
		sendThread(s)
	}
	if !still() {
		takeBack(s)
	}
}

// blocked blocks s in this thread, which must be locked, and returns what undoes it.
func blocked(s unix.Signal) (undo func()) {
	var block, before unix.Sigset_t
	block.Val[0] = 1 << (s - 1)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before)
	return func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) }
}

// continued reports whether CONT came after what last was to stop vwrap, or is about to be handled.
func continued() bool {
	if atomic.LoadInt32(&jobControl) == int32(unix.SIGCONT) {
		return true
	}
	defer blocked(unix.SIGCONT)() // of what waits, the kernel tells what is blocked (sigpending(2))
	var waiting unix.Sigset_t
	_, _, _ = unix.RawSyscall(unix.SYS_RT_SIGPENDING, uintptr(unsafe.Pointer(&waiting)), unsafe.Sizeof(action{}.mask), 0)
	return waiting.Val[0]&(1<<(unix.SIGCONT-1)) != 0
}

// takeBack drops s, which was sent and is blocked: to ignore a signal does (sigaction(2)).
func takeBack(s unix.Signal) {
	before := action{handler: ignore}.install(s)
	before.install(s)
}

// byDefault makes the default action that for s, and returns what undoes it. signal.Reset does not: it leaves Go's
// handler in place, which ignores what stops a process and answers QUIT with a stack trace.
func byDefault(s unix.Signal) (undo func()) {
	before := action{}.install(s)
	return func() { before.install(s) }
}
