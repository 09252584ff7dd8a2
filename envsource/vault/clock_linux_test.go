package vault

import (
	"testing"
	"time"
)

func TestSystemClock(t *testing.T) {
	c := SystemClock()
	a := c.NewAlarm()
	defer a.Stop()
	before := c.Now()
	a.Set(before.Add(20 * time.Millisecond))
	<-a.Rings()
	if passed := c.Now().Sub(before); passed < 20*time.Millisecond {
		t.Errorf("it rings after %s", passed)
	}
	if off := time.Since(c.Now().Round(0)); off.Abs() > time.Minute {
		t.Errorf("it is %s off the time of day", off)
	}
	a.Set(before) // is over
	<-a.Rings()
}
