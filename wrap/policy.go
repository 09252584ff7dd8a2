// Package wrap decides when a generation of the user's command starts, is signalled, is replaced and ends, and
// what status vwrap returns.
//
// A generation is the command with one set of values. wrap knows neither Vault nor the system: couriers are sent
// out by a Launcher, credentials are kept by a Keeper, and what wrap sees of either has no value in it.
package wrap

import (
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/signals"
)

// Action is what a rotation does to the command.
type Action string

// The actions, in the order of their strength: of those that one rotation calls for, the strongest is taken.
const (
	None    Action = "none"    // nothing
	Signal  Action = "signal"  // a signal
	Overlap Action = "overlap" // start the next one, and stop the last when that is ready
	Restart Action = "restart" // stop, then start anew
	Exit    Action = "exit"    // stop, and vwrap exits with StatusRotate
)

var strength = []Action{None, Signal, Overlap, Restart, Exit}

// Stronger returns the stronger of two actions.
func Stronger(a, b Action) Action {
	if slices.Index(strength, b) > slices.Index(strength, a) {
		return b
	}
	return a
}

// Exit statuses that are vwrap's own.
const (
	StatusRotate = 75  // after a rotation with the action exit (EX_TEMPFAIL, sysexits.h)
	StatusFailed = 125 // vwrap itself failed, as with env(1) and docker run
)

// Policy is how a command is treated.
type Policy struct {
	ActionFor    func(envsource.Holding) Action
	Signal       unix.Signal                                        // for the action signal
	StopSignal   unix.Signal                                        // that asks the command to end
	StopGrace    time.Duration                                      // from there to KILL
	Settle       time.Duration                                      // changes within it become one rotation
	Splay        time.Duration                                      // a random delay up to this
	Rewrites     signals.Rewrites                                   // of what is passed on
	Saved        signals.Kept                                       // came before there was a command: for the first one
	Drain        bool                                               // wait for what a command leaves behind also where it ends by itself
	StopFirst    bool                                               // stop the old command before new credentials are fetched
	StopOnExpiry bool                                               // end with StatusFailed where a credential dies and cannot be replaced
	Shared       bool                                               // the command is in vwrap's process group, which the terminal's signals reach
	Await        func(Generation) (ready <-chan error, stop func()) // for Overlap: when the generation serves (nil), or that it will not; stop ends the wait
	Handle       *Handle                                            // for those who ask something of the run; nil: nobody does
	Publish      func(uint64, Generation)                           // told, in the loop, whose values are the command's from now on, before it can ask; may be nil
	Rotated      func(Rotation)                                     // told of each one, in the loop: it must not wait; nil: nobody is
	Log          *slog.Logger
}

// Rotation is one that was done.
type Rotation struct {
	Generation uint64
	Variables  []string
	Action     Action
}
