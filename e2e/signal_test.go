package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	firstRealtime = unix.Signal(34)
	lastRealtime  = unix.Signal(64)
)

// TestSignalsUnderLoad: a thousand signals of all kinds within about a second. None of the real-time ones is lost; of
// a standard one that comes again and again one may stand for several, but the last is never forgotten.
func TestSignalsUnderLoad(t *testing.T) {
	t.Parallel()
	r := startSignalLog(t)
	kinds := append(standardSignals(), realtimeSignals()...)
	sent, before := map[unix.Signal]int{}, map[unix.Signal]int{}
	for i := range 1000 {
		s := kinds[i%len(kinds)]
		if i >= 2*len(kinds) { // each twice; then as it falls
			s = kinds[rand.IntN(len(kinds))]
		}
		sent[s]++
		before[s] = len(r.received())
		check(t, unix.Kill(r.pid(), s))
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
	}
	allCame := func() error { return expectAll(r.received(), sent, before) }
	check(t, poll(patience, 100*time.Millisecond, allCame))
	time.Sleep(500 * time.Millisecond) // for what comes too often
	check(t, allCame())
	check(t, r.signal(unix.SIGTERM))
	r.expectStatus(7)
}

// discarded reports whether a pending s is taken away by another signal: a stop signal takes a CONT, and a CONT takes those
// (POSIX.1-2024, 2.4.1 Signal Generation and Delivery).
func discarded(s unix.Signal) bool {
	return slices.Contains([]unix.Signal{unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU}, s)
}

// expectAll compares what came with how often each was sent, and with how much had come before it was sent last.
func expectAll(came []unix.Signal, sent, before map[unix.Signal]int) error {
	count, last := map[unix.Signal]int{}, map[unix.Signal]int{}
	for i, s := range came {
		count[s]++
		last[s] = i
	}
	for s, n := range sent {
		switch {
		case s >= firstRealtime && count[s] != n, count[s] > n:
			return fmt.Errorf("signal %d was sent %d times and came %d times", s, n, count[s])
		case discarded(s): // another one may have taken it away on its way
		case count[s] == 0 || last[s] < before[s]:
			return fmt.Errorf("signal %d came %d times, but not after it was sent last", s, count[s])
		}
	}
	return nil
}

// TestSignalsEach: every signal that can be caught reaches the command as itself, but those that are vwrap's own.
func TestSignalsEach(t *testing.T) {
	t.Parallel()
	r := startSignalLog(t)
	for _, s := range []unix.Signal{unix.SIGCHLD, unix.SIGURG, unix.SIGPROF} {
		check(t, unix.Kill(r.pid(), s))
	}
	var want []unix.Signal
	for _, s := range append(standardSignals(), realtimeSignals()...) {
		check(t, unix.Kill(r.pid(), s))
		want = append(want, s)
		check(t, poll(patience, 2*time.Millisecond, func() error {
			if got := r.received(); !slices.Equal(got, want) {
				return fmt.Errorf("%v came, want %v", got, want)
			}
			return nil
		}))
	}
}

// TestSignalsOfTheLibrary: 32 and 33, with which the C library speaks to its threads, are passed on like all others. A
// program that is not told what they are ends by them, and vwrap with it; where they were ignored (what glibc's
// posix_spawn starts, make's children among them), they still are.
func TestSignalsOfTheLibrary(t *testing.T) {
	t.Parallel()
	ignored := ignoredHere(t)
	for _, s := range []unix.Signal{32, 33} {
		p := startBackground(t, vwrap("--", "sh", "-c", "echo up; exec sleep 1000"))
		p.expect(`(?m)^up$`)
		check(t, unix.Kill(p.pid(), s))
		status := 128 + int(s)
		if ignored&(1<<(s-1)) != 0 {
			check(t, unix.Kill(p.pid(), unix.SIGTERM))
			status = 143
		}
		p.expectStatus(status)
	}
}

// ignoredHere is the mask of the signals that the tests themselves ignore, and so hand on.
func ignoredHere(t *testing.T) (mask uint64) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	check(t, err)
	_, rest, _ := strings.Cut(string(status), "\nSigIgn:")
	_, err = fmt.Sscanf(rest, "%x", &mask)
	check(t, err)
	return mask
}

// standardSignals are those that are passed on and ask for nothing of vwrap: all but TERM, which begins a stop.
func standardSignals() (all []unix.Signal) {
	not := []unix.Signal{unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPROF, unix.SIGTERM}
	for s := unix.Signal(1); s < 32; s++ {
		if !slices.Contains(not, s) {
			all = append(all, s)
		}
	}
	return all
}

func realtimeSignals() (all []unix.Signal) {
	for s := firstRealtime; s <= lastRealtime; s++ {
		all = append(all, s)
	}
	return all
}

// signalLog is a vwrap around a command that writes "up", and then the number of each signal that it receives. At TERM
// it ends with the status 7.
type signalLog struct{ *background }

// signalLogProgram is Perl because a shell's trap and Go's os/signal make one of several signals of a number. It takes
// one in each turn: the handlers, and what runs between, have all blocked.
const signalLogProgram = `use strict; use POSIX;
my ($all, $none) = (POSIX::SigSet->new, POSIX::SigSet->new);
$all->fillset;
POSIX::sigprocmask(SIG_BLOCK, $all);
for my $n (grep { $_ != SIGKILL && $_ != SIGSTOP && $_ != 32 && $_ != 33 } 1 .. 64) {
  my $say = sub { syswrite(STDOUT, "$n\n"); exit 7 if $n == SIGTERM };
  POSIX::sigaction($n, POSIX::SigAction->new($say, $all)) or die "signal $n: $!";
}
syswrite(STDOUT, "up\n");
POSIX::sigsuspend($none) while 1;
`

func startSignalLog(t *testing.T, flags ...string) signalLog {
	r := signalLog{startBackground(t, append(vwrap(flags...), "--", "perl", "-e", signalLogProgram))}
	r.expect(`(?m)^up$`)
	return r
}

// received is what came so far, in the order in which it came.
func (r signalLog) received() (all []unix.Signal) {
	lines := strings.Split(r.said(), "\n")
	for _, line := range lines[1 : len(lines)-1] { // the first says "up", behind the last newline is nothing, or half a line
		n, err := strconv.Atoi(line)
		if err != nil {
			r.t.Error(err)
		}
		all = append(all, unix.Signal(n))
	}
	return all
}
