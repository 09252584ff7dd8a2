//go:build linux && (amd64 || arm64)

package signals

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What the kernel sends by itself, such as a terminal's signals, is told from what a process sends.
func TestInboxTellsWhoSentIt(t *testing.T) {
	i := Listen(false)
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
