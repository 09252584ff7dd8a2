package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// The requests that a fleet makes, by what they cost the server.
const (
	logins = iota
	reads  // of secrets and mounts
	renewals
	polls
	revocations
	kinds
)

// whole is the fleet that docs/scale.md speaks of: 10,000 hosts of 20 wrappers each. The tests have a part of it.
const whole = 200_000

// scene is something that happens to a fleet. Each wrapper has one lease, or one secret that is polled, or both.
type scene struct {
	name        string
	lease       time.Duration // 0: none
	poll        time.Duration // 0: none
	token       time.Duration
	batch       bool          // the token is one
	starts      time.Duration // all are started within it
	from, until time.Duration // what is measured
	restart     time.Duration // when each is stopped and started, within again; 0: never
	again       time.Duration
	killed      bool // the restart is a power cut: nobody lets go of anything
	away, back  time.Duration
	change      time.Duration // when the polled secret has a new version; 0: never
	splay       time.Duration // rotation.splay
	alike       bool          // there is no control: the jitter of a start cannot be switched off
}

// crowd is the server that a fleet asks, and what it has seen.
type crowd struct {
	scene
	steady bool // no jitter: the control
	began  time.Time
	mu     sync.Mutex
	seen   map[int64]*[kinds]int // by the second
}

func (c *crowd) age() time.Duration { return time.Since(c.began) }

func (c *crowd) ask(kind int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	second := int64(c.age() / time.Second)
	if c.seen[second] == nil {
		c.seen[second] = &[kinds]int{}
	}
	c.seen[second][kind]++
	if c.away <= c.age() && c.age() < c.back {
		return envsource.Mark(errors.New("away"), envsource.ErrUnavailable)
	}
	return nil
}

// roll is the jitter, or none.
func (c *crowd) roll() float64 {
	if c.steady {
		return 0.5
	}
	return rand.Float64()
}

func (c *crowd) version() string {
	if c.change > 0 && c.age() >= c.change {
		return "2 t"
	}
	return "1 t"
}

// wrapper is one of the fleet: its keeper is the real one, around it are a courier and a wrap as far as the server sees them.
type wrapper struct {
	*crowd
	lock   sync.Mutex
	db     fakeLease
	serial int
}

