package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// fakeServer answers as Vault does, in the bubble's time: leases have a TTL and a max TTL, counted from their start.
// The real one is in e2e; here it is the clock that matters.
type fakeServer struct {
	mu       sync.Mutex
	leases   map[string]*fakeLease
	versions map[string]string
	err      error // that every request is answered with
	deny     bool  // renewals alone are refused
	token    fakeLease
	revoked  []string
	tokens   []string // revoked
	kept     int      // how often usersParent was renewed
	renewals int
	current  string
	hang     bool // renewals are not answered
	strange  int  // so many requests about the token are answered as if it were not known
}

// usersParent is the ID of a token that another one hangs on.
const usersParent = "the user's"

type fakeLease struct {
	ttl, max   time.Duration
	start, end time.Time
}

func (l *fakeLease) renew() Grant {
	l.end = time.Now().Add(l.ttl)
	if last := l.start.Add(l.max); l.end.After(last) {
		l.end = last
	}
	return Grant{time.Until(l.end).Truncate(time.Second), true}
}

func newFakeServer() *fakeServer {
	return &fakeServer{leases: map[string]*fakeLease{}, versions: map[string]string{}}
}

// issue makes a lease and the holding of it.
func (f *fakeServer) issue(id string, ttl, most time.Duration) envsource.Holding {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leases[id] = &fakeLease{ttl: ttl, max: most, start: time.Now(), end: time.Now().Add(ttl)}
	return envsource.Holding{
		Key: "db", Read: envsource.Read{Path: "database/creds/app"}, Kind: envsource.KindLeased, LeaseID: id,
		TTL: ttl, Renewable: most > ttl, Asked: time.Now(), Variables: []string{"DB"},
	}
}

func (f *fakeServer) Renew(ctx context.Context, _, id string, _ time.Duration) (Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewals++
	if f.hang {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return Grant{}, envsource.Mark(ctx.Err(), envsource.ErrUnavailable)
	}
	if f.err != nil {
		return Grant{}, f.err
	}
	if f.deny {
		return Grant{}, envsource.Mark(errors.New("denied"), envsource.ErrDenied)
	}
	l, ok := f.leases[id]
	if !ok || time.Now().After(l.end) {
		return Grant{}, ErrGone
	}
	return l.renew(), nil
}

func (f *fakeServer) Revoke(_ context.Context, _, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	delete(f.leases, id)
	f.revoked = append(f.revoked, id)
	return nil
}

func (f *fakeServer) Version(_ context.Context, r envsource.Read) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return "", f.err
	}
	v, ok := f.versions[r.Path]
	if !ok {
		return "", envsource.Mark(errors.New("gone"), envsource.ErrMissing)
	}
	return v, nil
}

func (f *fakeServer) LookupToken(context.Context, secret.Text) (Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.strange > 0 {
		f.strange--
		return Grant{}, ErrToken
	}
	if f.err != nil {
		return Grant{}, f.err
	}
	if f.token.ttl == 0 {
		return Grant{}, nil
	}
	return Grant{time.Until(f.token.end), true}, nil
}

func (f *fakeServer) RenewToken(_ context.Context, id secret.Text, _ time.Duration) (Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id.Reveal() == usersParent {
		if f.err != nil {
			return Grant{}, f.err
		}
		f.kept++
		return Grant{time.Hour, true}, nil
	}
	if f.strange > 0 {
		f.strange--
		return Grant{}, ErrToken
	}
	if f.err != nil {
		return Grant{}, f.err
	}
	return f.token.renew(), nil
}

func (f *fakeServer) RevokeToken(_ context.Context, id secret.Text) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens = append(f.tokens, id.Reveal())
	return nil
}

func (f *fakeServer) SetToken(id secret.Text) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = id.Reveal()
}

