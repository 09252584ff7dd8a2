package wrap

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/proc"
	"golang.org/x/sys/unix"
)

// overlapped is a run whose rotations overlap, and of which the second generation runs beside the first. The channel
// is that of its readiness.
func overlapped(t *testing.T, f func(t *testing.T, r *running, ready chan error)) {
	var ready chan error
	p := Policy{
		ActionFor: func(envsource.Holding) Action { return Overlap },
		Await:     func(Generation) (<-chan error, func()) { return ready, func() {} },
	}
	wrapped(t, p, func(t *testing.T, r *running) {
		ready = make(chan error, 1)
		r.started()
		r.now(func() { r.report = reports(db("b")) })
		r.notice <- envsource.Notice{Key: "db", Reason: "its end is near"}
		pause(time.Minute)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "open 2")
		f(t, r, ready)
	})
}

func TestOverlap(t *testing.T) {
	overlapped(t, func(t *testing.T, r *running, ready chan error) {
		if s, err := r.handle.Status(); err != nil || s.Generation != 1 || s.Restarts != 0 || s.Doing != "starting the next generation" {
			t.Errorf("status %+v, %v", s, err)
		}
		ready <- nil
		r.want("SIGTERM to 1", "drop 1")
		if s, err := r.handle.Status(); err != nil || s.Generation != 2 || s.Restarts != 1 || s.Doing != "running" {
			t.Errorf("status %+v, %v", s, err)
		}
		r.send(unix.SIGUSR1)
		r.want("SIGUSR1 to 2")
		r.gens[1].end(proc.Status{Code: 3})
		r.exits(3)
	})
}

func TestOverlapWithOneThatDoesNotEnd(t *testing.T) {
	overlapped(t, func(t *testing.T, r *running, ready chan error) {
		r.gens[0].obeys = false
		ready <- nil
		pause(6 * time.Second)
		r.want("SIGTERM to 1")
		r.notice <- envsource.Notice{Key: "db", Reason: "its end is near"} // is for the next rotation
		pause(2 * time.Second)
		r.want("kill 1", "drop 1")
		pause(2 * time.Second)
		if log := r.logged(); !slices.Contains(log, "launch [db]") {
			t.Errorf("what came meanwhile is forgotten: %q", log)
		}
	})
}

// What does not get ready is killed, and what it had is released; the command goes on, and it is tried again.
func TestOverlapThatFails(t *testing.T) {
	for name, fail := range map[string]func(r *running, ready chan error){
		"not ready": func(_ *running, ready chan error) { ready <- errors.New("not in time") },
		"ended":     func(r *running, _ chan error) { r.gens[1].end(proc.Status{Code: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			overlapped(t, func(t *testing.T, r *running, ready chan error) {
				fail(r, ready)
				r.want("kill 2", "hold 2 [db=b kv=1]", "drop 2", "dismiss 2")
				if s, err := r.handle.Status(); err != nil || s.Generation != 1 || !s.Running || s.Problem == "" || s.Pending["db"] == "" {
					t.Errorf("status %+v, %v", s, err)
				}
				r.now(func() { r.report = reports(db("c")) })
				pause(time.Minute)
				r.want("launch [db]", "hold 3 [db=c kv=1]", "open 3")
				ready <- nil
				r.want("SIGTERM to 1", "drop 1")
			})
		})
	}
}

func TestOverlapThatCannotBeExecuted(t *testing.T) {
	wrapped(t, Policy{ActionFor: func(envsource.Holding) Action { return Overlap }}, func(t *testing.T, r *running) {
		r.started()
		r.now(func() { r.report, r.exec = reports(db("b")), errors.New("text file busy") })
		r.notice <- envsource.Notice{Key: "db", Reason: "its end is near"}
		pause(2 * time.Second)
		r.want("launch [db]", "hold 2 [db=b kv=1]", "open 2", "hold 2 [db=b kv=1]", "drop 2", "dismiss 2")
		if s, err := r.handle.Status(); err != nil || !s.Running || s.Pending["db"] == "" {
			t.Errorf("status %+v, %v", s, err)
		}
	})
}

// A stop ends both, and the one that does not serve yet at once.
func TestStopInAnOverlap(t *testing.T) {
	overlapped(t, func(_ *testing.T, r *running, _ chan error) {
		r.send(unix.SIGTERM)
		r.exits(143)
		r.want("kill 2", "hold 2 [db=b kv=1]", "drop 2", "dismiss 2", "SIGTERM to 1")
	})
	overlapped(t, func(_ *testing.T, r *running, ready chan error) {
		r.gens[0].obeys = false
		ready <- nil
		r.want("SIGTERM to 1")
		r.send(unix.SIGTERM)
		r.want("SIGTERM to 2")
		pause(8 * time.Second)
		r.exits(143)
		if log := r.logged(); !slices.Contains(log, "kill 1") {
			t.Errorf("the last generation is left: %q", log)
		}
	})
}

func TestTheCommandsEndInAnOverlap(t *testing.T) {
	overlapped(t, func(_ *testing.T, r *running, _ chan error) {
		r.gens[0].end(proc.Status{Code: 4})
		r.exits(4)
		r.want("kill 2", "hold 2 [db=b kv=1]", "drop 2", "dismiss 2")
	})
	overlapped(t, func(t *testing.T, r *running, ready chan error) {
		r.gens[0].obeys = false
		ready <- nil
		r.want("SIGTERM to 1")
		r.gens[1].end(proc.Status{Code: 5})
		synctest.Wait()
		select {
		case <-r.result:
			t.Error("the last generation is not waited for")
		default:
		}
		r.gens[0].end(proc.Status{})
		r.exits(5)
	})
}
