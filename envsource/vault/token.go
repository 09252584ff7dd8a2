package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// Token returns the token that couriers are to use now, and its epoch: what a courier read with it hangs on it.
func (k *Keeper) Token() (id secret.Text, epoch int) {
	k.tell(func() { id, epoch = k.token.ID, k.token.epoch })
	return id, epoch
}

// watchToken begins to keep the token. A user's own is looked up first.
func (k *Keeper) watchToken() {
	t := &k.token
	t.policy = k.opts.Policy
	k.watchParent()
	if t.Own {
		t.take(Grant{t.TTL, t.Renewable}, k.toClock(t.Asked), k.roll)
		return
	}
	t.next, t.wake = poll, k.clock.Now().Add(lookAfter)
}

// lookAfter is when a token that vwrap was given is looked up: its command comes up first, and has the processors to itself.
const lookAfter = 100 * time.Millisecond

// askOfToken is ask for a question about the token; the answer is nothing where there is another one by then.
func (k *Keeper) askOfToken(request func() func()) {
	epoch := k.token.epoch
	k.ask(func() func() {
		answer := request()
		return func() {
			if epoch == k.token.epoch {
				answer()
			}
		}
	})
}

// take is what a grant means for a token: like a lease, but for one without an end.
func (t *tokenState) take(g Grant, asked time.Time, roll dice) {
	first := t.born.IsZero()
	if first {
		t.born, t.want = asked, g.TTL
	}
	if g.TTL == 0 {
		t.state = state{born: t.born}
		return
	}
	t.state = t.granted(asked, g, t.policy, roll)
	if first {
		t.state = t.first(asked, roll)
	}
}

func (k *Keeper) tokenLooked(asked time.Time, g Grant, err error) {
	t := &k.token
	t.busy = false
	t.doubted = t.doubted && err != nil
	switch {
	case err == nil:
		t.take(g, asked, k.roll)
		t.want = 0 // what is left is less than the TTL: the first renewal tells what is granted
		if g.TTL > 0 && !g.Renewable && k.opts.Login == nil {
			k.once("token", "the token cannot be renewed and lasts until %s: log in again before that", k.fromClock(t.expires).Format(time.TimeOnly))
		}
	case errors.Is(err, ErrToken):
		k.tokenDoubted()
	default:
		k.heard(err)
		t.failures++
		t.next, t.wake = poll, k.clock.Now().Add(max(backoff(t.failures, 0, k.roll), envsource.Wait(err)))
	}
}

// lookAtToken asks whether the token is alive, after a denial.
func (k *Keeper) lookAtToken() {
	if t := &k.token; !t.busy && t.next != poll {
		t.next, t.wake = poll, k.clock.Now()
	}
}

func (k *Keeper) doToken(ctx context.Context) {
	t := &k.token
	asked := k.clock.Now()
	switch t.next {
	case renew:
		t.busy = true
		id, want, expires := t.ID, t.want, t.expires
		k.askOfToken(func() func() {
			ctx, cancel := bounded(ctx, expires.Sub(asked))
			defer cancel()
			g, err := k.server.RenewToken(ctx, id, want)
			return func() { k.tokenRenewed(asked, g, err) }
		})
	case poll:
		t.busy = true
		id := t.ID
		k.askOfToken(func() func() {
			g, err := k.server.LookupToken(ctx, id)
			return func() { k.tokenLooked(asked, g, err) }
		})
	case replace:
		k.loginAgain(ctx)
	case expire: // Vault counts by itself, and whole seconds: ask when it is over there too
		t.next, t.wake = poll, asked.Add(time.Second)
	}
}

func (k *Keeper) tokenRenewed(asked time.Time, g Grant, err error) {
	t := &k.token
	t.busy = false
	t.doubted = t.doubted && err != nil
	k.heard(err)
	switch {
	case err == nil:
		t.want = cmp.Or(t.want, g.TTL)
		t.take(g, asked, k.roll)
		k.opts.Log.Debug(fmt.Sprintf("renewed the token for %s", g.TTL))
		if t.next == replace && k.opts.Login == nil {
			k.once("token", "the token comes to its max TTL and lasts until %s: log in again before that", k.fromClock(t.expires).Format(time.TimeOnly))
		}
	case errors.Is(err, ErrToken):
		k.tokenDoubted()
	default:
		t.state = t.failed(err, k.clock.Now(), t.policy, k.roll)
	}
}

// loginAgain gets a token in place of one that comes to its end, and has what hangs on the old one replaced.
func (k *Keeper) loginAgain(ctx context.Context) {
	t := &k.token
	if k.opts.Login == nil {
		t.state = t.announced()
		return
	}
	t.busy = true
	k.ask(func() func() {
		token, err := k.opts.Login(ctx)
		return func() { k.loggedIn(token, err) }
	})
}

