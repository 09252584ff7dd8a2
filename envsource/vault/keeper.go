package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// server is what the keeper asks of Vault; *Client is one.
type server interface {
	Renew(ctx context.Context, ns, id string, increment time.Duration) (Grant, error)
	Revoke(ctx context.Context, ns, id string) error
	Version(ctx context.Context, r envsource.Read) (string, error)
	LookupToken(ctx context.Context, token secret.Text) (Grant, error)
	RenewToken(ctx context.Context, token secret.Text, increment time.Duration) (Grant, error)
	RevokeToken(ctx context.Context, token secret.Text) error
	SetToken(token secret.Text)
}

// Options are what a Keeper works with.
type Options struct {
	Policy       Policy
	PollFor      func(envsource.Holding) time.Duration    // over Policy.Poll, where it is not 0; may be nil
	ReleaseAfter time.Duration                            // for leases that a program may hold still; 0: let them expire
	Revoke       bool                                     // false: nothing is ever revoked (--no-revoke)
	Login        func(ctx context.Context) (Token, error) // nil: the token cannot be had again
	Clock        Clock                                    // nil: Go's own
	Log          *slog.Logger
}

// Keeper keeps what the generations hold: it renews, looks for changes, tells the wrapper what it must replace,
// and revokes a lease when no generation refers to it. One loop, started by Run, owns all its state; the other
// methods send it messages and may be called from any goroutine.
type Keeper struct {
	server   server
	opts     Options
	clock    Clock
	roll     dice
	pace     pace
	messages chan func()
	answers  chan func()
	notices  chan envsource.Notice
	stopped  chan struct{}
	ctx      context.Context // of Run: requests end with it
	under    int             // requests under way; Run waits for them
	slots    chan struct{}   // as many as are made at once

	generations map[uint64]map[string]bool // generation → ids of items
	items       map[string]*item
	left        map[string]leftLease // let go of, not revoked yet, by lease ID
	outbox      []envsource.Notice
	token       tokenState
	warned      map[string]bool // messages said once
	problem     string          // in which words the server cannot be had; "" where it can
	since       time.Time       // of that, of Go's clock
	watching    bool            // the token
}

// leftLease is a lease that no generation holds and that is not revoked: a program may hold it still, or the
// request is under way.
type leftLease struct {
	held envsource.Holding
	at   time.Time // when to revoke it; zero is at the end of vwrap
}

// item is a holding that is kept.
type item struct {
	state
	held    envsource.Holding
	busy    bool          // a request about it is under way
	problem string        // of the last request
	every   time.Duration // how long it is about from one request to the next; 0: none is made
	turn    bool          // its wake is its turn
}

type tokenState struct {
	state
	Token
	epoch   int
	busy    bool
	doubted bool // the server did not know it, when asked last
	parent  parentState
	old     map[int]secret.Text // tokens of earlier epochs that leases may still hang on
	policy  Policy
}

// NewKeeper returns a keeper that makes its requests with client, whose token is set already.
func NewKeeper(client *Client, token Token, o Options) *Keeper { return newKeeper(client, token, o) }

func newKeeper(s server, token Token, o Options) *Keeper {
	clock := o.Clock
	if clock == nil {
		clock = goClock{}
	}
	return &Keeper{
		server: s, opts: o, clock: clock, roll: rand.Float64, slots: make(chan struct{}, mostRequests),
		messages: make(chan func()), answers: make(chan func()), notices: make(chan envsource.Notice), stopped: make(chan struct{}),
		generations: map[uint64]map[string]bool{}, items: map[string]*item{}, left: map[string]leftLease{},
		warned: map[string]bool{}, token: tokenState{Token: token, old: map[int]secret.Text{}},
	}
}

// Notices is where the wrapper is told. A notice is sent once, until Hold says that it was heeded.
func (k *Keeper) Notices() <-chan envsource.Notice { return k.notices }

// Notice tells the wrapper of a holding that is none of Vault's, in turn with what the keeper has to tell itself.
func (k *Keeper) Notice(n envsource.Notice) { k.tell(func() { k.outbox = append(k.outbox, n) }) }

// Run keeps until ctx ends. When it returns no goroutine of the keeper is left.
func (k *Keeper) Run(ctx context.Context) {
	k.ctx = ctx
	defer close(k.stopped)
	alarm := k.clock.NewAlarm()
	defer alarm.Stop()
	for {
		k.act(ctx, k.clock.Now())
		alarm.Set(k.nextWake())
		var notices chan envsource.Notice
		var first envsource.Notice
		if len(k.outbox) > 0 {
			notices, first = k.notices, k.outbox[0]
		}
		select {
		case <-ctx.Done():
			k.drain()
			return
		case <-alarm.Rings():
		case f := <-k.messages:
			f()
		case f := <-k.answers:
			k.under--
			f()
		case notices <- first:
			k.outbox = k.outbox[1:]
		}
	}
}

