package envsource

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fetch says how a Plan is resolved.
type Fetch struct {
	Sources map[string]Source        // by Read.Source
	Digest  func(text []byte) string // a keyed MAC: the supervisor compares values it never sees
	Carry   Carry                    // what the last generation knew; zero at the first start
	Due     []string                 // keys of Carry that are to be read anew; all else is carried over
	Strict  bool                     // what is due and cannot be read is an error; else it is carried over
	Again   func(error)              // a required read is ErrUnavailable, and is tried again, until ctx ends; nil: it is not
}

// Carry is what one generation leaves to the next: the answers in use. It holds values and is stored in a sealed
// memfd, never in the supervisor.
type Carry struct {
	Located map[string]string // Read.Key as written → Read.Key as located
	Answers map[string]Kept   // by located key
}

// Kept is one answer, less the fields that nothing uses.
type Kept struct {
	Read   Read
	Fields map[string]json.RawMessage
	Absent bool // ?optional, and not there at start
	Digest string
}

// Result is a resolved plan.
type Result struct {
	Environ  []string          // NAME=VALUE, sorted
	Injected map[string]string // of Environ, by name: what is not the environment's own
	Literal  map[string]bool   // of Injected: nothing was read for it but a fallback file
	Carry    Carry             // for the next generation
	Holdings []Holding         // of what was read now, also where Resolve fails: a lease must not be forgotten
	Failed   map[string]string // by located key: due, could not be read, carried over; the reason
	Outage   string            // one of those reasons that is ErrUnavailable
	Wait     time.Duration     // that a server which failed asks not to be asked again; set also where Resolve fails
	Warnings []string
}

// Resolve reads what has to be read and composes the environment. All that is wrong is returned together, a line
// an error, each naming the variables it concerns; none contains a value.
func (p Plan) Resolve(ctx context.Context, f Fetch) (Result, error) {
	c := &collector{fetch: f, wants: p.wants(), located: map[string]*want{}, due: map[string]bool{}}
	c.result.Carry = Carry{Located: map[string]string{}, Answers: map[string]Kept{}}
	c.result.Failed = map[string]string{}
	for _, key := range f.Due {
		c.due[key] = true
	}
	if err := c.locate(ctx); err != nil {
		return c.result, err
	}
	if err := c.read(ctx); err != nil {
		return c.result, err
	}
	err := p.compose(&c.result)
	c.nameVariables()
	return c.result, err
}

// Probe reads the due keys anew and reports their holdings. The environment of its result is the last generation's.
// Keys that Carry does not have are passed over.
func Probe(ctx context.Context, p Plan, f Fetch) (Result, error) {
	c := &collector{fetch: f, located: map[string]*want{}, due: map[string]bool{}}
	c.result.Carry = Carry{Located: f.Carry.Located, Answers: map[string]Kept{}}
	c.result.Failed = map[string]string{}
	byWritten := map[string]*want{}
	for _, w := range p.wants() {
		byWritten[w.read.Key()] = w
	}
	for _, key := range f.Due {
		if kept, ok := f.Carry.Answers[key]; ok {
			c.due[key] = true
			w := &want{read: kept.Read, fields: map[string][]string{}, required: !kept.Absent}
			for written, located := range f.Carry.Located {
				if located == key && byWritten[written] != nil {
					w.merge(byWritten[written])
				}
			}
			c.located[key] = w
		}
	}
	if err := c.read(ctx); err != nil {
		return c.result, err
	}
	carried := Result{Carry: f.Carry}
	err := p.compose(&carried)
	c.result.Environ, c.result.Injected = carried.Environ, carried.Injected
	return c.result, err
}

// collector is the state of one Resolve: wants, then located reads, then answers.
type collector struct {
	fetch   Fetch
	wants   []*want
	located map[string]*want // by located key; two spellings of one read are merged
	due     map[string]bool

	mu     sync.Mutex // guards what follows while reads are under way
	result Result
	errs   []error
}

// locate finds the server's name of every read, side by side, and merges those that are one.
func (c *collector) locate(ctx context.Context) error {
	reads := make([]Read, len(c.wants))
	each(len(c.wants), func(i int) {
		w := c.wants[i]
		if kept, ok := c.fetch.Carry.Answers[c.fetch.Carry.Located[w.read.Key()]]; ok {
			reads[i] = kept.Read
			return
		}
		r, err := Attempt(ctx, c.again(w), func() (Read, error) {
			return c.fetch.source(w.read.Source).Locate(ctx, w.read)
		})
		if err != nil && !w.required && forgivable(err) {
			c.warn("%s: %v: taking the fallback", strings.Join(w.variables, ", "), err)
			r, err = w.read, nil
			c.mu.Lock()
			c.result.Carry.Answers[r.Key()] = Kept{Read: r, Absent: true}
			c.mu.Unlock()
		}
		if err != nil {
			c.fail(w, err)
			return
		}
		reads[i] = r
	})
	if err := c.failed(); err != nil {
		return err
	}
	for i, w := range c.wants {
		key := reads[i].Key()
		c.result.Carry.Located[w.read.Key()] = key
		if c.located[key] == nil {
			c.located[key] = &want{read: reads[i], fields: map[string][]string{}}
		}
		c.located[key].merge(w)
	}
	return nil
}

