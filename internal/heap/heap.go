// Package heap has garbage collected when there is some, and not by the clock: Go's runtime does so every two minutes
// otherwise, which wakes all threads of a process that has nothing to do.
package heap

import (
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// least is what a process may have at least, in bytes, of what Go's runtime has from the system.
	least = 10 << 20
	// slack is how much garbage there may be before it is collected.
	slack = 4 << 20
	// processors is how many it runs on at once: each has memory of its own, and takes part in collections.
	processors = 2
	// sweeping is longer than it takes to find out what is garbage, once a collection is over.
	sweeping = 10 * time.Millisecond
)

// Rest gives back what is not used any more, and from then on has garbage collected once there are some megabytes of it.
// It is for a process that does little from now on, and is called once.
func Rest() {
	runtime.GOMAXPROCS(min(processors, runtime.GOMAXPROCS(0)))
	stopClock()
	debug.SetGCPercent(-1) // with it goes the collection by the clock (runtime, gcTriggerTime)
	debug.FreeOSMemory()
	arm() // what is in use is known by now, and nothing more runs that would touch what the caller lets go of next
}

// sentinel is garbage at once: what finds it is a collection.
type sentinel struct{ _ *int }

// arm sets the limit for the next collection, and has itself called after that, since what is in use may be more then.
func arm() {
	debug.SetMemoryLimit(limit(used()))
	runtime.SetFinalizer(&sentinel{}, func(*sentinel) { time.AfterFunc(sweeping, arm) })
}

// limit is how much a process may have that has so much in use.
func limit(used int64) int64 { return max(least, used+slack) }

// used is what Go's runtime has from the system, but for what is free and for garbage that has been swept.
// (runtime/metrics knows more, and takes a twentieth of a millisecond of each start to be initialised.)
func used() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapSys + m.HeapAlloc) //nolint:gosec // bytes of this machine
}