// drain takes the answers that are still to come. What they say is that they were given up: nothing to log.
func (k *Keeper) drain() {
	log := k.opts.Log
	k.opts.Log = slog.New(slog.DiscardHandler)
	for k.under > 0 {
		f := <-k.answers
		k.under--
		f()
	}
	k.opts.Log = log
}

// tell runs f in the loop; it reports false where the loop has ended.
func (k *Keeper) tell(f func()) bool {
	done := make(chan struct{})
	select {
	case k.messages <- func() { f(); close(done) }:
		<-done
		return true
	case <-k.stopped:
		return false
	}
}

// mostRequests is how many requests are made at once; the others wait for their turn.
const mostRequests = 8

// ask makes a request in a goroutine of its own; what it returns runs in the loop.
func (k *Keeper) ask(request func() func()) {
	k.under++
	go func() {
		k.slots <- struct{}{}
		answer := request()
		<-k.slots
		k.answers <- answer
	}()
}

// bounded bounds a request about what has so much time left, so that there is time for another one where nobody answers.
func bounded(ctx context.Context, left time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(time.Second, min(left/3, requestTimeout)))
}

// toClock is a time of Go's clock in the keeper's, and fromClock the other way round: who is told of a time has Go's.
func (k *Keeper) toClock(t time.Time) time.Time { return k.clock.Now().Add(-time.Since(t)) }

func (k *Keeper) fromClock(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Now().Add(t.Sub(k.clock.Now()))
}

// Hold says that generation n holds hs and nothing else. What it held before, and no generation holds now, is
// released; the channel is closed when that is done.
func (k *Keeper) Hold(n uint64, hs []envsource.Holding) <-chan struct{} {
	done := make(chan struct{})
	told := k.tell(func() {
		if !k.watching && len(hs) > 0 { // not before there is something to keep: a start has better things to do
			k.watching = true
			k.watchToken()
		}
		before := k.generations[n]
		k.generations[n] = map[string]bool{}
		for _, h := range hs {
			id := idOf(h)
			k.generations[n][id] = true
			k.adopt(id, h)
		}
		k.pace.meet(k.items)
		k.release(before, false, func() { close(done) })
	})
	if !told {
		close(done)
	}
	return done
}

// idOf tells holdings apart: those of two generations may have one key and two leases.
func idOf(h envsource.Holding) string { return h.Key + "\x00" + h.LeaseID }

// adopt begins to keep h, or goes on where h says nothing new.
func (k *Keeper) adopt(id string, h envsource.Holding) {
	known, ok := k.items[id]
	if ok && known.held.Asked.Equal(h.Asked) {
		return
	}
	p, asked := k.policy(h), k.toClock(h.Asked)
	it := &item{held: h, state: begin(h, asked, p, k.roll)}
	if it.next == renew || it.next == poll {
		it.every = it.wake.Sub(asked)
	}
	if !ok && h.Kind != envsource.KindRotated { // that is looked at when it is due
		it.state = it.first(asked, k.roll)
	}
	k.items[id] = it
	if (h.Kind == envsource.KindLeased || h.Kind == envsource.KindTimed) && p.tooShort(h.TTL) && !h.Renewable {
		k.once("short "+h.Key, "%s: %s lives %s, which is too short for a rotation of up to %s: the old program may outlive its credential",
			strings.Join(h.Variables, ", "), h.Read, h.TTL, p.Lead)
	}
}

func (k *Keeper) policy(h envsource.Holding) Policy {
	p := k.opts.Policy
	if k.opts.PollFor != nil {
		p.Poll = cmp.Or(k.opts.PollFor(h), p.Poll)
	}
	return p
}

// Drop says that generation n is over. Leases that no other generation holds are revoked; with leave, because a
// program may hold them still, they are left to expire, or revoked after Options.ReleaseAfter. The channel is
// closed when that is done.
func (k *Keeper) Drop(n uint64, leave bool) <-chan struct{} {
	done := make(chan struct{})
	told := k.tell(func() {
		ids := k.generations[n]
		delete(k.generations, n)
		k.release(ids, leave, func() { close(done) })
	})
	if !told {
		close(done)
	}
	return done
}

