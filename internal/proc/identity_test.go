package proc

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestIdentity(t *testing.T) {
	own, err := Identity(os.Getpid())
	if err != nil || !Lives(own) {
		t.Errorf("this process is %q: %v", own, err)
	}
	c := family(t)
	p, _ := c.shell(t, "exec sleep 1000")
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

// What has ended and is not reaped does not live.
func TestIdentityOfAZombie(t *testing.T) {
	zombie := exec.Command("cat")
	in, err := zombie.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = zombie.Wait() }() // not before: that reaps
	name, err := Identity(zombie.Process.Pid)
	if err != nil || !Lives(name) {
		t.Errorf("it is %q: %v", name, err)
	}
	in.Close()
	for late := time.Now().Add(time.Minute); Lives(name); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("a zombie lives")
		}
	}
}
