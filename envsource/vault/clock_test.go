package vault

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// leapClock is Go's clock, which leaps where the machine has slept.
type leapClock struct {
	mu     sync.Mutex
	slept  time.Duration
	alarms []*leapAlarm
}

func (c *leapClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.slept)
}

func (c *leapClock) NewAlarm() Alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &leapAlarm{goAlarm: goClock{}.NewAlarm().(*goAlarm), clock: c}
	c.alarms = append(c.alarms, a)
	return a
}

// sleep lets d pass without that Go's timers see it.
func (c *leapClock) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept += d
	for _, a := range c.alarms {
		a.ring()
	}
}

type leapAlarm struct {
	*goAlarm
	clock *leapClock
}

func (a *leapAlarm) Set(at time.Time) { a.timer.Reset(at.Sub(a.clock.Now())) }

// Fault: the machine sleeps
// Notices: nothing, or a restart where a lease has ended meanwhile
// Does: does at once what is due: what still lives is renewed, what has ended is replaced
func TestAfterASleep(t *testing.T) {
	for name, tt := range map[string]struct {
		slept time.Duration
		lives bool
	}{"within its life": {45 * time.Minute, true}, "past its end": {2 * time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			clock := &leapClock{}
			keeping(t, Token{}, Options{Clock: clock}, func(t *testing.T, f *fakeServer, k *Keeper) {
				k.Hold(1, []envsource.Holding{f.issue("a", time.Hour, 24*time.Hour)})
				time.Sleep(time.Second)
				f.set(func() { f.leases["a"].end = f.leases["a"].end.Add(-tt.slept) })
				clock.sleep(tt.slept)
				if tt.lives {
					quiet(t, k, time.Second)
				} else if n := notice(t, k, time.Second); n.Key != "db" {
					t.Errorf("notice %+v", n)
				}
				f.set(func() {
					if f.renewals != 1 {
						t.Errorf("%d renewals at the awakening, want 1", f.renewals)
					}
				})
			})
		})
	}
}

// The time of day is set back, or ahead: time goes on all the same, and never back.
func TestTheTimeOfDayIsSet(t *testing.T) {
	for name, set := range map[string]time.Duration{"back": -time.Hour, "ahead": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newWallClock()
			c.wall = c.wall.Add(-set) // as if that had happened since
			before := c.Now()
			time.Sleep(time.Minute)
			if passed := c.Now().Sub(before); passed != time.Minute {
				t.Errorf("set %s, %s have passed in a minute", name, passed)
			}
			if early := before.Sub(c.wall); early < 0 || set > 0 && early != set {
				t.Errorf("set %s, it is %s after its beginning", name, early)
			}
		})
	}
}
