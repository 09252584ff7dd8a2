package vault

import (
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// Kept is how one holding is kept, at a moment. Times are Go's; the zero time is never.
type Kept struct {
	Granted time.Duration // the TTL that was granted last
	Expires time.Time
	Next    string // "renew", "look", "replace", "expire", or "" for nothing
	At      time.Time
	Problem string // why the last request about it failed; "" where it did not
}

// TokenState is how vwrap's token is.
type TokenState struct {
	Kept
	Own bool // vwrap logged in for it
}

// State is what a keeper knows.
type State struct {
	held        map[string]Kept // by id
	Token       TokenState
	Outage      string // in which words the server cannot be had; "" where it can
	OutageSince time.Time
}

// State returns what the keeper knows now; nothing, once Run has returned.
func (k *Keeper) State() (s State) {
	k.tell(func() {
		s = State{held: map[string]Kept{}, Outage: k.problem, OutageSince: k.since}
		for id, it := range k.items {
			kept := k.inspect(it.state)
			kept.Problem = it.problem
			s.held[id] = kept
		}
		token := k.token.state
		if token.born.IsZero() && token.failures == 0 {
			token.next = rest // it is looked up in a moment, which is not worth to be told
		}
		s.Token = TokenState{Kept: k.inspect(token), Own: k.token.Own}
	})
	return s
}

// Of is how h is kept.
func (s State) Of(h envsource.Holding) (Kept, bool) {
	kept, ok := s.held[idOf(h)]
	return kept, ok
}

func (k *Keeper) inspect(s state) Kept {
	kept := Kept{Expires: k.fromClock(s.expires), Granted: s.last, Next: s.next.String(), At: k.fromClock(s.wake)}
	if s.next == rest {
		kept.At = time.Time{}
	}
	return kept
}

// String is the verb in a user's words.
func (v verb) String() string {
	switch v {
	case renew:
		return "renew"
	case poll, check:
		return "look"
	case replace:
		return "replace"
	case expire:
		return "expire"
	}
	return ""
}
