//go:build linux && (amd64 || arm64)

package signals

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asStopper has this program, executed again, stop itself so often.
const asStopper = "VWRAP_TEST_STOPS"

// asObeyer has this program, executed again, obey the stops that it gets, each once its standard input says so.
const asObeyer = "VWRAP_TEST_OBEYS"

func init() {
	if os.Getenv(asObeyer) != "" {
		obey()
	}
	var times int
	if _, err := fmt.Sscan(os.Getenv(asStopper), &times); err != nil {
		return
	}
	always := func() bool { return true }
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

// obey does what asObeyer says, until TERM.
func obey() {
	i := Listen()
	fmt.Println("up")
	var k Kept
	for s := range i.C {
		if Stops(s.Signal) {
			fmt.Println("got")
			_, _ = fmt.Scanln()
		}
		if k.Obey(s, s.Signal) {
			os.Exit(0)
		}
		if Stops(s.Signal) {
			fmt.Println("on")
		}
	}
}

// A stop that was taken back before vwrap came to obey it is none: the shell that continued it would not do so again.
func TestStopThatWasTakenBack(t *testing.T) {
	obeyer := exec.Command(os.Args[0])
	obeyer.Env = append(os.Environ(), asObeyer+"=1")
	obeyer.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	obeyer.Stderr = os.Stderr
	in, err := obeyer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := obeyer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := obeyer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = obeyer.Process.Kill() }) // where it did not end by itself
	pid := obeyer.Process.Pid
	says := func(want string) {
		t.Helper()
		var got string
		if _, err := fmt.Fscanln(out, &got); err != nil || got != want {
			t.Fatalf("it says %q, %v; want %q", got, err, want)
		}
	}
	send := func(s unix.Signal) {
		t.Helper()
		if err := unix.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	says("up")
	for range 20 {
		send(unix.SIGTSTP)
		says("got")
		send(unix.SIGCONT)
		fmt.Fprintln(in)
		says("on")
		send(unix.SIGTSTP)
		says("got")
		fmt.Fprintln(in)
		var ws unix.WaitStatus
		if _, err := unix.Wait4(pid, &ws, unix.WUNTRACED, nil); err != nil || !ws.Stopped() {
			t.Fatalf("it is not stopped: %#x, %v", ws, err)
		}
		send(unix.SIGCONT)
		says("on")
	}
	send(unix.SIGTERM)
	if err := obeyer.Wait(); err != nil {
		t.Error(err)
	}
}

// A fault of this process is Go's business, also while signals are received.
func TestFaultIsAPanic(t *testing.T) {
	i := Listen()
	defer i.Close()
	defer func() {
		if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "nil pointer") {
			t.Errorf("recovered: %v", err)
		}
		sender(t)(unix.SIGSEGV)
		if got := <-i.C; got != (Received{Signal: unix.SIGSEGV}) {
			t.Errorf("got %+v", got)
		}
	}()
	var nothing *Received
	t.Errorf("there is a signal at nil: %v", nothing.Signal)
}

// CHLD is told of where it is asked for, whoever sends it, and nowhere else.
func TestChildChanges(t *testing.T) {
	i := Listen()
	defer i.Close()
	changes, err := ChildChanges()
	if err != nil {
		t.Fatal(err)
	}
	send := sender(t) // a child
	send(unix.SIGCHLD)
	if n, err := changes.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	send(unix.SIGCHLD, unix.SIGUSR1)
	if got := <-i.C; got != (Received{Signal: unix.SIGUSR1}) {
		t.Errorf("got %+v", got)
	}
	if err := exec.Command("true").Run(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := changes.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
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
