package vault

import (
	"errors"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// Offer gives the keeper another token of the user's: the one that is in the token's file now. It is used from when the
// server knows it. What hangs on the one before stays until that comes to its end, which nobody puts off any more.
func (k *Keeper) Offer(token Token) {
	k.tell(func() {
		if token.ID == k.token.ID {
			return
		}
		asked := k.clock.Now()
		k.ask(func() func() {
			g, err := k.server.LookupToken(k.ctx, token.ID)
			return func() { k.offered(token, asked, g, err) }
		})
	})
}

func (k *Keeper) offered(token Token, asked time.Time, g Grant, err error) {
	if errors.Is(err, ErrToken) {
		k.opts.Log.Warn("the new token is not valid: going on with the one before")
		return
	}
	old := k.token
	k.adoptToken(token, g, asked)
	t := &k.token
	t.want = 0 // what is left is less than the TTL: the first renewal tells what is granted
	if err != nil {
		k.heard(err)
		t.next, t.wake = poll, k.clock.Now().Add(max(backoff(1, 0, k.roll), envsource.Wait(err)))
	}
	delete(k.warned, "token")
	delete(k.warned, "dead token")
	k.opts.Log.Info("using the new token")
	for _, it := range k.items {
		if k.hangsOnOld(it) && !old.expires.IsZero() {
			it.state = it.ending(old.expires, k.policy(it.held), k.roll)
		}
	}
	k.letGoOldTokens()
}
