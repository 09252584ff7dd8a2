//go:build linux && (amd64 || arm64)

package signals

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asStopper has this program, executed again, stop itself so often.
const asStopper = "VWRAP_TEST_STOPS"

func init() {
	var times int
	if _, err := fmt.Sscan(os.Getenv(asStopper), &times); err != nil {
		return
	}
	// The thread that begins a process is the one that the kernel asks whether a signal is ignored. It says no while
	// it handles another one; here it always does.
	runtime.LockOSThread()
	blocked := unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGTTIN - 1)}}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, nil); err != nil {
		panic(err)
	}
	i := Listen()
	done := make(chan struct{})
	go func() {
		for range times {
			StopSelf(unix.SIGTTIN, true, always)
			// Neither of these stops: what continues it comes first.
			StopSelf(unix.SIGTTIN, false, func() bool { return unix.Kill(os.Getpid(), unix.SIGCONT) == nil })
			StopSelf(unix.SIGTTIN, false, func() bool { return false })
		}
		close(done)
	}()
	<-done
	i.Close()
	os.Exit(0)
}

// Who stops its group and itself stops once: what continues it is not answered with another stop.
func TestStopSelfStopsOnce(t *testing.T) {
	const times = 300
	stopper := exec.Command(os.Args[0])
	stopper.Env = append(os.Environ(), fmt.Sprintf("%s=%d", asStopper, times))
	stopper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stopper.Stderr = os.Stderr
	if err := stopper.Start(); err != nil {
		t.Fatal(err)
	}
	stops := 0
	for {
		var ws unix.WaitStatus
		if _, err := unix.Wait4(stopper.Process.Pid, &ws, unix.WUNTRACED, nil); err != nil {
			t.Fatal(err)
		}
		if !ws.Stopped() {
			if ws.ExitStatus() != 0 {
				t.Errorf("it ended with %#x", ws)
			}
			break
		}
		stops++
		if err := stopper.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	if stops != times {
		t.Errorf("stopped %d times, not %d", stops, times)
	}
}

// What the kernel sends by itself, such as a terminal's signals, is told from what a process sends.
func TestInboxTellsWhoSentIt(t *testing.T) {
	i := Listen()
	defer i.Close()
	if _, err := unix.Setitimer(unix.ItimerReal, unix.Itimerval{Value: unix.Timeval{Usec: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := <-i.C; got != (Received{Signal: unix.SIGALRM, Kernel: true}) {
		t.Errorf("got %+v", got)
	}
	sender(t)(unix.SIGALRM)
	if got := <-i.C; got != (Received{Signal: unix.SIGALRM}) {
		t.Errorf("got %+v", got)
	}
}