// again is Fetch.Again, for w.
func (c *collector) again(w *want) func(error) {
	if !w.required {
		return nil
	}
	return c.fetch.Again
}

// merge adds what other needs to w.
func (w *want) merge(other *want) {
	for _, name := range other.variables {
		if !slices.Contains(w.variables, name) {
			w.variables = append(w.variables, name)
		}
	}
	w.written = append(w.written, other.read.Key())
	for field, names := range other.fields {
		w.fields[field] = append(w.fields[field], names...)
	}
	w.whole = w.whole || other.whole
	w.required = w.required || other.required
}

// read makes every read that is due, side by side, and carries the others over.
func (c *collector) read(ctx context.Context) error {
	keys := slices.Sorted(maps.Keys(c.located))
	each(len(keys), func(i int) { c.readOne(ctx, keys[i], c.located[keys[i]]) })
	return c.failed()
}

func (c *collector) readOne(ctx context.Context, key string, w *want) {
	kept, carried := c.fetch.Carry.Answers[key]
	if carried && !c.due[key] {
		c.keep(key, kept)
		return
	}
	if c.absent(key) {
		return // its location could not be had: the fallback is already taken
	}
	answer, err := Attempt(ctx, c.again(w), func() (Answer, error) {
		return c.fetch.source(w.read.Source).Read(ctx, w.read)
	})
	if err == nil && !carried {
		err = w.lacks(answer)
	}
	switch {
	case err == nil:
		c.take(key, w, answer)
	case answer.LeaseID != "": // it answered, but lacks a field: the lease is real and must be let go
		c.hold(key, w, answer, Kept{Read: w.read})
		c.fail(w, err)
	case carried && errors.Is(err, ErrMissing):
		c.warn("%s: %v: keeping the value it had", c.names(w), err)
		c.take(key, w, Answer{Fields: kept.Fields, Kind: w.read.Kind})
	case carried && !c.fetch.Strict:
		c.mu.Lock()
		c.result.Failed[key] = err.Error()
		c.result.Outage = cmp.Or(OutageOf(err), c.result.Outage)
		c.result.Wait = max(Wait(err), c.result.Wait)
		c.mu.Unlock()
		c.keep(key, kept)
	case !w.required && forgivable(err):
		c.warn("%v: taking the fallback", named(c.names(w), err))
		absent := Kept{Read: w.read, Absent: true}
		c.keep(key, absent)
		c.hold(key, w, answer, absent)
	default:
		c.fail(w, err)
	}
}

// take keeps the fields of answer that are in use, and notes what is held.
func (c *collector) take(key string, w *want, answer Answer) {
	kept := Kept{Read: w.read, Fields: map[string]json.RawMessage{}}
	for name, value := range answer.Fields {
		if w.whole || w.fields[name] != nil {
			kept.Fields[name] = value
		}
	}
	text, _ := encodeJSON(kept.Fields) // maps are encoded in the order of their keys
	kept.Digest = c.fetch.Digest(text)
	c.keep(key, kept)
	c.hold(key, w, answer, kept)
	var warnings []string
	for _, text := range answer.Warnings {
		warnings = append(warnings, c.names(w)+": "+curt(text))
	}
	for _, line := range firstOf(warnings, c.names(w)) {
		c.warn("%s", line)
	}
}

func (c *collector) keep(key string, k Kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Carry.Answers[key] = k
}

func (c *collector) absent(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result.Carry.Answers[key].Absent
}

