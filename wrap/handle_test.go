package wrap

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/courier"
)

// handled is a run that goes on, of which a courier reports what it was sent for.
func handled(t *testing.T, p Policy, f func(t *testing.T, r *running, h *Handle)) {
	wrapped(t, p, func(t *testing.T, r *running) {
		r.started()
		r.now(func() {
			r.report = func(task courier.Task) (report courier.Report) {
				for _, h := range []envsource.Holding{db("a"), kv("1")} {
					if slices.Contains(task.Due, h.Key) {
						report.Holdings = append(report.Holdings, h)
					}
				}
				return report
			}
		})
		f(t, r, r.handle)
	})
}

func TestEndOnDemand(t *testing.T) {
	handled(t, Policy{}, func(t *testing.T, r *running, h *Handle) {
		gone := r.leaves(false)
		for range 2 { // a second one is no impatient user
			if err := h.End(t.Context()); err != nil {
				t.Error(err)
			}
		}
		r.want("SIGTERM to 1", "drain 1")
		gone()
		r.exits(0)
		if err := h.End(t.Context()); !errors.Is(err, ErrOver) {
			t.Errorf("of a run that has ended: %v", err)
		}
	})
}

func TestRotateOnDemand(t *testing.T) {
	var told []Rotation
	handled(t, Policy{Rotated: func(r Rotation) { told = append(told, r) }}, func(t *testing.T, r *running, h *Handle) {
		began := time.Now()
		n, err := h.Rotate(t.Context(), []string{"KV"})
		if n != 2 || err != nil || time.Since(began) != 0 {
			t.Errorf("generation %d, %v after %s", n, err, time.Since(began))
		}
		synctest.Wait()
		r.want("launch [kv]", "hold 2 [db=a kv=1]", "SIGTERM to 1", "open 2", "drop 1")
		if n, err = h.Rotate(t.Context(), nil); n != 3 || err != nil {
			t.Errorf("generation %d, %v", n, err)
		}
		synctest.Wait()
		r.want("launch [db kv]", "hold 3 [db=a kv=1]", "SIGTERM to 2", "open 3", "drop 2")
		want := []Rotation{{2, []string{"KV"}, Restart}, {3, []string{"DB", "KV"}, Restart}}
		if !reflect.DeepEqual(told, want) {
			t.Errorf("told is %+v", told)
		}

		// What is the same is no reason any more, once that is done.
		r.notice <- envsource.Notice{Key: "kv", Confirm: true}
		pause(2 * time.Second)
		r.want("launch [kv]", "dismiss 4", "hold 3 [db=a kv=1]")
	})
}

func TestRotateOnDemandThatFails(t *testing.T) {
	handled(t, Policy{}, func(t *testing.T, r *running, h *Handle) {
		if _, err := h.Rotate(t.Context(), []string{"KV", "NOPE", "NADA"}); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "NOPE, NADA (there are: DB, KV)") {
			t.Errorf("%v", err)
		}
		good := r.report
		r.now(func() {
			r.report = func(courier.Task) courier.Report {
				return courier.Report{Errors: []string{"it is down"}, Status: StatusFailed, Outage: "it is down"}
			}
		})
		if _, err := h.Rotate(t.Context(), []string{"DB"}); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "it is down") {
			t.Errorf("%v", err)
		}
		s, err := h.Status()
		if err != nil || s.Problem != "it is down" || s.Pending["db"] == "" || !s.Running || s.Doing != "running" {
			t.Errorf("status %+v, %v", s, err)
		}
		r.now(func() { r.report = good })
		pause(time.Minute)
		if s, err = h.Status(); err != nil || s.Problem != "" || len(s.Pending) > 0 || s.Restarts != 1 || s.Generation < 3 {
			t.Errorf("it is not done later: %+v, %v", s, err)
		}
		r.logged()
	})
}

func TestStatus(t *testing.T) {
	handled(t, Policy{}, func(t *testing.T, r *running, h *Handle) {
		began := time.Now()
		pause(time.Minute)
		s, err := h.Status()
		if err != nil || s.Generation != 1 || s.PID != 1001 || s.Restarts != 0 || s.Doing != "running" || !s.Since.Equal(began) || len(s.Held) != 2 {
			t.Errorf("status %+v, %v", s, err)
		}
		r.gens[0].obeys = false
		r.send(unix.SIGTERM)
		synctest.Wait()
		if s, err = h.Status(); err != nil || s.Doing != "stopping" || !s.Running {
			t.Errorf("status %+v, %v", s, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Rotate(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("rotating what is being stopped: %v", err)
		}
		pause(10 * time.Second)
		r.exits(137)
		if _, err := h.Status(); !errors.Is(err, ErrOver) {
			t.Errorf("after its end: %v", err)
		}
		if _, err := h.Rotate(t.Context(), nil); !errors.Is(err, ErrOver) {
			t.Errorf("after its end: %v", err)
		}
		r.logged()
	})
}
