package proc

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stubborn is a script that says "up" with its process ID, "asked" at each TERM, and ends at the second.
const stubborn = `n=0; trap 'n=$((n+1)); echo asked >&3; test $n -lt 2 || exit' TERM; echo "up $$" >&3; while :; do sleep 0.02; done`

// ended reports whether the process is a zombie, or less.
func (e entry) ended() bool { return e.state == 'Z' || e.state == 'X' }

// pid reads a line "up PID".
func pid(t *testing.T, r *bufio.Reader) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimPrefix(line(t, r), "up "))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// exists reports whether a process is there, be it as a zombie.
func exists(pid int) bool { return unix.Kill(pid, 0) == nil }

// What a stop did not reach is asked once; what it did reach is not asked again.
func TestDrainAsksOnce(t *testing.T) {
	for name, start := range map[string]string{
		"in the group":              "sh -c '" + quoted(stubborn) + "' & sleep 1000",
		"in a session of its own":   "setsid sh -c '" + quoted(stubborn) + "' & sleep 1000",
		"an orphan when asked":      "sh -c \"setsid sh -c '" + doubled(stubborn) + "' & true\"; sleep 1000",
		"an orphan in the group":    "sh -c \"sh -c '" + doubled(stubborn) + "' & true\"; sleep 1000",
		"the child of a new leader": "setsid sh -c \"sh -c '" + doubled(stubborn) + "'; true\" & sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			p, out := family(t).shell(t, start)
			left := pid(t, out)
			if err := p.Stop(unix.SIGTERM, false); err != nil {
				t.Fatal(err)
			}
			<-p.Ended()
			drained := p.Drain()
			if got := line(t, out); got != "asked" {
				t.Errorf("what was left says %q", got)
			}
			select {
			case <-drained:
				t.Error("it is drained with a process left")
			case <-time.After(3 * lookAgain):
			}
			if err := unix.Kill(left, unix.SIGTERM); err != nil {
				t.Errorf("it is gone: it was asked twice: %v", err)
			}
			<-drained
			if exists(left) {
				t.Error("it is there still")
			}
		})
	}
}

// quoted is a script inside '…' inside a script, doubled one inside "…" as well.
func quoted(script string) string { return strings.ReplaceAll(script, "'", `'\''`) }

func doubled(script string) string {
	return strings.NewReplacer(`\`, `\\`, `$`, `\$`, `"`, `\"`).Replace(quoted(script))
}

func TestKillReachesAllKin(t *testing.T) {
	p, out := family(t).shell(t, "setsid sh -c '"+quoted(stubborn)+"' & sh -c '"+quoted(stubborn)+"' & wait")
	one, two := pid(t, out), pid(t, out)
	p.Kill()
	<-p.Ended()
	<-p.Drain()
	if exists(one) || exists(two) {
		t.Error("there is a process left")
	}
}

// What has ended leaves a group behind that still gets what is passed on.
func TestASignalReachesWhatIsLeftOfTheGroup(t *testing.T) {
	p, out := family(t).shell(t, "sh -c '"+quoted(stubborn)+"' & while kill -0 $! && ! kill -0 -$$ ; do :; done; exit 4")
	left := pid(t, out)
	<-p.Ended()
	if err := p.Signal(unix.SIGTERM, false); err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "asked" {
		t.Errorf("got %q", got)
	}
	if !exists(left) {
		t.Error("it is gone")
	}
}

// Orphans are reaped, and the statuses that somebody waits for are not lost among them.
func TestOrphansAreReaped(t *testing.T) {
	p, out := family(t).shell(t, "i=0; while [ $i -lt 300 ]; do (true & true); i=$((i+1)); done; echo made >&3; read x; exit 5")
	line(t, out)
	<-p.Ended()
	if p.Status().Code != 5 {
		t.Errorf("status %v", p.Status())
	}
	<-p.Drain()
	for _, e := range processes() {
		if e.ppid == os.Getpid() && e.ended() {
			t.Errorf("process %d is a zombie", e.pid)
		}
	}
}

// What the program that executed vwrap had started is not the command's.
func TestInheritedChildrenAreNoKin(t *testing.T) {
	stranger, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	c := family(t)
	p, _ := c.shell(t, "exec sleep 1000")
	p.Kill()
	<-p.Ended()
	<-p.Drain()
	if e, ok := process(stranger); !ok || e.ended() {
		t.Error("a stranger was killed")
	}
	_ = unix.Kill(stranger, unix.SIGKILL)
	for changed := c.changed(); exists(stranger); changed = c.changed() { // until it is reaped, as everything is
		<-changed
	}
}

func TestProcesses(t *testing.T) {
	for _, e := range processes() {
		if e.pid == os.Getpid() {
			if e.ppid != os.Getppid() || e.group != unix.Getpgrp() || e.start == 0 || e.ended() {
				t.Errorf("%+v", e)
			}
			return
		}
	}
	t.Error("this process is not among them")
}
