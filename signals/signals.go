// Package signals knows signals by name and number, and which of them vwrap passes on to its command.
package signals

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrUnknown is wrapped where a name or number is no signal of this platform.
var ErrUnknown = errors.New("unknown signal")

// Parse returns the signal that text names as kill -l writes it: TERM, SIGTERM, term or 15.
func Parse(text string) (unix.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > 64 {
			return 0, fmt.Errorf("%w %q", ErrUnknown, text)
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("%w %q (want a name such as HUP, or a number)", ErrUnknown, text)
}

// Name is s as kill -l writes it: "TERM", or its number where it has no name.
func Name(s unix.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return strconv.Itoa(int(s))
}

// passed are the signals that go to the command.
var passed = []os.Signal{
	unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH,
}

// Notify has c receive the signals that are to be passed on, and returns what undoes that. A signal that was
// ignored when vwrap started (nohup; a job in the background of a script) stays ignored, here and in the command:
// asking for it would end that.
func Notify(c chan<- os.Signal) (stop func()) {
	for _, s := range passed {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return func() { signal.Stop(c) }
}

// Ends reports whether s asks a program to end, so that it must be obeyed also while none runs.
func Ends(s unix.Signal) bool { return s == unix.SIGTERM || s == unix.SIGINT || s == unix.SIGQUIT }