func (f *fakeServer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// keeping runs a keeper in a bubble while body runs.
func keeping(t *testing.T, token Token, o Options, body func(t *testing.T, f *fakeServer, k *Keeper)) *strings.Builder {
	log := &strings.Builder{}
	synctest.Test(t, func(t *testing.T) {
		if o.Policy == (Policy{}) {
			o.Policy = Policy{RenewAt: 0.67, Poll: 30 * time.Second, Lead: 2 * time.Second}
		}
		o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		f := newFakeServer()
		if token.Own {
			token.Asked = time.Now()
		}
		k := newKeeper(f, token, o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { k.Run(ctx); close(done) }()
		body(t, f, k)
		cancel()
		<-done
	})
	return log
}

// notice waits for a notice within d of the bubble's time.
func notice(t *testing.T, k *Keeper, d time.Duration) envsource.Notice {
	t.Helper()
	select {
	case n := <-k.Notices():
		return n
	case <-time.After(d):
		t.Fatalf("no notice within %s", d)
		return envsource.Notice{}
	}
}

func quiet(t *testing.T, k *Keeper, d time.Duration) {
	t.Helper()
	select {
	case n := <-k.Notices():
		t.Fatalf("a notice that nothing calls for: %+v", n)
	case <-time.After(d):
	}
}

func TestALeaseIsRenewedUntilItsMaxTTLAndThenReplaced(t *testing.T) {
	keeping(t, Token{}, Options{Revoke: true}, func(t *testing.T, f *fakeServer, k *Keeper) {
		began := time.Now()
		k.Hold(1, []envsource.Holding{f.issue("a", 8*time.Second, 24*time.Second)})
		n := notice(t, k, 24*time.Second)
		if n.Key != "db" || n.Confirm || n.Expired {
			t.Errorf("notice %+v", n)
		}
		if age := time.Since(began); age < 12*time.Second {
			t.Errorf("replaced after %s, in the first half of its life", age)
		}
		if !n.By.Equal(began.Add(24*time.Second)) && n.By.Before(began.Add(23*time.Second)) {
			t.Errorf("it ends %s after its start, want its max TTL", n.By.Sub(began))
		}
		k.Hold(2, []envsource.Holding{f.issue("b", 8*time.Second, 24*time.Second)})
		<-k.Drop(1, false)
		if !slices.Equal(f.revoked, []string{"a"}) {
			t.Errorf("revoked %v, want the old lease alone", f.revoked)
		}
		quiet(t, k, 10*time.Second)
	})
}

func TestALeaseIsRevokedOnlyWhenNoGenerationHoldsIt(t *testing.T) {
	keeping(t, Token{}, Options{Revoke: true}, func(t *testing.T, f *fakeServer, k *Keeper) {
		h := f.issue("a", time.Hour, 24*time.Hour)
		k.Hold(1, []envsource.Holding{h})
		k.Hold(2, []envsource.Holding{h})
		<-k.Drop(1, false)
		if len(f.revoked) != 0 {
			t.Errorf("revoked %v while generation 2 holds it", f.revoked)
		}
		<-k.Hold(2, nil)
		if !slices.Equal(f.revoked, []string{"a"}) {
			t.Errorf("revoked %v, want a", f.revoked)
		}
	})
}

func TestALeaseThatAProgramMayHoldIsLeft(t *testing.T) {
	for _, after := range []time.Duration{0, 5 * time.Second} {
		keeping(t, Token{}, Options{Revoke: true, ReleaseAfter: after}, func(t *testing.T, f *fakeServer, k *Keeper) {
			k.Hold(1, []envsource.Holding{f.issue("a", time.Hour, 24*time.Hour)})
			<-k.Drop(1, true)
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := len(f.revoked) == 1; got != (after > 0) {
				t.Errorf("release_after %s: revoked %v", after, f.revoked)
			}
		})
	}
}

func TestCloseRevokesWhatIsLeft(t *testing.T) {
	for _, own := range []bool{false, true} {
		for _, revoke := range []bool{false, true} {
			t.Run(fmt.Sprintf("own=%v revoke=%v", own, revoke), func(t *testing.T) {
				var f *fakeServer
				var k *Keeper
				keeping(t, Token{ID: secret.New("t"), Own: own, TTL: time.Hour, Renewable: true}, Options{Revoke: revoke}, func(_ *testing.T, server *fakeServer, keeper *Keeper) {
					f, k = server, keeper
					k.Hold(1, []envsource.Holding{f.issue("a", time.Hour, 24*time.Hour)})
					k.Drop(1, true)
					k.Hold(2, []envsource.Holding{f.issue("b", time.Hour, 24*time.Hour)})
				})
				k.Close(t.Context())
				slices.Sort(f.revoked)
				wantLeases, wantTokens := []string(nil), []string(nil)
				switch {
				case revoke && own:
					wantTokens = []string{"t"}
				case revoke:
					wantLeases = []string{"a", "b"}
				}
				if !slices.Equal(f.revoked, wantLeases) || !slices.Equal(f.tokens, wantTokens) {
					t.Errorf("revoked leases %v, tokens %v", f.revoked, f.tokens)
				}
			})
		}
	}
}

// An outage that ends before the lease does costs nothing: the lease is renewed, and nobody is told.
func TestAnOutageWithinTheTTLGoesByUnnoticed(t *testing.T) {
	log := keeping(t, Token{}, Options{Revoke: true}, func(t *testing.T, f *fakeServer, k *Keeper) {
		k.Hold(1, []envsource.Holding{f.issue("a", 10*time.Minute, 24*time.Hour)})
		f.set(func() { f.err = envsource.Mark(errors.New("no answer"), envsource.ErrUnavailable) })
		quiet(t, k, 9*time.Minute)
		tries := 0
		f.set(func() { tries = f.renewals })
		if tries < 3 || tries > 60 {
			t.Errorf("%d tries in the outage: want backoff", tries)
		}
		f.set(func() { f.err = nil })
		quiet(t, k, time.Hour)
	})
	if down, up := strings.Count(log.String(), "no answer"), strings.Count(log.String(), "answers again"); down != 1 || up != 1 {
		t.Errorf("the outage was told %d times and its end %d times, want once each:\n%s", down, up, log)
	}
}

func TestAnOutageBeyondTheTTLIsToldAsAnEnd(t *testing.T) {
	keeping(t, Token{}, Options{Revoke: true}, func(t *testing.T, f *fakeServer, k *Keeper) {
		began := time.Now()
		k.Hold(1, []envsource.Holding{f.issue("a", time.Minute, 24*time.Hour)})
		f.set(func() { f.err = envsource.Mark(errors.New("no answer"), envsource.ErrUnavailable) })
		n := notice(t, k, 2*time.Minute)
		if !n.Expired || time.Since(began) < time.Minute {
			t.Errorf("%+v after %s", n, time.Since(began))
		}
	})
}

func TestARevokedLeaseIsReplacedAtOnce(t *testing.T) {
	keeping(t, Token{}, Options{Revoke: true}, func(t *testing.T, f *fakeServer, k *Keeper) {
		k.Hold(1, []envsource.Holding{f.issue("a", 10*time.Minute, 24*time.Hour)})
		f.set(func() { delete(f.leases, "a") })
		if n := notice(t, k, 8*time.Minute); n.Expired || n.By.IsZero() {
			t.Errorf("%+v", n)
		}
	})
}

// A policy without sys/leases/renew: the lease is replaced before its end, and the log says why once.
func TestARenewalThatIsDeniedEndsInAReplacement(t *testing.T) {
	log := keeping(t, Token{}, Options{Revoke: true}, func(t *testing.T, f *fakeServer, k *Keeper) {
		began := time.Now()
		k.Hold(1, []envsource.Holding{f.issue("a", 10*time.Minute, 24*time.Hour)})
		f.set(func() { f.deny = true })
		n := notice(t, k, 10*time.Minute)
		if n.Expired || time.Since(began) > 10*time.Minute-2*time.Second {
			t.Errorf("%+v after %s", n, time.Since(began))
		}
	})
	if n := strings.Count(log.String(), "cannot be renewed"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
}

func TestANonRenewableLeaseIsReplacedWithinItsLife(t *testing.T) {
	for _, ttl := range []time.Duration{5 * time.Second, time.Minute, 24 * time.Hour} {
		log := keeping(t, Token{}, Options{Revoke: true, Policy: Policy{RenewAt: 0.67, Poll: time.Minute, Lead: 9 * time.Second}},
			func(t *testing.T, f *fakeServer, k *Keeper) {
				began := time.Now()
				k.Hold(1, []envsource.Holding{f.issue("a", ttl, ttl)})
				n := notice(t, k, ttl)
				age := time.Since(began)
				if n.Expired || age < ttl/2 || age > ttl*95/100 || ttl > 20*time.Second && age > ttl-9*time.Second {
					t.Errorf("TTL %s: replaced after %s: %+v", ttl, age, n)
				}
			})
		if short := strings.Contains(log.String(), "too short"); short != (ttl < 18*time.Second) {
			t.Errorf("TTL %s: warned of a short TTL: %v", ttl, short)
		}
	}
}

func kv2(version string) envsource.Holding {
	return envsource.Holding{
		Key: "kv", Read: envsource.Read{Path: "secret/data/a", Mount: "secret/", Kind: envsource.KindKV2}, Kind: envsource.KindKV2,
		Stamp: version, Asked: time.Now(), Variables: []string{"A"},
	}
}

func TestANewVersionIsNoticedWithinThePollInterval(t *testing.T) {
	keeping(t, Token{}, Options{}, func(t *testing.T, f *fakeServer, k *Keeper) {
		f.set(func() { f.versions["secret/data/a"] = "1 t" })
		k.Hold(1, []envsource.Holding{kv2("1 t")})
		quiet(t, k, 10*time.Minute)
		f.set(func() { f.versions["secret/data/a"] = "2 t" })
		if n := notice(t, k, 33*time.Second); n.Key != "kv" || !n.Confirm || n.Probe {
			t.Errorf("%+v", n)
		}
		quiet(t, k, 10*time.Minute) // told once
		k.Hold(1, []envsource.Holding{kv2("2 t")})
		quiet(t, k, 10*time.Minute)
		f.set(func() { f.versions["secret/data/a"] = "3 t" })
		notice(t, k, 33*time.Second)
	})
}

func TestADeletedSecretIsKeptAndToldOnce(t *testing.T) {
	log := keeping(t, Token{}, Options{}, func(t *testing.T, f *fakeServer, k *Keeper) {
		k.Hold(1, []envsource.Holding{kv2("1 t")})
		quiet(t, k, 10*time.Minute)
	})
	if n := strings.Count(log.String(), "is deleted"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
}

func TestWithoutMetadataTheWrapperProbes(t *testing.T) {
	keeping(t, Token{}, Options{}, func(t *testing.T, f *fakeServer, k *Keeper) {
		f.set(func() { f.err = envsource.Mark(errors.New("denied"), envsource.ErrDenied) })
		k.Hold(1, []envsource.Holding{kv2("1 t")})
		if n := notice(t, k, 70*time.Second); !n.Probe || !n.Confirm {
			t.Errorf("%+v", n)
		}
	})
	keeping(t, Token{}, Options{}, func(t *testing.T, _ *fakeServer, k *Keeper) {
		k.Hold(1, []envsource.Holding{{Key: "kv1", Kind: envsource.KindKV1, Asked: time.Now()}})
		if n := notice(t, k, 33*time.Second); !n.Probe {
			t.Errorf("%+v", n)
		}
	})
}

func TestPollForWins(t *testing.T) {
	keeping(t, Token{}, Options{PollFor: func(envsource.Holding) time.Duration { return time.Second }}, func(t *testing.T, f *fakeServer, k *Keeper) {
		f.set(func() { f.versions["secret/data/a"] = "2 t" })
		k.Hold(1, []envsource.Holding{kv2("1 t")})
		notice(t, k, 1100*time.Millisecond)
	})
}

// A token at its max TTL is had anew; what hangs on the old one is replaced, and that is let go last.
func TestLoginAgain(t *testing.T) {
	logins := 0
	o := Options{Revoke: true, Login: func(context.Context) (Token, error) {
		logins++
		return Token{ID: secret.New(fmt.Sprintf("t%d", logins)), Own: true, TTL: time.Hour, Asked: time.Now()}, nil
	}}
	keeping(t, Token{ID: secret.New("t0"), Own: true, TTL: time.Minute, Renewable: false}, o, func(t *testing.T, f *fakeServer, k *Keeper) {
		k.Hold(1, []envsource.Holding{f.issue("a", 30*time.Minute, 24*time.Hour)})
		n := notice(t, k, time.Minute)
		if n.Key != "db" || n.Confirm {
			t.Errorf("%+v", n)
		}
		if id, epoch := k.Token(); id.Reveal() != "t1" || epoch != 1 || f.current != "t1" {
			t.Errorf("token %s, epoch %d, in use %s", id, epoch, f.current)
		}
		if len(f.tokens) != 0 {
			t.Error("the old token was let go while a lease hangs on it")
		}
		h := f.issue("b", 30*time.Minute, 24*time.Hour)
		h.Epoch = 1
		k.Hold(2, []envsource.Holding{h})
		<-k.Drop(1, false)
		synctest.Wait()
		if !slices.Equal(f.tokens, []string{"t0"}) {
			t.Errorf("tokens let go: %v, want t0", f.tokens)
		}
	})
}

func TestATokenIsRenewed(t *testing.T) {
	keeping(t, Token{ID: secret.New("t")}, Options{}, func(t *testing.T, f *fakeServer, k *Keeper) {
		f.set(func() {
			f.token = fakeLease{ttl: time.Minute, max: 240 * time.Hour, start: time.Now(), end: time.Now().Add(20 * time.Second)}
		})
		f.set(func() { f.versions["secret/data/a"] = "1 t" })
		k.Hold(1, []envsource.Holding{kv2("1 t")})
		quiet(t, k, time.Hour)
		f.set(func() {
			if time.Now().After(f.token.end) {
				t.Error("the token was left to expire")
			}
		})
	})
}

func TestBackoffStaysWithinWhatIsLeft(t *testing.T) {
	for n := 1; n < 100; n++ {
		for _, roll := range []float64{0, 0.5, 0.999} {
			got := backoff(n, 6*time.Second, func() float64 { return roll })
			if got < 100*time.Millisecond || got > 2*time.Second {
				t.Errorf("backoff(%d) = %s", n, got)
			}
		}
	}
}

// What has an end and no lease is replaced before that; what is dead when it comes is not asked for without end.
func TestWhatEndsWithoutALeaseIsReplaced(t *testing.T) {
	for _, ttl := range []time.Duration{time.Nanosecond, 10 * time.Second, time.Hour} {
		keeping(t, Token{}, Options{}, func(t *testing.T, _ *fakeServer, k *Keeper) {
			began := time.Now()
			k.Hold(1, []envsource.Holding{{Key: "cert", Kind: envsource.KindTimed, TTL: ttl, Asked: began, Variables: []string{"CERT"}}})
			n := notice(t, k, ttl+2*time.Second)
			age := time.Since(began)
			if n.Key != "cert" || n.Confirm || n.Probe || age < min(ttl/2, time.Second) || age > max(ttl-2*time.Second, time.Second) {
				t.Errorf("life %s: replaced after %s: %+v", ttl, age, n)
			}
			if n.Expired {
				return
			}
			if n := notice(t, k, ttl); !n.Expired || time.Since(began) < ttl {
				t.Errorf("life %s: at its end, after %s: %+v", ttl, time.Since(began), n)
			}
		})
	}
}

// A static role is looked at when its password is due to change, and until it has; and now and then before, because
// somebody may rotate it by hand.
func TestAStaticRoleIsLookedAtWhenItIsDue(t *testing.T) {
	for _, tt := range []struct{ ttl, from, to time.Duration }{
		{10 * time.Second, 10 * time.Second, 12 * time.Second},
		{time.Hour, 27 * time.Second, 33 * time.Second},
		{0, 500 * time.Millisecond, 1500 * time.Millisecond},
	} {
		keeping(t, Token{}, Options{}, func(t *testing.T, _ *fakeServer, k *Keeper) {
			for range 3 {
				asked := time.Now()
				k.Hold(1, []envsource.Holding{{Key: "role", Kind: envsource.KindRotated, TTL: tt.ttl, Asked: asked}})
				n := notice(t, k, time.Minute)
				if after := time.Since(asked); !n.Probe || !n.Confirm || n.Expired || after < tt.from || after > tt.to {
					t.Errorf("due in %s: after %s: %+v", tt.ttl, after, n)
				}
			}
		})
	}
}

// A version that is to be deleted is polled like any, and its end is told once.
func TestAVersionWithADeletionTime(t *testing.T) {
	keeping(t, Token{}, Options{}, func(t *testing.T, f *fakeServer, k *Keeper) {
		r := envsource.Read{Path: "secret/data/a", Mount: "secret/", Kind: envsource.KindKV2}
		f.versions[r.Path] = "1 x"
		began := time.Now()
		k.Hold(1, []envsource.Holding{{Key: "kv", Read: r, Kind: envsource.KindKV2, Stamp: "1 x", TTL: 5 * time.Minute, Asked: began}})
		n := notice(t, k, 6*time.Minute)
		if after := time.Since(began); !n.Expired || after < 5*time.Minute || after > 5*time.Minute+33*time.Second {
			t.Errorf("after %s: %+v", after, n)
		}
		quiet(t, k, 10*time.Minute)
		f.set(func() { f.versions[r.Path] = "2 y" })
		if n := notice(t, k, time.Minute); n.Expired || !n.Confirm {
			t.Errorf("a new version: %+v", n)
		}
	})
}

// Fault: a node that has just become the leader does not know the token
// Notices: nothing
// Does: asks again before it believes that: one such answer ends nothing, the second does
func TestATokenIsNotDeadAtTheFirstWord(t *testing.T) {
	for strange := range 3 {
		keeping(t, Token{}, Options{}, func(t *testing.T, f *fakeServer, k *Keeper) {
			f.token = fakeLease{ttl: time.Minute, max: 24 * time.Hour, start: time.Now(), end: time.Now().Add(time.Minute)}
			h := f.issue("a", time.Hour, 24*time.Hour)
			k.Hold(1, []envsource.Holding{h})
			time.Sleep(5 * time.Second)
			f.set(func() { f.strange = strange })
			if strange < 2 {
				quiet(t, k, 10*time.Minute)
				return
			}
			if n := notice(t, k, time.Minute); !n.Expired || n.Key != h.Key {
				t.Errorf("notice %+v", n)
			}
		})
	}
}

// The token that vwrap's own hangs on is kept too; the last of it is the child, which is let go, and not the user's.
func TestAParentIsKept(t *testing.T) {
	var k *Keeper
	var f *fakeServer
	parent := &Token{ID: secret.New(usersParent)}
	child := Token{ID: secret.New("child"), Own: true, TTL: time.Minute, Renewable: true, Parent: parent}
	keeping(t, child, Options{Revoke: true}, func(_ *testing.T, server *fakeServer, keeper *Keeper) {
		f, k = server, keeper
		f.token = fakeLease{ttl: time.Minute, max: 24 * time.Hour, start: time.Now(), end: time.Now().Add(time.Minute)}
		k.Hold(1, []envsource.Holding{f.issue("a", 2*time.Hour, 24*time.Hour)})
		time.Sleep(100 * time.Minute)
	})
	if f.kept != 3 {
		t.Errorf("kept %d times in 100 minutes, want it at once, and at about 40 and 80 minutes of an hour each", f.kept)
	}
	k.Close(t.Context())
	if !slices.Equal(f.tokens, []string{"child"}) {
		t.Errorf("revoked %v, want the child alone", f.tokens)
	}
}

func TestWhatIsLetGo(t *testing.T) {
	user, own, batch := &Token{ID: secret.New("user")}, &Token{ID: secret.New("own"), Own: true}, &Token{ID: secret.New("hvb.x"), Own: true}
	below := func(p *Token, id string) Token { return Token{ID: secret.New(id), Own: true, Parent: p} }
	for _, tt := range []struct {
		old, next Token
		want      string
	}{
		{*user, *user, ""},
		{*own, *own, "own"},
		{*batch, *own, ""},
		{below(user, "a"), below(user, "b"), "a"},
		{below(own, "a"), below(own, "b"), "a"},
		{below(own, "a"), below(&Token{ID: secret.New("another"), Own: true}, "b"), "own"},
	} {
		if got := tt.old.letGo(tt.next).Reveal(); got != tt.want {
			t.Errorf("%s, then %s: lets go of %q, want %q", tt.old.ID, tt.next.ID, got, tt.want)
		}
	}
}

// A request that nobody answers leaves time for the next one.
func TestARequestThatHangsLeavesTimeForAnother(t *testing.T) {
	for _, ttl := range []time.Duration{15 * time.Second, time.Minute, time.Hour} {
		keeping(t, Token{}, Options{}, func(t *testing.T, f *fakeServer, k *Keeper) {
			f.hang = true
			k.Hold(1, []envsource.Holding{f.issue("a", ttl, 1000*time.Hour)})
			time.Sleep(ttl * 3 / 4) // the first renewal is under way
			f.set(func() { f.hang = false })
			quiet(t, k, 3*ttl)
		})
	}
}

// A new token of the user's is used at once. What hangs on the old one lives until that ends, and is replaced before.
func TestANewTokenOfTheUsers(t *testing.T) {
	log := keeping(t, Token{ID: secret.New("old")}, Options{Revoke: true}, func(t *testing.T, f *fakeServer, k *Keeper) {
		began := time.Now()
		f.token = fakeLease{ttl: time.Hour, max: 24 * time.Hour, start: began, end: began.Add(time.Hour)}
		k.Hold(1, []envsource.Holding{f.issue("a", 10*time.Minute, 240*time.Hour)})
		time.Sleep(time.Minute)
		f.set(func() { f.strange = 1 })
		k.Offer(Token{ID: secret.New("mistyped")})
		synctest.Wait()
		if id, _ := k.Token(); id.Reveal() != "old" {
			t.Errorf("uses %q, which is not valid", id)
		}
		k.Offer(Token{ID: secret.New("new")})
		synctest.Wait()
		if id, epoch := k.Token(); id.Reveal() != "new" || epoch != 1 || f.current != "new" {
			t.Errorf("uses %q in epoch %d", id, epoch)
		}
		n := notice(t, k, time.Hour)
		if age := time.Since(began); n.Key != "db" || n.Expired || age < 30*time.Minute || age > time.Hour-2*time.Second {
			t.Errorf("replaced after %s, while the old token ends after 1h: %+v", age, n)
		}
		h := f.issue("b", 10*time.Minute, 240*time.Hour)
		_, h.Epoch = k.Token()
		k.Hold(1, []envsource.Holding{h})
		quiet(t, k, 3*time.Hour)
		f.set(func() {
			if len(f.tokens) != 0 {
				t.Errorf("revoked %v: they are the user's", f.tokens)
			}
		})
	})
	if !strings.Contains(log.String(), "the new token is not valid") {
		t.Errorf("it says %s", log)
	}
}
