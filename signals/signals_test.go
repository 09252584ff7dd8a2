package signals

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"TERM": unix.SIGTERM, "SIGTERM": unix.SIGTERM, "term": unix.SIGTERM, "sigHup": unix.SIGHUP, "15": unix.SIGTERM, "usr2": unix.SIGUSR2, "34": 34,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "TREM", "0", "-1", "65", "SIG", "TERM "} {
		if got, err := Parse(text); !errors.Is(err, ErrUnknown) {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
	}
}

func TestName(t *testing.T) {
	for s, want := range map[unix.Signal]string{unix.SIGTERM: "TERM", unix.SIGUSR1: "USR1", 40: "40"} {
		if got := Name(s); got != want {
			t.Errorf("Name(%d) = %s", s, got)
		}
	}
}

func TestNotifyPassesSignalsOn(t *testing.T) {
	c := make(chan os.Signal, 1)
	defer Notify(c)()
	for _, want := range passed {
		if err := unix.Kill(os.Getpid(), want.(unix.Signal)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-c:
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%v did not come", want)
		}
	}
}
