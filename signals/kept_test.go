package signals

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// While no command runs vwrap ends by what ends programs; CONT is vwrap's own; the rest waits for the next command.
func TestKept(t *testing.T) {
	r := Rewrites{}
	if err := r.ParseRewrite("USR2:0"); err != nil {
		t.Fatal(err)
	}
	var k Kept
	ends := func(s Received) bool { return k.Obey(s, r.Of(s.Signal)) }
	for _, s := range []unix.Signal{unix.SIGUSR1, unix.SIGHUP, 40, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT, 40, unix.SIGWINCH} {
		if ends(Received{Signal: s}) {
			t.Errorf("%v ends vwrap", s)
		}
	}
	var kept []unix.Signal
	for _, s := range k {
		kept = append(kept, s.Signal)
	}
	if want := []unix.Signal{unix.SIGUSR1, unix.SIGHUP, 40, 40, unix.SIGWINCH}; !slices.Equal(kept, want) {
		t.Errorf("kept are %v, not %v", kept, want)
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGQUIT} {
		if !ends(Received{Signal: s}) {
			t.Errorf("%v does not end vwrap", s)
		}
	}
}
