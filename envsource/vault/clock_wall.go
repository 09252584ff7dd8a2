package vault

import "time"

// wallClock is the time of day since it began: it goes on while the machine sleeps. A clock that is set back does not go
// back here, or a lease would be taken to last longer than it does; one that is set ahead has things done early.
type wallClock struct {
	began time.Time // with the monotonic reading
	wall  time.Time // the time of day then
}

func newWallClock() wallClock {
	now := time.Now()
	return wallClock{began: now, wall: now.Round(0)}
}

func (c wallClock) Now() time.Time {
	now := time.Now()
	return c.wall.Add(max(now.Sub(c.began), now.Round(0).Sub(c.wall)))
}

func (wallClock) NewAlarm() Alarm { return &wallAlarm{goAlarm: goClock{}.NewAlarm().(*goAlarm)} }

// glance is how long a sleep may go unnoticed.
const glance = 10 * time.Second

// wallAlarm rings too early rather than too late: timers stand still while the machine sleeps.
type wallAlarm struct{ *goAlarm }

func (a *wallAlarm) Set(at time.Time) { a.timer.Reset(min(time.Until(at.Round(0)), glance)) }
