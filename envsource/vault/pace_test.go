package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// tallied is a server that counts renewals and looks at versions by the second.
type tallied struct {
	*fakeServer
	began time.Time
	lock  sync.Mutex
	by    map[int64]int
}

func (c *tallied) count() {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.by[int64(time.Since(c.began)/time.Second)]++
}

func (c *tallied) Renew(ctx context.Context, ns, id string, increment time.Duration) (Grant, error) {
	c.count()
	return c.fakeServer.Renew(ctx, ns, id, increment)
}

func (c *tallied) Version(ctx context.Context, r envsource.Read) (string, error) {
	c.count()
	return c.fakeServer.Version(ctx, r)
}

// between returns the mean of the seconds from one time on to another, and the worst of them.
func (c *tallied) between(from, to time.Duration) (mean float64, peak int) {
	c.lock.Lock()
	defer c.lock.Unlock()
	total := 0
	for second := int64(from / time.Second); second < int64(to/time.Second); second++ {
		total, peak = total+c.by[second], max(peak, c.by[second])
	}
	return float64(total) / (to - from).Seconds(), peak
}

// A thousand leases, or secrets that are polled, of one wrapper, all fetched in the same second: they do not come due in one ever after,
// and those that an outage kept waiting do not come at its end.
func TestAThousandOfOneWrapperComeEvenly(t *testing.T) {
	const many = 1000
	lease := func(ttl time.Duration) func(*fakeServer, int) envsource.Holding {
		return func(f *fakeServer, n int) envsource.Holding {
			h := f.issue(fmt.Sprint(n), ttl, 1000*time.Hour)
			h.Key = fmt.Sprint(n)
			return h
		}
	}
	version := func(_ *fakeServer, n int) envsource.Holding {
		h := kv2("1 t")
		h.Key = fmt.Sprint(n)
		return h
	}
	for _, tt := range []struct {
		name         string
		make         func(*fakeServer, int) envsource.Holding
		span, outage time.Duration
	}{
		{"leases of 5m", lease(5 * time.Minute), 20 * time.Minute, 0},
		{"leases of 5m, an outage", lease(5 * time.Minute), 20 * time.Minute, 30 * time.Second},
		{"leases of 1h", lease(time.Hour), 3 * time.Hour, 0},
		{"leases of 1h, an outage", lease(time.Hour), 3 * time.Hour, 5 * time.Minute},
		{"polls", version, 3 * time.Minute, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &tallied{fakeServer: newFakeServer(), began: time.Now(), by: map[int64]int{}}
				c.versions["secret/data/a"] = "1 t"
				k := newKeeper(c, Token{}, Options{Policy: Policy{RenewAt: 0.67, Poll: 30 * time.Second, Lead: 10 * time.Second}, Log: slog.New(slog.DiscardHandler)})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { k.Run(ctx); close(done) }()
				var hs []envsource.Holding
				for n := range many {
					hs = append(hs, tt.make(c.fakeServer, n))
				}
				k.Hold(1, hs)
				quiet(t, k, tt.span/2)
				c.set(func() { c.err = envsource.Mark(errors.New("away"), envsource.ErrUnavailable) })
				quiet(t, k, tt.outage)
				c.set(func() { c.err = nil })
				quiet(t, k, tt.span/2)
				cancel()
				<-done
				mean, peak := c.between(0, tt.span+tt.outage)
				t.Logf("%.2f a second, %d in the worst", mean, peak)
				// Less than one a second cannot be: then the worst has one.
				if limit := max(3*mean, 1); float64(peak) > limit {
					t.Errorf("%.2f requests a second, but %d in the worst: more than %.1f", mean, peak, limit)
				}
			})
		})
	}
}