func (c *collector) hold(key string, w *want, a Answer, k Kept) {
	h := Holding{
		Key: key, Read: w.read, Written: w.written, Kind: cmp.Or(a.Kind, w.read.Kind), LeaseID: a.LeaseID, TTL: a.TTL, Renewable: a.Renewable,
		Version: a.Version, Stamp: a.Stamp, Digest: k.Digest, Variables: w.variables, Absent: k.Absent,
	}
	if !a.Asked.IsZero() {
		h.Age = time.Since(a.Asked)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Holdings = append(c.result.Holdings, h)
}

func (c *collector) warn(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Warnings = append(c.result.Warnings, fmt.Sprintf(format, args...))
}

// fail notes err, a line for each line of it; errors that name their variables already stay as they are.
func (c *collector) fail(w *want, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Wait = max(Wait(err), c.result.Wait)
	if joined, ok := err.(interface{ Unwrap() []error }); ok && errors.As(err, new(*readError)) {
		c.errs = append(c.errs, joined.Unwrap()...)
		return
	}
	c.errs = append(c.errs, &readError{names: c.names(w), cause: err})
}

// named is err with the variables it concerns in front, where it does not name them itself.
func named(names string, err error) error {
	if errors.As(err, new(*readError)) {
		return err
	}
	return &readError{names, err}
}

// names is how messages name what w is for.
func (c *collector) names(w *want) string {
	if len(w.variables) == 0 {
		return w.read.String()
	}
	return strings.Join(w.variables, ", ")
}

// failed returns what went wrong so far, in a stable order; what went wrong for several in the same way is one line.
func (c *collector) failed() error {
	slices.SortFunc(c.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	var lines []error
	same := map[string]*readError{}
	for _, err := range c.errs {
		e, ok := err.(*readError) //nolint:errorlint // c.errs has nothing else, and none wrapped
		if ok && same[e.cause.Error()] != nil {
			same[e.cause.Error()].names += ", " + e.names
			continue
		}
		if ok {
			e = &readError{e.names, e.cause}
			same[e.cause.Error()], err = e, e
		}
		lines = append(lines, err)
	}
	return errors.Join(lines...)
}

// readError is what went wrong with one read, for the variables that want it.
type readError struct {
	names string
	cause error
}

func (e *readError) Error() string { return e.names + ": " + e.cause.Error() }
func (e *readError) Unwrap() error { return e.cause }

// OutageOf is what err says of a server that cannot be had; "" where that is not what is wrong.
func OutageOf(err error) string {
	if !errors.Is(err, ErrUnavailable) {
		return ""
	}
	for e := new(readError); errors.As(err, &e); {
		err = e.cause
	}
	return err.Error()
}

// lacks returns the errors, joined, for the fields that w needs and a has not.
func (w *want) lacks(a Answer) error {
	var names []string
	for name := range a.Fields {
		names = append(names, curt(name))
	}
	slices.Sort(names)
	have := few(names)
	var errs []error
	for _, field := range slices.Sorted(maps.Keys(w.fields)) {
		if _, ok := a.Fields[field]; !ok {
			err := fmt.Errorf("%s has no field %q (it has: %s)", w.read, field, cmp.Or(have, "none"))
			errs = append(errs, &readError{strings.Join(w.fields[field], ", "), Mark(err, ErrMissing)})
		}
	}
	return errors.Join(errs...)
}

func forgivable(err error) bool { return errors.Is(err, ErrMissing) || errors.Is(err, ErrUnavailable) }

// atOnce is how many requests are made side by side. Fewer would have to wait for each other: over a slow link each
// wait is as long as the way there and back.
const atOnce = 64

// each calls f for 0 … n-1, at most atOnce at a time, and returns when all have.
func each(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// Attempt calls f until it answers with anything but ErrUnavailable, or ctx ends, and again before each further wait;
// once where again is nil. Backoff is exponential from 100 ms with full jitter, up to longest, or what the server asks for.
func Attempt[T any](ctx context.Context, again func(error), f func() (T, error)) (T, error) {
	var before error // why the last try failed: the end of ctx itself says nothing
	began := time.Now()
	for step := 100 * time.Millisecond; ; step = min(2*step, time.Minute) {
		answer, err := f()
		if err != nil && ctx.Err() != nil && before != nil {
			return answer, before
		}
		before = err
		if err == nil || again == nil || !errors.Is(err, ErrUnavailable) {
			return answer, err
		}
		again(err)
		wait := min(step, longest(ctx, time.Since(began)))
		timer := time.NewTimer(max(time.Duration(rand.Int64N(int64(wait)))+wait/10, Wait(err)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return answer, err
		case <-timer.C:
		}
	}
}

// longest is the longest wait for the next try, once so much time has gone by: a quarter of that, so that many who wait for a server do
// not keep it from coming up, but at most a third of what is left until ctx ends. Two seconds are never too long.
func longest(ctx context.Context, waited time.Duration) time.Duration {
	most := waited / 4
	if end, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(end)/3)
	}
	return max(most, 2*time.Second)
}

// text is a field's value as a variable has it: a string as it is, anything else as compact JSON.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}
