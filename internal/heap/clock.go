//go:build vwrap_quiet

package heap

import (
	"time"
	_ "unsafe" // for go:linkname
)

// forcegcperiod is how long, in nanoseconds, Go's runtime leaves garbage at most. Its monitor (runtime, sysmon) wakes up twice in
// that time to see.
//
//go:linkname forcegcperiod runtime.forcegcperiod
var forcegcperiod int64

// stopClock has that end. The linker has to be told to let it (-checklinkname=0): docs/decisions/0017-quiet.md.
func stopClock() { forcegcperiod = int64(1000 * time.Hour) }