func (k *Keeper) loggedIn(token Token, err error) {
	t := &k.token
	t.busy = false
	if err != nil {
		k.heard(err)
		if !errors.Is(err, envsource.ErrUnavailable) {
			k.once("login", "cannot log in again: %v", err)
		}
		t.failures++
		t.next, t.wake = replace, k.clock.Now().Add(max(backoff(t.failures, 0, k.roll), envsource.Wait(err)))
		return
	}
	k.heard(nil)
	delete(k.warned, "login")
	k.opts.Log.Info("logged in again, as the token comes to its end")
	k.adoptToken(token, Grant{token.TTL, token.Renewable}, k.toClock(token.Asked))
	for _, it := range k.items {
		if k.hangsOnOld(it) && !it.told {
			k.announce(it, envsource.Notice{Reason: "the token it hangs on comes to its end", By: k.fromClock(it.expires)})
		}
	}
	k.letGoOldTokens()
}

// adoptToken has everything done with token from now on.
func (k *Keeper) adoptToken(token Token, g Grant, asked time.Time) {
	t := &k.token
	t.old[t.epoch] = t.letGo(token)
	*t = tokenState{Token: token, epoch: t.epoch + 1, old: t.old, policy: t.policy}
	t.take(g, asked, k.roll)
	k.server.SetToken(token.ID)
	k.watchParent()
}

// hangsOnOld reports whether it has a lease of an earlier token.
func (k *Keeper) hangsOnOld(it *item) bool {
	return it.held.LeaseID != "" && it.held.Epoch < k.token.epoch
}

// letGoOldTokens revokes the tokens that no kept lease hangs on any more.
func (k *Keeper) letGoOldTokens() {
	for epoch, id := range k.token.old {
		hangs := false
		for _, it := range k.items {
			hangs = hangs || it.held.LeaseID != "" && it.held.Epoch <= epoch
		}
		if hangs {
			continue
		}
		delete(k.token.old, epoch)
		k.revokeOld(id)
	}
}

// isBatch reports whether a token is a batch token, which can be neither renewed nor revoked
// (https://developer.hashicorp.com/vault/docs/concepts/tokens; its prefix is hvb., in OpenBao b.).
func isBatch(id secret.Text) bool {
	return strings.HasPrefix(id.Reveal(), "hvb.") || strings.HasPrefix(id.Reveal(), "b.")
}

// revokeOld lets an old token go.
func (k *Keeper) revokeOld(id secret.Text) {
	if !k.opts.Revoke || id.None() {
		return
	}
	k.ask(func() func() {
		err := k.server.RevokeToken(k.ctx, id)
		return func() {
			if err != nil {
				k.opts.Log.Debug(fmt.Sprintf("the old token could not be revoked: %v", err))
			}
		}
	})
}

// tokenDoubted: the server says that it does not know the token. A node that has just become the leader may say so of a
// good one; so it is asked again before anything is given up.
func (k *Keeper) tokenDoubted() {
	t := &k.token
	if t.doubted {
		k.tokenDied()
		return
	}
	t.doubted = true
	t.next, t.wake = poll, k.clock.Now().Add(spread(time.Second, 0.5, k.roll))
}

// tokenDied: what hung on the token is dead, or will be at once.
func (k *Keeper) tokenDied() {
	t := &k.token
	t.state = state{born: t.born, want: t.want}
	if k.opts.Login != nil {
		t.next, t.wake = replace, k.clock.Now()
		return
	}
	if len(k.items) == 0 {
		return // a start tells its own errors
	}
	k.once("dead token", "the token is dead, and there is no way to log in again: leases end with it")
	for _, it := range k.items {
		if it.held.LeaseID != "" {
			k.announce(it, envsource.Notice{Reason: "the token that it hangs on is dead", Expired: true, By: time.Now()})
			it.next = rest
		}
	}
}

// Close lets go of everything: with a token of its own it revokes that, and with it the leases; with a user's
// token, which is never revoked, it revokes the leases. It is called after Run has returned, and is bounded by
// ctx.
func (k *Keeper) Close(ctx context.Context) {
	if !k.opts.Revoke {
		return
	}
	if k.token.Own && k.revokeTokens(ctx) {
		return
	}
	for _, it := range k.items {
		if it.held.LeaseID != "" {
			k.left[it.held.LeaseID] = leftLease{held: it.held}
		}
	}
	type outcome struct {
		held envsource.Holding
		err  error
	}
	outcomes := make(chan outcome)
	for _, l := range k.left {
		go func() { outcomes <- outcome{l.held, k.server.Revoke(ctx, l.held.Read.Namespace, l.held.LeaseID)} }()
	}
	for range len(k.left) {
		o := <-outcomes
		k.revoked(o.held, o.err)
	}
}

// revokeTokens revokes the tokens that vwrap logged in for, and reports whether the leases have gone with them.
func (k *Keeper) revokeTokens(ctx context.Context) bool {
	gone := true
	for _, id := range append(slices.Collect(maps.Values(k.token.old)), k.token.revocable()) {
		if id.None() {
			gone = false
			continue
		}
		if err := k.server.RevokeToken(ctx, id); err != nil {
			gone = false
			k.opts.Log.Warn(fmt.Sprintf("the token could not be revoked and stays, with its leases, until it expires: %v", err))
		}
	}
	return gone
}
