package vault

import "time"

// wallClock is the time of day: it goes on while the machine sleeps, but is moved when somebody sets it.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now().Round(0) }

func (wallClock) NewAlarm() Alarm { return &wallAlarm{goAlarm: goClock{}.NewAlarm().(*goAlarm)} }

// glance is how long a sleep may go unnoticed.
const glance = 10 * time.Second

// wallAlarm rings too early rather than too late: timers stand still while the machine sleeps.
type wallAlarm struct{ *goAlarm }

func (a *wallAlarm) Set(at time.Time) { a.timer.Reset(min(time.Until(at.Round(0)), glance)) }
