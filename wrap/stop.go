package wrap

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
)

// signalled: vwrap was sent s.
func (r *loop) signalled(s signals.Received) {
	to := r.Rewrites.Of(s.Signal)
	switch {
	case r.alive || r.drained != nil:
		r.pass(s, to)
	case r.phase == opening:
		r.saved.Add(s)
	case r.saved.Obey(s, to):
		r.end(proc.Status{Signal: s.Signal})
	}
}

// pass gives the command a signal that vwrap was sent as s, and is to be passed on as to. One that asks for a stop
// begins one. While a stop is under way TERM and INT are a user who is out of patience.
func (r *loop) pass(s signals.Received, to unix.Signal) {
	stop := r.asksToStop(s.Signal) || r.asksToStop(to)
	switch {
	case to == 0: // the user wants it dropped
	case r.ending && (stop || s.Signal == unix.SIGINT):
		r.Log.Warn(fmt.Sprintf("a second %s: killing the command", signals.Name(s.Signal)))
		r.killAll()
	case r.phase == stopping && (stop || signals.Ends(s.Signal)): // a rotation's: the command is asked already
		r.ending = true
		if to != r.StopSignal {
			r.signal(s, to)
		}
	case r.drained != nil && stop: // what is left was asked already
		r.ending = true
	case stop:
		r.ending = true
		r.stop(to)
	default:
		r.signal(s, to)
	}
}

// asksToStop reports whether s is one by which a command is stopped.
func (r *loop) asksToStop(s unix.Signal) bool { return s == unix.SIGTERM || s == r.StopSignal }

// signal sends to, which vwrap was sent as s, to the command; not what the command has got besides.
func (r *loop) signal(s signals.Received, to unix.Signal) {
	if r.Shared && s.ReachedGroup() {
		return
	}
	r.failing(r.child.Signal(to))
}

func (r *loop) failing(err error) {
	if err != nil {
		r.Log.Warn(err.Error())
	}
}

// end stops the command, and vwrap with status when it has ended.
func (r *loop) end(status proc.Status) {
	r.ending, r.status = true, &status
	switch {
	case r.drained != nil: // it has
	case !r.alive:
		r.done = true
	case r.phase != stopping:
		r.stop(r.StopSignal)
	}
}

// stop asks the command to end.
func (r *loop) stop(by unix.Signal) {
	if r.overlapping() {
		r.abandon()
	}
	r.phase = stopping
	r.failing(r.child.Stop(by))
	r.kill.Reset(r.StopGrace)
}

// killPatience is how long what was killed is waited for: a process that hangs in the kernel may take for ever.
const killPatience = 2 * time.Second

func (r *loop) killAll() {
	r.killed = true
	r.child.Kill()
	if r.old != nil {
		r.old.Kill()
	}
	r.kill.Reset(killPatience)
}

// graceOver: the command, or what it left behind, has not ended in time.
func (r *loop) graceOver() error {
	switch {
	case !r.killed && r.phase == retiring:
		r.Log.Warn(fmt.Sprintf("the last generation has not ended within %s: killing it", r.StopGrace))
		r.killed = true
		r.old.Kill()
	case r.phase == retiring: // what was killed ends when it does
	case !r.killed && r.alive:
		r.Log.Warn(fmt.Sprintf("the command has not ended within %s: killing it", r.StopGrace))
		r.killAll()
	case !r.killed:
		r.Log.Warn(fmt.Sprintf("processes of the command have not ended within %s: killing them", r.StopGrace))
		r.killAll()
	case r.drained != nil:
		r.Log.Warn("processes of the command cannot be killed: going on without waiting for them")
		return r.over()
	}
	return nil
}

// ended: the command's process is gone. What descends from it is waited for where that is asked for, or a stop or a
// rotation is under way.
func (r *loop) ended() error {
	if r.overlapping() {
		r.abandon()
	}
	r.alive = false
	stopping := r.ending || r.phase == stopping
	if !stopping && !r.Drain {
		return r.over()
	}
	if !stopping {
		r.kill.Reset(r.StopGrace)
	}
	r.drained = r.child.Drain()
	return nil
}
