// Package signals knows signals by name and number, receives those that vwrap passes on to its command, and does to
// vwrap itself what a signal does: stop it, or end it.
//
// How a process deals with a signal is a setting of the whole process, so what this package does is seen by all of
// it.
package signals

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrUnknown is wrapped where a name or number is no signal of this platform.
var ErrUnknown = errors.New("unknown signal")

// aliases are second names, as signal(7) has them.
var aliases = map[string]unix.Signal{"IOT": unix.SIGABRT, "CLD": unix.SIGCHLD, "POLL": unix.SIGIO}

// Parse returns the signal that text names as kill -l writes it: TERM, SIGTERM, term, 15, RTMIN+3, RTMAX-1. Its
// error wraps ErrUnknown.
func Parse(text string) (unix.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > last {
			return 0, fmt.Errorf("%w %q (want a name such as HUP, or a number from 1 to %d)", ErrUnknown, text, last)
		}
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if s := unix.SignalNum("SIG" + name); s != 0 {
		return s, nil
	}
	if s := aliases[name]; s != 0 {
		return s, nil
	}
	if s := parseRealtime(name); s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("%w %q (want a name such as HUP, or a number)", ErrUnknown, text)
}

// parseRealtime is RTMIN, RTMIN+N, RTMAX or RTMAX-N; 0 where name is none of them.
func parseRealtime(name string) unix.Signal {
	if last < realtime {
		return 0
	}
	from, sign := realtime, "+"
	rest, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		if rest, ok = strings.CutPrefix(name, "RTMAX"); !ok {
			return 0
		}
		from, sign = last, "-"
	}
	if rest == "" {
		return unix.Signal(from)
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(rest, sign), 10, 8)
	if err != nil || !strings.HasPrefix(rest, sign) || int(n) > last-realtime {
		return 0
	}
	if sign == "-" {
		return unix.Signal(from - int(n))
	}
	return unix.Signal(from + int(n))
}

// Name is s as kill -l writes it: "TERM", "RTMIN+3", or its number where it has no name.
func Name(s unix.Signal) string {
	switch {
	case s < realtime || s > last:
	case s == realtime:
		return "RTMIN"
	case s == last:
		return "RTMAX"
	case s < 50:
		return fmt.Sprintf("RTMIN+%d", s-realtime)
	default:
		return fmt.Sprintf("RTMAX-%d", last-s)
	}
	if name := unix.SignalName(s); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return strconv.Itoa(int(s))
}

// Passed reports whether s is passed on: every signal is but those that cannot be caught (KILL, STOP) and those that
// are vwrap's own (CHLD; URG and PROF, which Go's runtime uses).
func Passed(s unix.Signal) bool {
	return s > 0 && s <= last && !slices.Contains([]unix.Signal{
		unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPROF,
	}, s)
}

// Ends reports whether s asks a program to end, so that it must be obeyed also while none runs.
func Ends(s unix.Signal) bool { return s == unix.SIGTERM || s == unix.SIGINT || s == unix.SIGQUIT }

// Stops reports whether s stops a process that has not arranged for anything else (signal(7)).
func Stops(s unix.Signal) bool {
	return s == unix.SIGTSTP || s == unix.SIGTTIN || s == unix.SIGTTOU || s == unix.SIGSTOP
}

// Rewrites are signals that are passed on as others: by the one that comes, the one that goes; 0 drops it.
type Rewrites map[unix.Signal]unix.Signal

// ParseRewrite reads FROM:TO, with two signals as Parse has them, TO also 0, and adds it to r.
func (r Rewrites) ParseRewrite(text string) error {
	from, to, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("want FROM:TO, such as 15:3 or TERM:QUIT; TO may be 0, which drops FROM")
	}
	s, err := Parse(from)
	if err != nil {
		return err
	}
	if !Passed(s) {
		return fmt.Errorf("%s never comes to be passed on", Name(s))
	}
	r[s] = 0
	if to != "0" {
		if r[s], err = Parse(to); err != nil {
			delete(r, s)
			return err
		}
	}
	return nil
}

// Of is what is passed on where s came; 0: nothing.
func (r Rewrites) Of(s unix.Signal) unix.Signal {
	if to, ok := r[s]; ok {
		return to
	}
	return s
}
