package vault

import (
	"errors"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// Policy is how credentials are kept.
type Policy struct {
	RenewAt float64       // the part of a granted TTL after which it is renewed, in (0, 1)
	Poll    time.Duration // between two looks at a secret without a lease
	Lead    time.Duration // how long a rotation may take: settle, splay, fetching and stop grace
}

// verb is what is to be done next about a credential.
type verb int

const (
	rest    verb = iota // nothing: it has no end, or the wrapper has been told
	renew               // ask for more time
	poll                // ask for the newest version
	check               // tell the wrapper to probe: there is no version to ask for
	replace             // tell the wrapper that it must be replaced
	expire              // tell the wrapper that it is dead
)

// state is what is known of one credential, and what is to be done about it when. The functions that make a new
// state of an old one are pure: they know no clock, no server and no randomness of their own.
type state struct {
	next     verb
	wake     time.Time // when next is due; zero with rest
	born     time.Time // when the first grant was asked for
	want     time.Duration
	last     time.Duration // the last grant
	expires  time.Time     // the end of the last grant; zero is never
	ceiling  time.Time     // it ends then, whatever is granted; zero is never
	failures int           // of requests, in a row
	told     bool          // the wrapper knows that it must be replaced
}

// dice gives jitter: a number in [0, 1).
type dice func() float64

// begin is the state of what was just read, at the time asked.
func begin(h envsource.Holding, asked time.Time, p Policy, roll dice) state {
	s := state{born: asked, want: h.TTL}
	switch {
	case h.Kind == envsource.KindLeased && h.TTL > 0:
		s = s.granted(asked, Grant{h.TTL, h.Renewable}, p, roll)
	case h.Kind == envsource.KindTimed:
		s.last, s.expires = h.TTL, asked.Add(h.TTL)
		s.next, s.wake = replace, s.replaceAt(p, roll)
	case h.Kind == envsource.KindRotated:
		// The server is late now and then, and by hand it may rotate at any time: the poll interval is the most.
		s.next = check
		s.wake = asked.Add(min(h.TTL+spread(time.Second, 0.5, roll), spread(p.Poll, 0.1, roll)))
	case h.Absent && (h.Kind == envsource.KindKV1 || h.Kind == envsource.KindKV2), h.Kind == envsource.KindKV1:
		s.next, s.wake = check, asked.Add(spread(p.Poll, 0.1, roll))
	case h.Kind == envsource.KindKV2:
		if h.TTL > 0 {
			s.expires = asked.Add(h.TTL)
		}
		s.next, s.wake = poll, asked.Add(spread(p.Poll, 0.1, roll))
	}
	return s
}

// first is the state of what was not kept before the time asked: it is renewed or looked at earlier than it would have to be, by
// chance. What many wrappers, or one, fetched in the same second would else come in the same second ever after.
func (s state) first(asked time.Time, roll dice) state {
	switch wait := float64(s.wake.Sub(asked)); s.next {
	case renew: // in the second half: a lease of what does not live long is not renewed at all
		s.wake = asked.Add(time.Duration(wait * (0.5 + roll()/2)))
	case poll, check:
		s.wake = asked.Add(time.Duration(wait * roll()))
	}
	return s
}

// granted is the state after a grant that was asked for at the time asked. Less than was wanted means that the
// max TTL is near (Vault truncates a renewal there, since 1.14 with a warning): renewing is over.
func (s state) granted(asked time.Time, g Grant, p Policy, roll dice) state {
	s.failures, s.told = 0, false
	s.last, s.expires = g.TTL, asked.Add(g.TTL)
	capped := !s.ceiling.IsZero() && s.expires.After(s.ceiling)
	if capped {
		s.expires = s.ceiling
	}
	if g.Renewable && g.TTL >= s.want && !capped {
		s.next, s.wake = renew, asked.Add(spread(time.Duration(float64(g.TTL)*p.RenewAt), 0.1, roll))
		return s
	}
	s.next, s.wake = replace, s.replaceAt(p, roll)
	return s
}

// ending is the state of what is known to end at the time end.
func (s state) ending(end time.Time, p Policy, roll dice) state {
	s.ceiling = end
	if !s.expires.IsZero() && s.expires.Before(end) {
		return s // it is renewed until then
	}
	s.expires = end
	if !s.told {
		s.next, s.wake = replace, s.replaceAt(p, roll)
	}
	return s
}

// replaceAt is when a credential that cannot be renewed further is to be replaced: at 90% ±5% of its life, or so
// early that a rotation is over before its end, but never in the first half of its life: a TTL too short for the
// rotation's own length would otherwise be replaced without end.
func (s state) replaceAt(p Policy, roll dice) time.Time {
	life := s.expires.Sub(s.born)
	at := s.born.Add(spread(life*9/10, 0.05, roll))
	if early := s.expires.Add(-p.Lead); early.Before(at) {
		at = early
	}
	if half := s.born.Add(life / 2); at.Before(half) {
		at = half
	}
	if soonest := s.born.Add(minLife); at.Before(soonest) {
		return soonest
	}
	return at
}

// minLife is how long anything is used at least: what is dead when it comes must not be asked for without end.
const minLife = time.Second

// tooShort reports whether a credential granted for ttl cannot be rotated within its life.
func (p Policy) tooShort(ttl time.Duration) bool { return ttl > 0 && ttl/2 < p.Lead }

// failed is the state after a renewal that failed with err at now. An outage is waited out, until the credential's
// end: it may be renewable still when the server is back. A refusal is asked again too, but only until the time
// to replace it.
func (s state) failed(err error, now time.Time, p Policy, roll dice) state {
	if errors.Is(err, ErrGone) {
		s.next, s.wake = replace, now
		return s
	}
	s.failures++
	left := s.expires.Sub(now)
	wait := max(backoff(s.failures, left, roll), min(envsource.Wait(err), left/2))
	s.next, s.wake = renew, now.Add(wait)
	if errors.Is(err, envsource.ErrUnavailable) {
		if !s.expires.IsZero() && !s.wake.Before(s.expires) {
			s.next, s.wake = replace, s.expires
		}
		return s
	}
	if at := s.replaceAt(p, roll); !s.wake.Before(at) {
		s.next, s.wake = replace, at
	}
	return s
}

// announced is the state after the wrapper was told at now that this must be replaced.
func (s state) announced() state {
	s.told = true
	s.next, s.wake = rest, time.Time{}
	if !s.expires.IsZero() {
		s.next, s.wake = expire, s.expires
	}
	return s
}

// looked is the state after a look for changes at now found none, or failed.
func (s state) looked(now time.Time, err error, p Policy, roll dice) state {
	if err == nil || errors.Is(err, envsource.ErrMissing) {
		s.failures = 0
		s.wake = now.Add(spread(p.Poll, 0.1, roll))
		return s
	}
	s.failures++
	s.wake = now.Add(max(spread(p.Poll, 0.1, roll), backoff(s.failures, 0, roll), envsource.Wait(err)))
	return s
}

// spread is d ± part.
func spread(d time.Duration, part float64, roll dice) time.Duration {
	return d + time.Duration(float64(d)*part*(2*roll()-1))
}

// backoff is how long to wait after the n-th failure in a row: exponential from 1 s to 60 s with full jitter,
// within what is left (0 or less: no bound), and never under half a second.
func backoff(n int, left time.Duration, roll dice) time.Duration {
	most := time.Minute
	if n < 7 {
		most = time.Second << (n - 1)
	}
	if left > 0 {
		most = min(most, left/3)
	}
	return max(time.Duration(float64(most)*roll()), 500*time.Millisecond)
}
