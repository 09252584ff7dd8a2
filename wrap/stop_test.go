package wrap

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
)

// leaves has commands leave something behind; the function returned ends that.
func (w *world) leaves(dies bool) (gone func()) {
	left := make(chan struct{})
	w.now(func() { w.left, w.dies = left, dies })
	return func() { close(left) }
}

func TestAStopWaitsForWhatTheCommandLeaves(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		gone := r.leaves(false)
		r.send(unix.SIGTERM)
		r.want("SIGTERM to 1", "drain 1")
		pause(5 * time.Second)
		r.want()
		gone()
		r.exits(143)
	})
}

func TestARotationWaitsForWhatTheCommandLeaves(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		gone := r.leaves(false)
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1", "drain 1")
		gone()
		r.want("open 2", "drop 1")
	})
}

func TestACommandThatEndsByItselfLeavesWhatItLeaves(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		r.leaves(false)
		r.gens[0].end(proc.Status{Code: 3})
		r.exits(3)
		r.want()
	})
}

// As PID 1, or where it is asked for.
func TestDrainWaitsAlways(t *testing.T) {
	wrapped(t, Policy{Drain: true}, func(_ *testing.T, r *running) {
		r.started()
		gone := r.leaves(false)
		r.gens[0].end(proc.Status{Code: 3})
		r.want("drain 1")
		gone()
		r.exits(3)
	})
}

func TestWhatIsLeftIsKilledAfterTheGrace(t *testing.T) {
	for name, by := range map[string]func(r *running){
		"a stop":      func(r *running) { r.send(unix.SIGTERM) },
		"its own end": func(r *running) { r.gens[0].end(proc.Status{Signal: unix.SIGTERM}) },
	} {
		t.Run(name, func(t *testing.T) {
			wrapped(t, Policy{Drain: true}, func(_ *testing.T, r *running) {
				r.leaves(true)
				by(r)
				pause(6900 * time.Millisecond)
				r.logged()
				pause(200 * time.Millisecond)
				r.want("kill 1")
				r.exits(143)
			})
		})
	}
}

// What hangs in the kernel cannot be waited for.
func TestWhatCannotBeKilledIsLeft(t *testing.T) {
	wrapped(t, Policy{Drain: true}, func(_ *testing.T, r *running) {
		r.started()
		r.leaves(false)
		r.gens[0].end(proc.Status{Code: 3})
		pause(7 * time.Second)
		r.want("drain 1", "kill 1")
		pause(killPatience)
		r.exits(3)
	})
}

// A user who is out of patience has what is left killed, not waited for.
func TestASecondTermKillsWhatIsLeft(t *testing.T) {
	for _, second := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		wrapped(t, Policy{}, func(_ *testing.T, r *running) {
			r.started()
			r.leaves(true)
			r.send(unix.SIGTERM)
			r.want("SIGTERM to 1", "drain 1")
			r.send(second)
			r.want("kill 1")
			r.exits(143)
		})
	}
}

// What a command left when it ended by itself was asked to end already: the first TERM is no second one.
func TestATermWhileDrainingIsTheFirst(t *testing.T) {
	wrapped(t, Policy{Drain: true}, func(_ *testing.T, r *running) {
		r.started()
		r.leaves(true)
		r.gens[0].end(proc.Status{Code: 3})
		r.send(unix.SIGTERM)
		r.send(unix.SIGUSR1)
		r.want("drain 1", "SIGUSR1 to 1")
		r.send(unix.SIGTERM)
		r.want("kill 1")
		r.exits(3)
	})
}

// A stop while a rotation waits for what its command left ends vwrap: nothing is started any more.
func TestAStopCancelsARotationThatDrains(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		gone := r.leaves(false)
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db"}
		pause(3 * time.Second)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "SIGTERM to 1", "drain 1")
		r.send(unix.SIGTERM)
		r.want()
		gone()
		r.exits(143)
		r.want("dismiss 2")
	})
}

// INT alone stops nothing: programs are interrupted more than once in their lives.
func TestInterruptsArePassedOn(t *testing.T) {
	wrapped(t, Policy{}, func(_ *testing.T, r *running) {
		r.started()
		for range 3 {
			r.send(unix.SIGINT)
		}
		r.want("SIGINT to 1", "SIGINT to 1", "SIGINT to 1")
		pause(time.Minute)
		r.want()
	})
}

func TestRewrites(t *testing.T) {
	rewrites := signals.Rewrites{unix.SIGTERM: unix.SIGQUIT, unix.SIGHUP: 0, unix.SIGUSR1: unix.SIGUSR2}
	wrapped(t, Policy{Rewrites: rewrites}, func(_ *testing.T, r *running) {
		r.started()
		r.send(unix.SIGHUP)
		r.send(unix.SIGUSR1)
		r.want("SIGUSR2 to 1")
		r.send(unix.SIGTERM) // a stop still: what is sent is another
		r.want("SIGQUIT to 1")
		pause(7 * time.Second)
		r.want("kill 1")
		r.exits(137)
	})
}

// What came before there was a command is for the first one.
func TestSignalsAreKeptForTheCommand(t *testing.T) {
	wrapped(t, Policy{Saved: received(unix.SIGUSR1, 40, 40)}, func(_ *testing.T, r *running) {
		r.want("launch []", "hold 1 [db=a kv=1]", "open 1", "SIGUSR1 to 1", " to 1", " to 1")
	})
}

func TestASharedGroupGetsTheTerminalsSignalsByItself(t *testing.T) {
	wrapped(t, Policy{Shared: true}, func(_ *testing.T, r *running) {
		r.started()
		for _, s := range []unix.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH, unix.SIGCONT, unix.SIGUSR1, unix.SIGHUP} {
			r.sigs <- signals.Received{Signal: s, Kernel: true}
		}
		r.want("SIGUSR1 to 1", "SIGHUP to 1")
	})
}

// A process sends them to vwrap alone (kill, timeout --foreground); CONT is the shell's, for all of a job.
func TestASharedGroupIsSentWhatAProcessSends(t *testing.T) {
	wrapped(t, Policy{Shared: true}, func(_ *testing.T, r *running) {
		r.started()
		for _, s := range []unix.Signal{unix.SIGINT, unix.SIGCONT, unix.SIGQUIT, unix.SIGWINCH} {
			r.send(s)
		}
		r.want("SIGINT to 1", "SIGQUIT to 1", "SIGWINCH to 1")
	})
}

func received(all ...unix.Signal) (saved []signals.Received) {
	for _, s := range all {
		saved = append(saved, signals.Received{Signal: s})
	}
	return saved
}
