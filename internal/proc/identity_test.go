package proc

import (
	"os"
	"testing"
)

func TestIdentity(t *testing.T) {
	own, err := Identity(os.Getpid())
	if err != nil || !Lives(own) {
		t.Errorf("this process is %q: %v", own, err)
	}
	c := family(t)
	p, _ := c.shell(t, "echo up; cat >/dev/null; exit 0")
	other, err := Identity(p.PID())
	if err != nil || !Lives(other) || other == own {
		t.Errorf("a child is %q: %v", other, err)
	}
	p.Kill()
	<-p.Ended()
	for _, gone := range []string{other, "", "x", "1-1", own + "0"} {
		if Lives(gone) {
			t.Errorf("%q lives", gone)
		}
	}
}