// release lets go of the items of ids that no generation holds, and calls done when what is to be revoked at once
// has been.
func (k *Keeper) release(ids map[string]bool, leave bool, done func()) {
	waiting := 1
	oneDone := func() {
		if waiting--; waiting == 0 {
			done()
		}
	}
	for id := range ids {
		if k.heldByAny(id) {
			continue
		}
		h := k.items[id].held
		delete(k.items, id)
		k.outbox = slices.DeleteFunc(k.outbox, func(n envsource.Notice) bool { return n.Key == h.Key })
		switch {
		case h.LeaseID == "" || !k.opts.Revoke:
		case !k.token.old[h.Epoch].None(): // it goes with its token, which is vwrap's own
		case leave && k.opts.ReleaseAfter == 0:
			k.left[h.LeaseID] = leftLease{held: h}
		case leave:
			k.left[h.LeaseID] = leftLease{held: h, at: k.clock.Now().Add(k.opts.ReleaseAfter)}
		default:
			waiting++
			k.revoke(h, oneDone)
		}
	}
	k.letGoOldTokens()
	oneDone()
}

func (k *Keeper) heldByAny(id string) bool {
	for _, ids := range k.generations {
		if ids[id] {
			return true
		}
	}
	return false
}

// revoke revokes h's lease and calls done, whatever came of it. A lease whose revocation failed is tried again by
// Close.
func (k *Keeper) revoke(h envsource.Holding, done func()) {
	k.left[h.LeaseID] = leftLease{held: h}
	k.ask(func() func() {
		err := k.server.Revoke(k.ctx, h.Read.Namespace, h.LeaseID)
		return func() {
			if err == nil {
				delete(k.left, h.LeaseID)
			}
			k.revoked(h, err)
			done()
		}
	})
}

func (k *Keeper) revoked(h envsource.Holding, err error) {
	switch {
	case err == nil:
		k.opts.Log.Debug(fmt.Sprintf("revoked the lease of %s", h.Read))
	case errors.Is(err, envsource.ErrDenied):
		k.once("revoke", `old leases cannot be revoked and stay until they expire: the token's policies lack: path "sys/leases/revoke" { capabilities = ["update"] }`)
	default:
		k.opts.Log.Warn(fmt.Sprintf("%s: the old lease could not be revoked and stays until it expires: %v", h.Read, err))
	}
}

// once warns, the first time that it is called with name.
func (k *Keeper) once(name, format string, args ...any) {
	if !k.warned[name] {
		k.warned[name] = true
		k.opts.Log.Warn(fmt.Sprintf(format, args...))
	}
}

// nextWake is until when there is nothing to do.
func (k *Keeper) nextWake() time.Time {
	wake := k.clock.Now().Add(time.Hour)
	for _, it := range k.items {
		if !it.busy && it.next != rest && it.wake.Before(wake) {
			wake = it.wake
		}
	}
	for _, l := range k.left {
		if !l.at.IsZero() && l.at.Before(wake) {
			wake = l.at
		}
	}
	if !k.token.busy && k.token.next != rest && k.token.wake.Before(wake) {
		wake = k.token.wake
	}
	if p := k.token.parent; !p.busy && !p.wake.IsZero() && p.wake.Before(wake) {
		wake = p.wake
	}
	return wake
}

// act does what is due at now.
func (k *Keeper) act(ctx context.Context, now time.Time) {
	for _, it := range k.due(now) {
		if k.pace.turn(it, now) {
			k.do(ctx, it)
		}
	}
	for _, l := range k.left {
		if !l.at.IsZero() && !l.at.After(now) {
			k.revoke(l.held, func() {})
		}
	}
	if t := &k.token; !t.busy && t.next != rest && !t.wake.After(now) {
		k.doToken(ctx)
	}
	if p := &k.token.parent; !p.busy && !p.wake.IsZero() && !p.wake.After(now) {
		k.keepParent(ctx)
	}
}

// due are the items about which something is to be done at now, what has waited longest first.
func (k *Keeper) due(now time.Time) (due []*item) {
	for _, it := range k.items {
		if !it.busy && it.next != rest && !it.wake.After(now) {
			due = append(due, it)
		}
	}
	slices.SortFunc(due, func(a, b *item) int {
		return cmp.Or(a.wake.Compare(b.wake), cmp.Compare(idOf(a.held), idOf(b.held)))
	})
	return due
}