func (w *wrapper) Renew(context.Context, string, string, time.Duration) (Grant, error) {
	if err := w.ask(renewals); err != nil {
		return Grant{}, err
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	if time.Now().After(w.db.end) {
		return Grant{}, ErrGone
	}
	return w.db.renew(), nil
}

func (w *wrapper) RenewToken(context.Context, secret.Text, time.Duration) (Grant, error) {
	return Grant{w.token, true}, w.ask(renewals)
}

func (w *wrapper) Revoke(context.Context, string, string) error { return w.ask(revocations) }

func (w *wrapper) RevokeToken(context.Context, secret.Text) error { return w.ask(revocations) }

func (w *wrapper) Version(context.Context, envsource.Read) (string, error) {
	return w.version(), w.ask(polls)
}

func (w *wrapper) LookupToken(context.Context, secret.Text) (Grant, error) {
	return Grant{w.token, true}, w.ask(reads)
}

func (w *wrapper) SetToken(secret.Text) {}

func (w *wrapper) login(context.Context) (Token, error) {
	id := "hvs.x"
	if w.batch {
		id = "hvb.x"
	}
	return Token{ID: secret.New(id), Own: true, TTL: w.token, Renewable: !w.batch, Asked: time.Now()}, w.ask(logins)
}

// fetch is an errand of a courier: it looks up each mount and reads each secret.
func (w *wrapper) fetch(k *Keeper) (hs []envsource.Holding, err error) {
	if w.lease > 0 {
		err = errors.Join(w.ask(reads), w.ask(reads))
		w.lock.Lock()
		w.serial++
		w.db = fakeLease{ttl: w.lease, max: 10_000 * time.Hour, start: time.Now(), end: time.Now().Add(w.lease)}
		h := envsource.Holding{Key: "db", Kind: envsource.KindLeased, LeaseID: fmt.Sprint(w.serial), TTL: w.lease, Renewable: true, Asked: time.Now()}
		w.lock.Unlock()
		if k != nil {
			_, h.Epoch = k.Token()
		}
		hs = append(hs, h)
	}
	if w.poll > 0 {
		err = errors.Join(err, w.ask(reads), w.ask(reads))
		hs = append(hs, kv2(w.version()))
	}
	return hs, err
}

// live is a wrapper from its start until ctx ends, or its restart.
func (w *wrapper) live(ctx context.Context) {
	start, cancel := context.WithTimeout(ctx, 20*time.Minute) // --start-timeout
	defer cancel()
	again := func(error) {}
	token, err := envsource.Attempt(start, again, func() (Token, error) { return w.login(ctx) })
	if err != nil {
		return
	}
	hs, err := envsource.Attempt(start, again, func() ([]envsource.Holding, error) { return w.fetch(nil) })
	if err != nil {
		return
	}
	k := newKeeper(w, token, Options{
		Policy: Policy{RenewAt: 0.67, Poll: cmp.Or(w.poll, time.Minute), Lead: 10*time.Second + w.splay}, Revoke: true, Login: w.login,
		Log: slog.New(slog.DiscardHandler),
	})
	k.roll = w.roll
	kept := make(chan struct{})
	go func() { k.Run(ctx); close(kept) }()
	k.Hold(1, hs)
	w.rotate(ctx, k)
	<-kept
	if !w.killed && w.restart > 0 && w.age() < w.until {
		k.Close(context.Background())
	}
}

// rotate does what wrap does with notices: it waits for settle and splay, fetches anew, with backoff, and lets go of the old.
func (w *wrapper) rotate(ctx context.Context, k *Keeper) {
	for n := uint64(2); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-k.Notices():
		}
		pause(ctx, 2*time.Second+time.Duration(w.roll()*float64(w.splay)))
		hs, err := w.fetch(k)
		for tries := 1; err != nil && ctx.Err() == nil; tries++ {
			pause(ctx, backoff(tries, 0, w.roll))
			hs, err = w.fetch(k)
		}
		k.Hold(n, hs)
		k.Drop(n-1, false)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// run is a wrapper's whole time: one life, or two.
func (w *wrapper) run(ctx context.Context) {
	pause(ctx, time.Duration(rand.Float64()*float64(w.starts)))
	if w.restart > 0 {
		first, cancel := context.WithTimeout(ctx, w.restart+time.Duration(rand.Float64()*float64(w.again))-w.age())
		w.live(first)
		cancel()
	}
	w.live(ctx)
}

// figures are requests a second of the whole fleet: the mean, and the worst second, of each kind and of all.
type figures struct {
	mean, worst [kinds + 1]float64
}

// play plays s with so many wrappers, and scales what it sees up to the whole fleet. Days of polls are played by a fifth of them.
func play(t *testing.T, s scene, size int, steady bool) figures {
	if s.poll > 0 && s.until > 24*time.Hour {
		size /= 5
	}
	c := &crowd{scene: s, steady: steady, seen: map[int64]*[kinds]int{}}
	synctest.Test(t, func(t *testing.T) {
		c.began = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(s.until, cancel) // nobody is to know of it before, as with a timeout
		var all sync.WaitGroup
		for range size {
			w := &wrapper{crowd: c}
			all.Go(func() { w.run(ctx) })
		}
		all.Wait()
	})
	var f figures
	scale := float64(whole) / float64(size)
	for second, seen := range c.seen {
		if at := time.Duration(second) * time.Second; at < s.from || at >= s.until {
			continue
		}
		sum := 0
		for kind, n := range seen {
			sum += n
			f.add(kind, float64(n)*scale)
		}
		f.add(kinds, float64(sum)*scale)
	}
	for kind := range f.mean {
		f.mean[kind] /= (s.until - s.from).Seconds()
	}
	return f
}

func (f *figures) add(kind int, n float64) {
	f.mean[kind] += n
	f.worst[kind] = max(f.worst[kind], n)
}

// calm are fleets that nothing happens to: they were started over the time from one renewal to the next, or from one login to the next.
func calm() []scene {
	const h, m = time.Hour, time.Minute
	return []scene{
		{name: "leases of 1 h, own tokens of 1 h", lease: h, token: h, starts: 40 * m, from: 2 * h, until: 4 * h},
		{name: "leases of 24 h, own tokens of 24 h", lease: 24 * h, token: 24 * h, starts: 16 * h, from: 48 * h, until: 72 * h},
		{name: "leases of 1 h, batch tokens of 24 h", lease: h, token: 24 * h, batch: true, starts: 21 * h, from: 48 * h, until: 72 * h},
		{name: "KV polled every 30 s, own tokens of 1 h", poll: 30 * time.Second, token: h, starts: 40 * m, from: 90 * m, until: 95 * m},
		{name: "KV polled every 5 min, own tokens of 1 h", poll: 5 * m, token: h, starts: 40 * m, from: 90 * m, until: 150 * m},
		{name: "KV polled every 5 min, batch tokens of 1 h", poll: 5 * m, token: h, batch: true, starts: 54 * m, from: 90 * m, until: 150 * m},
		{name: "KV polled every 5 min, batch tokens of 24 h", poll: 5 * m, token: 24 * h, batch: true, starts: 21 * h, from: 24 * h, until: 26 * h},
	}
}

// events are what happens to a fleet. Its wrappers have a lease of an hour, an own token of an hour and a secret that is polled
// every five minutes, unless the name says otherwise.
func events() []scene {
	const h, m, s = time.Hour, time.Minute, time.Second
	both := func(e scene) scene {
		e.lease, e.poll, e.token, e.starts = cmp.Or(e.lease, h), 5*m, cmp.Or(e.token, h), cmp.Or(e.starts, 40*m)
		return e
	}
	polled := func(e scene) scene {
		e.token, e.starts, e.change = 24*h, h, h
		e.from, e.until = h, h+e.poll*11/10+e.splay+10*s
		return e
	}
	return []scene{
		both(scene{name: "rolling deploy within 10 min", restart: 2 * h, again: 10 * m, from: 2 * h, until: 130 * m}),
		both(scene{name: "power cut: all start within 5 s", starts: 5 * s, until: 10 * s}),
		both(scene{name: "… the four hours after that", starts: 5 * s, from: 10 * s, until: 4 * h}),
		both(scene{name: "power cut, Vault comes 1 min later: the 30 s before", starts: 5 * s, back: m, from: 30 * s, until: m, alike: true}),
		both(scene{name: "… the minute after", starts: 5 * s, back: m, from: m, until: 2 * m, alike: true}),
		both(scene{name: "power cut, Vault comes 10 min later: the minute before", starts: 5 * s, back: 10 * m, from: 9 * m, until: 10 * m, alike: true}),
		both(scene{name: "… the two minutes after", starts: 5 * s, back: 10 * m, from: 10 * m, until: 12 * m, alike: true}),
		both(scene{name: "outage of 10 min", away: 2 * h, back: 130 * m, from: 2 * h, until: 130 * m}),
		both(scene{name: "… the ten minutes after its end", away: 2 * h, back: 130 * m, from: 130 * m, until: 140 * m}),
		both(scene{name: "… with leases and tokens of 24 h", lease: 24 * h, token: 24 * h, starts: 16 * h, away: 36 * h, back: 36*h + 10*m, from: 36*h + 10*m, until: 36*h + 20*m}),
		polled(scene{name: "a secret of all changes, polled every 30 s", poll: 30 * s}),
		polled(scene{name: "… polled every 5 min", poll: 5 * m}),
		polled(scene{name: "… polled every 30 s, `splay: 10m`", poll: 30 * s, splay: 10 * m}),
	}
}

// TestScale prints the tables of docs/scale.md, where VWRAP_SCALE says how many wrappers to have (make fleet), and writes them there
// where VWRAP_WRITE is set. Without it it plays a few with a few wrappers.
func TestScale(t *testing.T) {
	var size int
	if _, err := fmt.Sscan(os.Getenv("VWRAP_SCALE"), &size); err != nil {
		few(t)
		return
	}
	tables := ""
	for _, table := range []func(*testing.T, int) string{steadily, eventfully, linearly} {
		text := table(t, size)
		t.Log("\n" + text)
		tables += text
	}
	if os.Getenv("VWRAP_WRITE") != "" {
		write(t, "../../docs/scale.md", tables)
	}
}

// few is what each run of the tests plays: jitter is what keeps a fleet that was started at once apart.
func few(t *testing.T) {
	s := events()[2]
	apart, together := play(t, s, 200, false), play(t, s, 200, true)
	if apart.worst[kinds]*3 > together.worst[kinds] {
		t.Errorf("the worst second has %.0f requests with jitter, and %.0f without", apart.worst[kinds], together.worst[kinds])
	}
	for _, f := range []figures{apart, together} {
		if f.mean[logins] != 0 || f.mean[renewals] == 0 || f.mean[polls] == 0 {
			t.Errorf("a fleet that is left alone: %+v", f)
		}
	}
}

func steadily(t *testing.T, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Nothing happens: the mean, in requests a second of %s wrappers (from %s, or a fifth of that where days of polls are played), and the worst second.\n\n", thousands(whole), thousands(float64(size)))
	b.WriteString("| each wrapper has | logins | reads | renewals | polls | revocations | all | worst second |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, s := range calm() {
		f := play(t, s, size, false)
		fmt.Fprintf(&b, "| %s |", s.name)
		for kind := range f.mean {
			fmt.Fprintf(&b, " %s |", thousands(f.mean[kind]))
		}
		fmt.Fprintf(&b, " %s |\n", thousands(f.worst[kinds]))
	}
	return b.String()
}

func eventfully(t *testing.T, size int) string {
	var b strings.Builder
	b.WriteString("\nSomething happens: the worst second, of each kind and of all, and what it would be without any jitter. Each wrapper has a lease of 1 h, a secret polled every 5 min and an own token of 1 h; in the last three rows the polled secret alone.\n\n")
	b.WriteString("| what happens | logins | reads | renewals | polls | revocations | all | without jitter |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, s := range events() {
		f, control := play(t, s, size, false), "–"
		if !s.alike {
			control = thousands(play(t, s, size, true).worst[kinds])
		}
		fmt.Fprintf(&b, "| %s |", s.name)
		for kind := range f.worst {
			fmt.Fprintf(&b, " %s |", thousands(f.worst[kind]))
		}
		fmt.Fprintf(&b, " %s |\n", control)
	}
	return b.String()
}

// linearly has the same of a fifth of the wrappers.
func linearly(t *testing.T, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe same from %s and from %s wrappers, scaled up: means are linear; the worst second of few has more chance in it, and comes down.\n\n", thousands(float64(size/5)), thousands(float64(size)))
	b.WriteString("| | mean | | worst second | |\n|---|---:|---:|---:|---:|\n")
	for _, s := range []scene{calm()[0], calm()[4], events()[0], events()[1], events()[8]} {
		few, many := play(t, s, size/5, false), play(t, s, size, false)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", strings.TrimPrefix(s.name, "… "), thousands(few.mean[kinds]), thousands(many.mean[kinds]),
			thousands(few.worst[kinds]), thousands(many.worst[kinds]))
	}
	return b.String()
}

// thousands is n for people: to two digits behind the point where it is small.
func thousands(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 10:
		return fmt.Sprintf("%.1f", n)
	case n < 999.5:
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%d,%03d", int(n+0.5)/1000, int(n+0.5)%1000)
}

// write puts tables between the markers of a document.
func write(t *testing.T, file, tables string) {
	const begin, end = "<!-- fleet:begin -->\n", "<!-- fleet:end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), begin)
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no markers", file)
	}
	if err := os.WriteFile(file, []byte(head+begin+"\n"+tables+"\n"+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
