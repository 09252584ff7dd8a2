package vault

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// bootClock counts the time asleep too, and is not moved when the time of day is set (CLOCK_BOOTTIME, clock_gettime(2)).
type bootClock struct{ zero time.Time }

// SystemClock is the clock of this machine.
func SystemClock() Clock { return bootClock{zero: time.Now().Round(0).Add(-sinceBoot())} }

func sinceBoot() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) // fails for no clock that there is
	return time.Duration(now.Nano())
}

// Now is the time of day as it was when the clock was made, and what has passed since.
func (c bootClock) Now() time.Time { return c.zero.Add(sinceBoot()) }

// NewAlarm makes an alarm that rings at once after a sleep in which its time has passed (timerfd_create(2)).
func (c bootClock) NewAlarm() Alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return wallClock{}.NewAlarm() // no descriptor is left
	}
	a := &bootAlarm{zero: c.zero, timer: os.NewFile(uintptr(fd), "alarm"), rings: make(chan struct{}, 1), stopped: make(chan struct{})}
	go a.wait()
	return a
}

type bootAlarm struct {
	zero    time.Time
	timer   *os.File
	rings   chan struct{}
	stopped chan struct{}
}

func (a *bootAlarm) wait() {
	defer close(a.stopped)
	expirations := make([]byte, 8)
	for {
		if _, err := a.timer.Read(expirations); err != nil {
			return
		}
		select {
		case a.rings <- struct{}{}:
		default: // it rings already
		}
	}
}

func (a *bootAlarm) Rings() <-chan struct{} { return a.rings }

func (a *bootAlarm) Set(at time.Time) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(at.Sub(a.zero))))} // 0 would stop it
	if raw, err := a.timer.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &spec, nil) })
	}
}

func (a *bootAlarm) Stop() {
	_ = a.timer.Close()
	<-a.stopped
}
