package proc

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A child that was started before anybody reaped is reaped like others, also where it has ended by then.
func TestAdopt(t *testing.T) {
	for _, script := range []string{"exit 3", "read _; exit 3"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{r.Fd(), 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true}})
		_ = r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if script == "exit 3" { // waits until it is a zombie, and leaves it one
			if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
				t.Fatal(err)
			}
		}
		c, p := Adopt(pid)
		_ = w.Close()
		<-p.Ended()
		if p.PID() != pid || p.Status().Code != 3 {
			t.Errorf("%s: %d has ended with %v", script, p.PID(), p.Status())
		}
		c.Close()
	}
}
