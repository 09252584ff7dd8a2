package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Spec is a process to start. It gets stdin, stdout and stderr of this process, then Files from descriptor 3 on,
// and nothing else.
type Spec struct {
	Path  string
	Args  []string // Args[0] included
	Env   []string
	Files []*os.File
}

// Spawner starts processes, all from one thread that lives as long as this process: the parent-death signal that
// they get is sent when the thread that forked them ends, not the process (prctl(2), PR_SET_PDEATHSIG).
type Spawner struct{ requests chan func() }

// NewSpawner returns a spawner with its thread; Close ends both.
func NewSpawner() *Spawner {
	s := &Spawner{requests: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for f := range s.requests {
			f()
		}
	}()
	return s
}

// Close ends the spawner's thread. Processes that still run get their parent-death signal.
func (s *Spawner) Close() { close(s.requests) }

// Start starts a process in a process group of its own, in the background. It is sent TERM when this process is
// gone, but where this process is PID 1: the kernel ends the namespace then.
func (s *Spawner) Start(spec Spec) (*Process, error) {
	attr := &syscall.ProcAttr{
		Env:   spec.Env,
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	for _, f := range spec.Files {
		attr.Files = append(attr.Files, f.Fd())
	}
	dieWithParent(attr.Sys)
	var pid int
	var err error
	done := make(chan struct{})
	s.requests <- func() {
		pid, err = syscall.ForkExec(spec.Path, spec.Args, attr)
		close(done)
	}
	<-done
	runtime.KeepAlive(spec.Files)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	p := &Process{pid: pid, ended: make(chan struct{}), stops: make(chan unix.Signal, 1)}
	go p.wait()
	return p, nil
}

// Process is a child of this process. One goroutine waits for it.
type Process struct {
	pid   int
	stops chan unix.Signal
	ended chan struct{}

	mu     sync.Mutex
	reaped bool // its PID may be a stranger's now
	status Status
}

// PID is the process's ID, and that of the group it was started in.
func (p *Process) PID() int { return p.pid }

// Ended is closed when the process has ended; then Status tells how.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Status is how the process ended; it is valid once Ended is closed.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Stops tells each time that the process was stopped by a signal (job control).
func (p *Process) Stops() <-chan unix.Signal { return p.stops }

// wait reaps the process. It looks before it reaps (WNOWAIT), so that no signal is sent to the PID after that.
func (p *Process) wait() {
	for {
		var info unix.Siginfo
		err := ignoringEINTR(func() error {
			return unix.Waitid(unix.P_PID, p.pid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT, nil)
		})
		p.mu.Lock()
		var ws unix.WaitStatus
		if err == nil {
			err = ignoringEINTR(func() error {
				_, err := unix.Wait4(p.pid, &ws, unix.WUNTRACED, nil)
				return err
			})
		}
		if err == nil && ws.Stopped() {
			p.mu.Unlock()
			select {
			case p.stops <- ws.StopSignal():
			default: // an earlier stop is not looked at yet
			}
			continue
		}
		p.reaped, p.status = true, statusOf(ws)
		p.mu.Unlock()
		close(p.ended)
		return
	}
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Signal sends s to the process's group, or, with alone, to the process. A process that has ended gets nothing.
func (p *Process) Signal(s unix.Signal, alone bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return nil
	}
	to := -p.pid
	if alone {
		to = p.pid
	}
	if err := unix.Kill(to, s); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to %d: %w", unix.SignalName(s), to, err)
	}
	return nil
}
