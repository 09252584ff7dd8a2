package signals

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/signal.loop"))
}

func TestParse(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"TERM": unix.SIGTERM, "SIGTERM": unix.SIGTERM, "term": unix.SIGTERM, "sigHup": unix.SIGHUP, "15": unix.SIGTERM, "usr2": unix.SIGUSR2, "34": 34,
		"IOT": unix.SIGABRT, "SIGRTMIN": 34, "rtmin+3": 37, "SIGRTMAX-14": 50, "RTMAX": 64, "RTMIN+30": 64, "RTMAX-30": 34,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "TREM", "0", "-1", "65", "SIG", "TERM ", "RTMIN+", "RTMIN-1", "RTMIN+31", "RTMAX+1", "RTMAX-", "RTMIN+-1", "RTMIN3"} {
		if got, err := Parse(text); !errors.Is(err, ErrUnknown) {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
	}
}

func TestName(t *testing.T) {
	for s, want := range map[unix.Signal]string{unix.SIGTERM: "TERM", unix.SIGUSR1: "USR1", 34: "RTMIN", 49: "RTMIN+15", 50: "RTMAX-14", 64: "RTMAX", 33: "33"} {
		if got := Name(s); got != want {
			t.Errorf("Name(%d) = %s", s, got)
		}
	}
}

func TestEveryNameIsRead(t *testing.T) {
	for s := unix.Signal(1); s <= last; s++ {
		if got, err := Parse(Name(s)); err != nil || got != s {
			t.Errorf("Parse(%q) = %v, %v", Name(s), got, err)
		}
	}
}

func TestRewrites(t *testing.T) {
	r := Rewrites{}
	for _, text := range []string{"15:3", "USR1:SIGUSR2", "hup:0", "RTMIN:RTMIN+1"} {
		if err := r.ParseRewrite(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for from, want := range map[unix.Signal]unix.Signal{
		unix.SIGTERM: unix.SIGQUIT, unix.SIGUSR1: unix.SIGUSR2, unix.SIGHUP: 0, 34: 35, unix.SIGINT: unix.SIGINT,
	} {
		if got := r.Of(from); got != want {
			t.Errorf("%v is passed on as %v, want %v", from, got, want)
		}
	}
	for _, text := range []string{"", "15", ":", "15:", ":3", "0:3", "9:3", "CHLD:3", "foo:3", "15:65", "15:3:1"} {
		if err := (Rewrites{}).ParseRewrite(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// sender is a shell that sends this process what it is told to.
func sender(t *testing.T) func(s ...unix.Signal) {
	t.Helper()
	shell := exec.Command("sh", "-c", fmt.Sprintf("while read s; do kill -$s %d; done", os.Getpid()))
	orders, err := shell.StdinPipe()
	if err == nil {
		err = shell.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = orders.Close()
		_ = shell.Wait()
	})
	return func(all ...unix.Signal) {
		for _, s := range all {
			if _, err := fmt.Fprintln(orders, int(s)); err != nil {
				t.Error(err)
			}
		}
	}
}

// Each signal comes, real-time ones as often as they are sent.
func TestInboxReceivesEverySignal(t *testing.T) {
	send := sender(t)
	i := Listen()
	defer i.Close()
	for s := unix.Signal(1); s <= last; s++ {
		if !Passed(s) || signal.Ignored(s) {
			continue
		}
		send(s)
		if got := <-i.C; got.Signal != s {
			t.Errorf("got %v, want %v", got, s)
		}
	}
	if last < realtime {
		return
	}
	want := map[unix.Signal]int{}
	got := map[unix.Signal]int{}
	var all []unix.Signal
	for n := range 1000 {
		s := realtime + unix.Signal(n%(last-realtime+1))
		all = append(all, s)
		want[s]++
	}
	go send(all...)
	for range all {
		got[(<-i.C).Signal]++
	}
	for s, n := range want {
		if got[s] != n {
			t.Errorf("%s came %d times, was sent %d times", Name(s), got[s], n)
		}
	}
}

// What this process does to itself is not for the command: PIPE, when nobody reads what it writes.
func TestInboxLeavesOutWhatWasNotSent(t *testing.T) {
	send := sender(t)
	i := Listen()
	defer i.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("somebody reads")
	}
	_ = w.Close()
	send(unix.SIGUSR1)
	if got := <-i.C; got != (Received{Signal: unix.SIGUSR1}) {
		t.Errorf("got %v", got)
	}
}

// What comes again before it is taken is one, and nothing waits on the one that takes.
func TestInboxMergesStandardSignals(t *testing.T) {
	standard, taken := make(chan os.Signal), make(chan Received)
	i := &Inbox{C: taken, standard: make(chan os.Signal), queue: &queue{c: make(chan Received)}, closed: make(chan struct{}), done: make(chan struct{})}
	i.standard = standard
	go i.collect(taken)
	for range 3 {
		standard <- unix.SIGHUP
		standard <- unix.SIGUSR1
		i.queue.c <- Received{Signal: 40}
	}
	var got []unix.Signal
	for range 5 {
		got = append(got, (<-i.C).Signal)
	}
	if want := []unix.Signal{unix.SIGHUP, unix.SIGUSR1, 40, 40, 40}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	close(i.closed)
	<-i.done
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"TERM", "15:3", "RTMIN+3", "RTMAX-1", "-1", "SIGSIG"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := Parse(text); err == nil {
			if again, err := Parse(Name(s)); err != nil || again != s {
				t.Errorf("Parse(%q) = %v, whose name %q is %v", text, s, Name(s), again)
			}
		}
		_ = Rewrites{}.ParseRewrite(text)
	})
}
