package vault

import "time"

// pace spaces the requests that a keeper makes when time has come: renewals of leases and looks at versions. A wrapper may have a
// thousand leases, fetched in one second and of one TTL; what came due together, in an outage perhaps, is worked off one by one.
type pace struct {
	gap  time.Duration // from one request to the next
	free time.Time     // when the next one may be made
}

// mostGap is the longest gap: no one waits longer for another.
const mostGap = time.Second

// meet sets the gap to half of what it could be if items came evenly. The other half is for what comes late.
func (p *pace) meet(items map[string]*item) {
	rate := 0.0 // requests a nanosecond
	for _, it := range items {
		if it.every > 0 {
			rate += 1 / float64(it.every)
		}
	}
	p.gap = mostGap
	if even := 1 / rate; even < float64(2*mostGap) {
		p.gap = time.Duration(even / 2)
	}
}

// turn reports whether what is due about it may be done at now. Else its wake becomes its turn, which is not later than half-way
// to its end: time must be left for another try.
func (p *pace) turn(it *item, now time.Time) bool {
	if it.turn || it.next != renew && it.next != poll {
		it.turn = false
		return true
	}
	at := latest(now, p.free)
	if last := it.wake.Add(it.expires.Sub(it.wake) / 2); it.next == renew && at.After(last) {
		at = latest(now, last)
	} else {
		p.free = at.Add(p.gap)
	}
	it.wake, it.turn = at, at.After(now)
	return !it.turn
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
