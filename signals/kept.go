package signals

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Kept are the signals that came while no command ran, and are for the next one.
type Kept []Received

// Obey does what s, to be passed on as to, means while no command runs, and reports whether that is vwrap's end. What
// stops programs stops vwrap, until it is continued; that is not the next command's concern.
func (k *Kept) Obey(s Received, to unix.Signal) (ends bool) {
	switch {
	case to == 0: // the user wants it dropped
	case Ends(s.Signal):
		return true
	case Stops(s.Signal):
		StopSelf(s.Signal, false, meant)
	case s.Signal != unix.SIGCONT:
		k.Add(s)
	}
	return false
}

// Add keeps s. As in the kernel, one standard signal of a kind waits, and each real-time one (signal(7)).
func (k *Kept) Add(s Received) { *k = queued(*k, s) }

// queued adds s to the signals that wait. As in the kernel, one standard signal of a kind waits, and each real-time one
// (signal(7)).
func queued(waiting []Received, s Received) []Received {
	same := slices.IndexFunc(waiting, func(r Received) bool { return r.Signal == s.Signal })
	if same < 0 || s.Signal >= realtime {
		return append(waiting, s)
	}
	waiting[same].Kernel = waiting[same].Kernel && s.Kernel
	return waiting
}
