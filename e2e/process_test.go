package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// forks is where all child processes of the suite are started: a parent-death signal is sent when the thread that
// forked ends, not the process, so that thread must live as long as the suite.
var forks = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for fork := range forks {
			fork()
		}
	}()
}

// process is a child that runs beside the test.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once cmd.ProcessState is set
}

// startProcess starts cmd in a session of its own (so that it has no terminal, wherever the suite runs), to be sent
// death when the suite is killed.
func startProcess(cmd *exec.Cmd, death syscall.Signal) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = death
	cmd.SysProcAttr.Setsid = true
	started := make(chan error, 1)
	forks <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		cmd.Wait() // its outcome is in ProcessState
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal sends to the process alone. One that has ended already is no error.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process %d: %w", p.pid(), err)
	}
	return nil
}

// waitFor says whether the process ended in time.
func (p *process) waitFor(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}

// stop asks with s, and insists after a while.
func (p *process) stop(s syscall.Signal) {
	p.signal(s)
	p.signal(syscall.SIGCONT) // a stopped process hears nothing
	if !p.waitFor(10 * time.Second) {
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
}

// status is the exit status as a shell tells it.
func (p *process) status() int {
	wait := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if wait.Signaled() {
		return 128 + int(wait.Signal())
	}
	return wait.ExitStatus()
}

// freePort is a loopback port that nobody listens at just now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// poll asks until done, or until limit has passed; the last error says why it was not done.
func poll(limit, every time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %w", limit, err)
		}
		time.Sleep(every)
	}
}
