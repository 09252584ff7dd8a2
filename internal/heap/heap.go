// Package heap has garbage collected when there is some, and not by the clock: Go's runtime does so every two minutes
// otherwise, which wakes all threads of a process that has nothing to do.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// least is what a process may have at least, in bytes, of what Go's runtime has from the system.
	least = 10 << 20
	// slack is how much garbage there may be before it is collected.
	slack = 4 << 20
)

// Rest gives back what is not used any more, and from then on has garbage collected once there are some megabytes of it.
// It is for a process that does little from now on, and is called once.
func Rest() {
	debug.SetGCPercent(-1) // with it goes the collection by the clock (runtime, gcTriggerTime)
	arm()
	debug.FreeOSMemory()
}

// sentinel is garbage at once: what finds it is a collection.
type sentinel struct{ _ *int }

// arm sets the limit for the next collection, and has itself called after that, since what is in use may be more then.
func arm() {
	debug.SetMemoryLimit(limit(used()))
	runtime.SetFinalizer(&sentinel{}, func(*sentinel) { arm() })
}

// limit is how much a process may have that has so much in use.
func limit(used int64) int64 { return max(least, used+slack) }

// used is what Go's runtime has from the system (as SetMemoryLimit counts it), but for garbage and what is free.
func used() int64 {
	names := []string{
		"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes",
		"/memory/classes/heap/unused:bytes", "/memory/classes/heap/objects:bytes",
	}
	samples := make([]metrics.Sample, len(names), len(names)+1)
	for i, name := range names {
		samples[i].Name = name
	}
	samples = append(samples, metrics.Sample{Name: "/gc/heap/live:bytes"})
	metrics.Read(samples)
	value := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	return value(0) - value(1) - value(2) - value(3) - value(4) + value(5)
}
