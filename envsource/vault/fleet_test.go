package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// fleet is a server, as far as leases go, that many keepers ask, and what it has seen.
type fleet struct {
	mu       sync.Mutex
	from, to time.Time // of the outage
	began    time.Time
	requests map[int64]int // by the second since began
	issued   int
	lapsed   int // leases that ended although the server was there before, or was back before
	excused  int // that ended while it was away
}

func (f *fleet) ask() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests[int64(time.Since(f.began)/time.Second)]++
	if f.away() {
		return envsource.Mark(errors.New("away"), envsource.ErrUnavailable)
	}
	return nil
}

func (f *fleet) away() bool { return !time.Now().Before(f.from) && time.Now().Before(f.to) }

// ended counts a lease that was not kept.
func (f *fleet) ended(end time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if end.Before(f.from) || end.After(f.to) {
		f.lapsed++
	} else {
		f.excused++
	}
}

// replica is one of the fleet: a command with one lease, and a token of its own.
type replica struct {
	*fleet
	ttl, most time.Duration
	mine      sync.Mutex
	lease     fakeLease
	token     fakeLease
}

func (r *replica) Renew(context.Context, string, string, time.Duration) (Grant, error) {
	if err := r.ask(); err != nil {
		return Grant{}, err
	}
	r.mine.Lock()
	defer r.mine.Unlock()
	if time.Now().After(r.lease.end) {
		return Grant{}, ErrGone
	}
	return r.lease.renew(), nil
}

func (r *replica) RenewToken(context.Context, secret.Text, time.Duration) (Grant, error) {
	if err := r.ask(); err != nil {
		return Grant{}, err
	}
	r.mine.Lock()
	defer r.mine.Unlock()
	return r.token.renew(), nil
}

func (r *replica) Revoke(context.Context, string, string) error { return r.ask() }

func (r *replica) Version(context.Context, envsource.Read) (string, error) { return "", r.ask() }

func (r *replica) LookupToken(context.Context, secret.Text) (Grant, error) { return Grant{}, r.ask() }

func (r *replica) RevokeToken(context.Context, secret.Text) error { return r.ask() }

func (r *replica) SetToken(secret.Text) {}

// issue is a new lease, as a courier would report it; false while the server is away.
func (r *replica) issue() (envsource.Holding, bool) {
	if r.ask() != nil {
		return envsource.Holding{}, false
	}
	r.mine.Lock()
	defer r.mine.Unlock()
	if end := r.lease.end; !end.IsZero() && time.Now().After(end) {
		r.ended(end)
	}
	r.lease = fakeLease{ttl: r.ttl, max: r.most, start: time.Now(), end: time.Now().Add(r.ttl)}
	r.mu.Lock()
	r.issued++
	id := fmt.Sprint(r.issued)
	r.mu.Unlock()
	return envsource.Holding{Key: "db", Kind: envsource.KindLeased, LeaseID: id, TTL: r.ttl, Renewable: true, Asked: time.Now()}, true
}

// run keeps the lease and replaces it when the keeper says so, as wrap does: with backoff while the server is away.
func (r *replica) run(ctx context.Context, k *Keeper) {
	hold := func() {
		for n := 1; ctx.Err() == nil; n++ {
			if h, ok := r.issue(); ok {
				k.Hold(1, []envsource.Holding{h})
				return
			}
			time.Sleep(backoff(n, 0, rand.Float64))
		}
	}
	hold()
	for {
		select {
		case <-k.Notices():
			hold()
		case <-ctx.Done():
			return
		}
	}
}

// TestFleet: many replicas that were started in the same second, and an outage of ten minutes. No lease may end that the
// server was there to renew, and they must not all come at once. VWRAP_FLEET=24h has ten thousand for a day, and prints
// what docs/performance.md says.
func TestFleet(t *testing.T) {
	size, span := 300, 3*time.Hour
	if text := os.Getenv("VWRAP_FLEET"); text != "" {
		var err error
		if span, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		size = 10_000
	}
	f := &fleet{requests: map[int64]int{}}
	synctest.Test(t, func(t *testing.T) {
		f.began = time.Now()
		f.from = f.began.Add(span / 2)
		f.to = f.from.Add(10 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var keepers []*replica
		ttls := []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour}
		for n := range size {
			ttl := ttls[n%len(ttls)]
			r := &replica{fleet: f, ttl: ttl, most: 6 * time.Hour, token: fakeLease{ttl: time.Hour, max: 1000 * time.Hour, start: f.began, end: f.began.Add(time.Hour)}}
			k := newKeeper(r, Token{ID: secret.New("t"), Own: true, TTL: time.Hour, Renewable: true, Asked: f.began}, Options{
				Policy: Policy{RenewAt: 0.67, Poll: 30 * time.Second, Lead: 10 * time.Second}, Log: slog.New(slog.DiscardHandler),
			})
			keepers = append(keepers, r)
			all.Go(func() { k.Run(ctx) })
			all.Go(func() { r.run(ctx, k) })
		}
		time.Sleep(span)
		for _, r := range keepers {
			r.mine.Lock()
			if end := r.lease.end; time.Now().After(end) {
				f.ended(end)
			}
			r.mine.Unlock()
		}
		cancel()
		all.Wait()
	})
	total, peak, first, calm := 0, 0, f.requests[0], 0
	outage := int64(f.from.Sub(f.began) / time.Second)
	for second, n := range f.requests {
		if second == 0 {
			continue // all are started then: these are no keepers' requests
		}
		total += n
		peak = max(peak, n)
		if second < outage {
			calm = max(calm, n)
		}
	}
	mean := float64(total) / span.Seconds()
	t.Logf("%d replicas, %s, an outage of 10m: %d requests at the start; then %.1f a second, %d in the worst second without an outage (%.1f times the mean), "+
		"%d in the worst of all (%.1f times); lapsed %d, and %d of 5m leases within the outage",
		size, span, first, mean, calm, float64(calm)/mean, peak, float64(peak)/mean, f.lapsed, f.excused)
	if f.lapsed != 0 {
		t.Errorf("%d leases have lapsed that could have been renewed", f.lapsed)
	}
	if calm > size/10 || peak > size/5 {
		t.Errorf("%d of %d replicas come in one second without an outage, %d around one", calm, size, peak)
	}
}
