package vault

import (
	"context"
	"errors"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// parentState is the keeping of the token that vwrap's own hangs on (vault.token_ttl). It is only kept alive: when it
// cannot be, vwrap's own dies with it, and that is seen there.
type parentState struct {
	busy     bool
	wake     time.Time // to renew it; zero is never
	failures int
}

// watchParent begins to keep the parent of the token, where it has one.
func (k *Keeper) watchParent() {
	if k.token.Parent != nil {
		k.token.parent = parentState{wake: k.clock.Now()}
	}
}

// keepParent renews it, which also tells what it is granted: nothing else is known of a user's.
func (k *Keeper) keepParent(ctx context.Context) {
	k.token.parent.busy = true
	id, asked := k.token.Parent.ID, k.clock.Now()
	k.askOfToken(func() func() {
		g, err := k.server.RenewToken(ctx, id, 0)
		return func() { k.parentKept(asked, g, err) }
	})
}

func (k *Keeper) parentKept(asked time.Time, g Grant, err error) {
	p := &k.token.parent
	p.busy = false
	switch {
	case errors.Is(err, ErrToken), err == nil && (g.TTL == 0 || !g.Renewable):
		p.wake = time.Time{}
	case err != nil:
		k.heard(err)
		p.failures++
		p.wake = k.clock.Now().Add(max(backoff(p.failures, 0, k.roll), envsource.Wait(err)))
	default:
		p.failures = 0
		p.wake = asked.Add(max(spread(time.Duration(float64(g.TTL)*k.opts.Policy.RenewAt), 0.1, k.roll), minLife))
	}
}
