package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// command is what to start.
type command struct {
	argv    []string
	environ []string
	dir     string
	stdout  *os.File // nil where nobody reads it
}

// process is a command that was started and runs beside the measurement.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once cmd.ProcessState is set
}

// prepare makes a command that has no terminal, wherever the measurement runs, and that dies with it. What it says
// goes to a file: a pipe would be one more thing to wait for.
func (c command) prepare() (*exec.Cmd, *os.File, error) {
	said, err := os.Create(filepath.Join(c.dir, "stderr"))
	if err != nil {
		return nil, nil, fmt.Errorf("make output file: %w", err)
	}
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stderr = c.environ, c.dir, said
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	return cmd, said, nil
}

func start(c command) (*process, error) {
	cmd, said, err := c.prepare()
	if err != nil {
		return nil, err
	}
	defer said.Close()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.argv[0], err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		cmd.Wait() // its outcome is in ProcessState
	}()
	return p, nil
}

// failure is why a process that should run has ended, in its own words.
func (p *process) failure() error {
	said, _ := os.ReadFile(filepath.Join(p.cmd.Dir, "stderr"))
	return fmt.Errorf("%w: %s has ended: %v\n%s", errEnded, filepath.Base(p.cmd.Path), p.cmd.ProcessState, said)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// endsWithin waits for it, so long at most.
func (p *process) endsWithin(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}

// ask has it end.
func (p *process) ask() { p.cmd.Process.Signal(syscall.SIGTERM) } // one that has ended already is as good

// stop asks, and insists after a while.
func (p *process) stop() {
	if !p.ended() {
		p.ask()
	}
	if !p.endsWithin(15 * time.Second) {
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// errEnded is wrapped by what will not come any more.
var errEnded = errors.New("it is of no use to wait")

// await asks until there is no error, or returns the last one when limit has passed or it wraps errEnded.
func await(ctx context.Context, limit time.Duration, what string, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, err)
		case <-pause.C:
		}
	}
}

// sleep returns early with an error when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
