package courier

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/headstart"
	"github.com/vwrap/vwrap/internal/proc"
)

// startedAhead is a launcher with a courier that was started before there was one.
func startedAhead(t *testing.T) (*headstart.Courier, post) {
	t.Helper()
	h := headstart.Start()
	if h == nil {
		t.Fatal("no courier can be started")
	}
	children, process := proc.Adopt(h.PID)
	p := newPostOf(t, children, []string{"sh", "-c", `echo "$A" >"$OUT"`}, "A=vault:kv/a#value")
	p.put("kv/a", "x")
	p.Adopt(h, process)
	t.Cleanup(p.Close)
	return h, p
}

func TestACourierThatWasStartedAheadServes(t *testing.T) {
	h, p := startedAhead(t)
	p.Announce(Heading{Vault: p.Orders.Vault, Reads: 1})
	c, r := p.send(Task{Errand: Launch}, nil)
	if c.PID() != h.PID || !r.OK() {
		t.Fatalf("%d serves, not %d: %+v", c.PID(), h.PID, r)
	}
	c.Open()
	<-c.Ended()
	if got := p.out(); got != "x\n" {
		t.Errorf("got %q", got)
	}
}

func TestACourierThatWasStartedAheadAndIsNotNeededEnds(t *testing.T) {
	h, p := startedAhead(t)
	p.Preserve = []int{2} // which it has not
	if c, _ := p.send(Task{Errand: Launch}, nil); c.PID() == h.PID {
		t.Error("it serves without the descriptor that the command is to get")
	}
	p.Close()
	if err := unix.Kill(h.PID, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("it is there still: %v", err)
	}
}
