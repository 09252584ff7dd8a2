package vault

import "time"

// Clock is what a keeper goes by. A lease's TTL is counted by the server also while this machine sleeps, so a clock
// that stands still then, as Go's does, would let it end unnoticed.
type Clock interface {
	Now() time.Time // comparable with other times of this clock alone
	NewAlarm() Alarm
}

// Alarm rings once at a time. It is set anew after each ring, by one goroutine.
type Alarm interface {
	Rings() <-chan struct{}
	Set(at time.Time)
	Stop()
}

// goClock is Go's own clock, which the tests' bubbles replace.
type goClock struct{}

func (goClock) Now() time.Time { return time.Now() }

func (goClock) NewAlarm() Alarm {
	a := &goAlarm{rings: make(chan struct{}, 1)}
	a.timer = time.AfterFunc(time.Hour, a.ring)
	return a
}

type goAlarm struct {
	timer *time.Timer
	rings chan struct{}
}

func (a *goAlarm) ring() {
	select {
	case a.rings <- struct{}{}:
	default: // it rings already
	}
}

func (a *goAlarm) Rings() <-chan struct{} { return a.rings }

func (a *goAlarm) Set(at time.Time) { a.timer.Reset(time.Until(at)) }

func (a *goAlarm) Stop() { a.timer.Stop() }