func (k *Keeper) do(ctx context.Context, it *item) {
	h, p := it.held, k.policy(it.held)
	switch it.next {
	case renew:
		it.busy = true
		expires := it.expires
		k.ask(func() func() {
			asked := k.clock.Now() // not before its turn has come
			ctx, cancel := bounded(ctx, expires.Sub(asked))
			defer cancel()
			g, err := k.server.Renew(ctx, h.Read.Namespace, h.LeaseID, it.want)
			return func() { k.renewed(it, asked, g, err, p) }
		})
	case poll:
		if it.lapsed(k.clock.Now()) {
			k.outbox = append(k.outbox, envsource.Notice{
				Key: h.Key, Reason: "its version is past its deletion_time", Confirm: true, Expired: true, By: k.fromClock(it.expires),
			})
		}
		it.busy = true
		k.ask(func() func() {
			ctx, cancel := bounded(ctx, 3*p.Poll)
			defer cancel()
			version, err := k.server.Version(ctx, h.Read)
			return func() { k.versioned(it, version, err, p) }
		})
	case check:
		k.announce(it, envsource.Notice{Reason: "time to look", Confirm: true, Probe: true})
	case replace:
		k.announce(it, envsource.Notice{Reason: it.reason(), By: k.fromClock(it.expires), Expired: !it.expires.IsZero() && !it.expires.After(k.clock.Now())})
	case expire:
		k.announce(it, envsource.Notice{Reason: "it has ended", By: k.fromClock(it.expires), Expired: true})
		it.next = rest
	}
}

// lapsed reports, once, that what has a known end but is polled until then is past it.
func (it *item) lapsed(now time.Time) bool {
	if it.told || it.expires.IsZero() || now.Before(it.expires) {
		return false
	}
	it.told = true
	return true
}

func (it *item) reason() string {
	if it.failures > 0 {
		return "its lease cannot be renewed"
	}
	if it.held.LeaseID == "" {
		return "it comes to its end"
	}
	return "its lease comes to its end"
}

func (k *Keeper) announce(it *item, n envsource.Notice) {
	n.Key = it.held.Key
	k.outbox = append(k.outbox, n)
	it.state = it.announced()
}

func (k *Keeper) renewed(it *item, asked time.Time, g Grant, err error, p Policy) {
	it.busy, it.problem = false, problemOf(err)
	if err != nil {
		k.heard(err)
		it.state = it.failed(err, k.clock.Now(), p, k.roll)
		if errors.Is(err, ErrGone) {
			k.opts.Log.Warn(fmt.Sprintf("%s: its lease was revoked", strings.Join(it.held.Variables, ", ")))
		} else if !errors.Is(err, envsource.ErrUnavailable) {
			k.once("renew "+it.held.Key, "%s: the lease of %s cannot be renewed: %v", strings.Join(it.held.Variables, ", "), it.held.Read, err)
		}
		if errors.Is(err, envsource.ErrDenied) {
			k.lookAtToken()
		}
		return
	}
	k.heard(nil)
	it.state = it.granted(asked, g, p, k.roll)
	k.opts.Log.Debug(fmt.Sprintf("renewed the lease of %s for %s", it.held.Read, g.TTL))
}

func (k *Keeper) versioned(it *item, version string, err error, p Policy) {
	it.busy, it.problem = false, problemOf(err)
	k.heard(err)
	switch {
	case err == nil && version != it.held.Stamp:
		number, _, _ := strings.Cut(version, " ")
		k.announce(it, envsource.Notice{Reason: fmt.Sprintf("%s has a new version %s", it.held.Read, number), Confirm: true})
		return
	case errors.Is(err, envsource.ErrDenied):
		k.once("metadata "+it.held.Key, `%s: no access to its metadata: reading it whole every %s instead: path %q { capabilities = ["read"] } is cheaper`,
			it.held.Read, p.Poll, it.held.Read.Mount+"metadata/"+strings.TrimPrefix(it.held.Read.Path, it.held.Read.Mount+"data/"))
		it.next = check
	case errors.Is(err, envsource.ErrMissing):
		k.once("deleted "+it.held.Key, "%s: %s is deleted: keeping the value it had", strings.Join(it.held.Variables, ", "), it.held.Read)
	}
	it.state = it.looked(k.clock.Now(), err, p, k.roll)
}

func problemOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Heard is what a courier found of the server: problem is the outage it met, or "" where it was answered.
func (k *Keeper) Heard(problem string) {
	k.tell(func() {
		var err error
		if problem != "" {
			err = envsource.Mark(errors.New(problem), envsource.ErrUnavailable)
		}
		k.heard(err)
	})
}

// heard notes whether the server answers, and says so when that changes.
func (k *Keeper) heard(err error) {
	switch down := errors.Is(err, envsource.ErrUnavailable); {
	case len(k.items) == 0: // a start tells its own errors
	case down && k.problem == "":
		k.problem, k.since = err.Error(), time.Now()
		k.opts.Log.Warn(fmt.Sprintf("%v: the command goes on with what it has", err))
	case !down && k.problem != "":
		k.problem, k.since = "", time.Time{}
		k.opts.Log.Info("Vault answers again")
	}
}
