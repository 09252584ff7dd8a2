package proc

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a child of this process.
type Process struct {
	children *Children
	pid      int
	stops    chan unix.Signal
	ended    chan struct{}

	// Guarded by children.mu:
	status Status
	kin    lineage
	asked  map[int]bool // of kin: were sent a signal that asks to end
	killed bool         // kin are killed where they show up
}

// PID is the process's ID, and that of the group it was started in.
func (p *Process) PID() int { return p.pid }

// Ended is closed when the process has ended; then Status tells how.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Status is how the process ended; it is valid once Ended is closed.
func (p *Process) Status() Status {
	p.children.mu.Lock()
	defer p.children.mu.Unlock()
	return p.status
}

// Stops tells each time that the process was stopped by a signal (job control).
func (p *Process) Stops() <-chan unix.Signal { return p.stops }

func (p *Process) stopped(by unix.Signal) {
	select {
	case p.stops <- by:
	default: // an earlier stop is not looked at yet
	}
}

// JoinedOurs says that the process is in the process group of vwrap itself, by its own doing: what else is in that
// group is not its kin.
func (p *Process) JoinedOurs() {
	p.children.mu.Lock()
	defer p.children.mu.Unlock()
	p.kin.shared = true
}

// Signal sends s to the process's group, or, with alone, to the process. Where the group is vwrap's own, that means
// the process and those of its kin that are in it. Once the process has ended, what is left of its kin in the group
// gets it. Nobody else ever does.
func (p *Process) Signal(s unix.Signal, alone bool) error {
	p.children.mu.Lock()
	defer p.children.mu.Unlock()
	return p.send(s, alone)
}

// Stop is Signal with a signal that asks to end. Those of the process's kin that it does not reach are asked by
// Drain.
func (p *Process) Stop(s unix.Signal, alone bool) error {
	p.children.mu.Lock()
	defer p.children.mu.Unlock()
	if p.asked == nil {
		p.asked = map[int]bool{}
	}
	kin := p.kin.living(p.children) // before it: then parentage still tells who is kin
	err := p.send(s, alone)
	for _, e := range kin {
		now, ok := process(e.pid)
		if !alone && e.group == p.group() && (!ok || now.group == e.group) { // else it may have left before it was reached
			p.asked[e.pid] = true
		}
	}
	return err
}

// over reports whether the process was reaped. The caller holds children.mu, as with all that follow.
func (p *Process) over() bool { return p.children.own[p.pid] != p }

// group is the process group that the process was to be in.
func (p *Process) group() int {
	if p.kin.shared {
		return unix.Getpgrp()
	}
	return p.pid
}

func (p *Process) send(s unix.Signal, alone bool) error {
	if (p.kin.shared || p.over()) && !alone {
		for _, e := range p.kin.living(p.children) {
			if e.group == p.group() {
				_ = e.signal(s)
			}
		}
	}
	if p.over() {
		return nil
	}
	to := -p.pid
	if alone || p.kin.shared {
		to = p.pid
	}
	if err := unix.Kill(to, s); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to %d: %w", unix.SignalName(s), to, err)
	}
	return nil
}

// HasSocket reports whether the process, or one of its kin, has the socket with this inode open. Where that cannot be told it has not.
func (p *Process) HasSocket(inode uint64) bool {
	p.children.mu.Lock()
	kin := p.kin.living(p.children)
	p.children.mu.Unlock()
	return hasSocket(p.pid, inode) || slices.ContainsFunc(kin, func(e entry) bool { return hasSocket(e.pid, inode) })
}

// Kill kills the process, its group, and all its kin, also what shows up later while Drain waits.
func (p *Process) Kill() {
	p.children.mu.Lock()
	defer p.children.mu.Unlock()
	p.killed = true
	kin := p.freeze()
	if !p.over() {
		_ = p.send(unix.SIGKILL, false)
	}
	for _, e := range kin {
		_ = e.signal(unix.SIGKILL)
	}
}

// freeze returns the kin, and stops all where no signal to a group reaches them at once: what is not stopped may start something after
// it was looked for, and end before it tells whose that was.
func (p *Process) freeze() []entry {
	kin := p.kin.living(p.children)
	if !p.kin.shared || p.over() {
		return kin
	}
	_ = unix.Kill(p.pid, unix.SIGSTOP)
	stopped := map[int]bool{}
	for news := true; news; {
		news = false
		kin = p.kin.living(p.children)
		for _, e := range kin {
			if !stopped[e.pid] {
				stopped[e.pid], news = true, true
				_ = e.signal(unix.SIGSTOP)
			}
		}
	}
	return kin
}

// Drain waits, once the process has ended, until its kin have too, and closes the channel then. Those that were not
// asked to end yet are sent TERM, once. It gives up when the children it belongs to are closed.
func (p *Process) Drain() <-chan struct{} {
	drained := make(chan struct{})
	p.children.closed.Add(1)
	go func() {
		defer p.children.closed.Done()
		again := time.NewTicker(lookAgain)
		defer again.Stop()
		for {
			changed := p.children.changed()
			if p.drain() {
				close(drained)
				return
			}
			select {
			case <-changed:
			case <-again.C:
			case <-p.children.close:
				return
			}
		}
	}()
	return drained
}

// drain asks, or kills, what is left. It reports true where nothing is.
func (p *Process) drain() bool {
	p.children.mu.Lock()
	defer p.children.mu.Unlock()
	if p.asked == nil {
		p.asked = map[int]bool{}
	}
	left := p.kin.living(p.children)
	for _, e := range left {
		switch {
		case p.killed:
			_ = e.signal(unix.SIGKILL)
		case !p.asked[e.pid]:
			p.asked[e.pid] = true
			_ = e.signal(unix.SIGTERM)
			if e.state == 'T' { // what is stopped hears nothing
				_ = e.signal(unix.SIGCONT)
			}
		}
	}
	return len(left) == 0 && p.over()
}
