package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/headstart"
	"github.com/vwrap/vwrap/signals"
)

// Spec is a process to start. It gets stdin, stdout and stderr of this process, or others, then Files from descriptor
// 3 on, and nothing else.
type Spec struct {
	Path  string
	Args  []string // Args[0] included
	Env   []string
	Files []int    // descriptors
	Join  bool     // the process group of this process, instead of one of its own
	In    *os.File // stdin; nil is this process's own
	Out   *os.File // stdout; nil is this process's own
	Err   *os.File // stderr; nil is this process's own
}

// Children are the child processes of this process: those that it starts, and those that the kernel gives it because
// their own parent is gone (as PID 1, or see AdoptOrphans). They are reaped here and nowhere else: a second one that
// waits for a child would take its status away, or a status that the first one waits for.
type Children struct {
	forks   chan func()   // to the thread that forks
	forking sync.Once     // that is there, once it is needed
	changes *os.File      // something to read: a child has ended or stopped
	unfork  chan struct{} // closed: that thread is to end
	forker  sync.WaitGroup
	close   chan struct{} // closed: all others are
	closed  sync.WaitGroup

	mu     sync.Mutex // guards the rest, and every PID in it: none is reaped, and so used for a stranger, while it is held
	own    map[int]*Process
	before map[int]bool  // were there when vwrap began: the shell's that executed it, not its command's
	reaped chan struct{} // closed and made anew when something was reaped
}

// NewChildren begins to reap. Close ends that.
func NewChildren() *Children {
	c := &Children{own: map[int]*Process{}, before: inherited()}
	c.begin()
	return c
}

// Adopt is NewChildren for a process that has one child already, which it started itself, in a process group of that
// child's own; and no other.
func Adopt(pid int) (*Children, *Process) {
	c := &Children{own: map[int]*Process{}}
	p := c.newProcess(false)
	c.know(p, pid)
	c.begin()
	return c, p
}

func (c *Children) begin() {
	c.forks, c.close, c.unfork, c.reaped = make(chan func()), make(chan struct{}), make(chan struct{}), make(chan struct{})
	c.changes, _ = signals.ChildChanges() // nil: no descriptor is left for that
	_ = c.changes.SetReadDeadline(time.Time{})
	c.closed.Go(c.reap)
}

// newProcess is one that is yet to be known.
func (c *Children) newProcess(joins bool) *Process {
	p := &Process{children: c, ended: make(chan struct{}), stops: make(chan unix.Signal, 1)}
	p.kin.shared = joins
	return p
}

// know makes p the process with this PID, to which it has just been started. The caller holds c.mu, or c has not begun.
func (c *Children) know(p *Process, pid int) {
	p.pid, p.kin.root, p.kin.group = pid, pid, pid
	c.own[pid] = p
}

// inherited are the children that the program had which executed vwrap.
func inherited() map[int]bool {
	if !haveChildren() {
		return nil
	}
	found := map[int]bool{}
	for _, e := range processes() {
		if e.ppid == os.Getpid() {
			found[e.pid] = true
		}
	}
	return found
}

// Close ends the thread that forks: processes that still run get their parent-death signal.
func (c *Children) Close() {
	close(c.close)
	_ = c.changes.SetReadDeadline(time.Unix(1, 0))
	c.closed.Wait() // what dies of the next is another's to reap
	close(c.unfork)
	c.forker.Wait()
}

// fork serves one thread, that lives as long as c: the parent-death signal that children get is sent when the thread
// that forked them ends, not the process (prctl(2), PR_SET_PDEATHSIG).
func (c *Children) fork() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	headstart.RestoreSlack()
	for {
		select {
		case f := <-c.forks:
			f()
		case <-c.unfork:
			return
		}
	}
}

// Start starts a process, in the background where it has a process group of its own. It is sent TERM when this process is
// gone, but where this process is PID 1: the kernel ends the namespace then.
func (c *Children) Start(spec Spec) (*Process, error) {
	attr := &syscall.ProcAttr{
		Env:   spec.Env,
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: !spec.Join},
	}
	for _, fd := range spec.Files {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	if spec.In != nil {
		attr.Files[0] = spec.In.Fd()
	}
	if spec.Out != nil {
		attr.Files[1] = spec.Out.Fd()
	}
	if spec.Err != nil {
		attr.Files[2] = spec.Err.Fd()
	}
	EndWithThread(attr.Sys)
	p := c.newProcess(spec.Join)
	var err error
	done := make(chan struct{})
	c.forking.Do(func() { c.forker.Go(c.fork) })
	c.forks <- func() {
		defer close(done)
		c.mu.Lock() // so that nothing reaps it before it is known
		defer c.mu.Unlock()
		var pid int
		if pid, err = syscall.ForkExec(spec.Path, spec.Args, attr); err == nil {
			c.know(p, pid)
		}
	}
	<-done
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	return p, nil
}

// reap is the one that waits for children, also for those that ended before it began.
func (c *Children) reap() {
	for c.sweep(); c.awaitChange(); {
		c.sweep()
	}
}

// awaitChange waits until there may be something to reap; it reports false where c is to end.
func (c *Children) awaitChange() bool {
	if c.changes == nil {
		select {
		case <-time.After(lookAgain):
			return true
		case <-c.close:
			return false
		}
	}
	_, err := c.changes.Read(make([]byte, 64))
	return err == nil
}

// sweep takes every status that there is to take, those that somebody waits for first.
func (c *Children) sweep() {
	c.mu.Lock()
	var first []int
	for pid := range c.own {
		first = append(first, pid)
	}
	c.mu.Unlock()
	some := false
	for _, pid := range first {
		for c.take(pid) {
			some = true
		}
	}
	for c.take(-1) {
		some = true
	}
	if !some {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.reaped)
	c.reaped = make(chan struct{})
}

// take takes one status, of the child pid or (-1) of any; it reports false where there is none.
func (c *Children) take(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ws unix.WaitStatus
	var got int
	err := ignoringEINTR(func() (err error) {
		got, err = unix.Wait4(pid, &ws, unix.WNOHANG|unix.WUNTRACED, nil)
		return err
	})
	if err != nil || got <= 0 {
		return false
	}
	p := c.own[got]
	switch {
	case ws.Stopped():
		if p != nil && !p.killed {
			p.stopped(ws.StopSignal())
		}
	case p != nil:
		delete(c.own, got)
		p.status, p.kin.root = statusOf(ws), 0
		close(p.ended)
	default:
		delete(c.before, got)
	}
	return true
}

// haveChildren reports whether there is any child process.
func haveChildren() bool {
	err := ignoringEINTR(func() error {
		_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		return err
	})
	return !errors.Is(err, unix.ECHILD)
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// changed is closed when something has been reaped. Not every end is seen here at once (a process whose parent lives
// is reaped by that): who waits for one has to look now and then too.
func (c *Children) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reaped
}

// lookAgain is how often one looks then.
const lookAgain = 50 * time.Millisecond
