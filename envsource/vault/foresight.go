package vault

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
)

// foreseen are reads that are under way before it is known what their mounts are: over a link that is slow, asking for the
// mount first would take as long as the read.
type foreseen struct {
	mu   sync.Mutex
	made map[string]*foresight // by the key of the read; nil once that is taken, or dropped
}

// foresight is one such read.
type foresight struct {
	cancel context.CancelFunc
	done   chan struct{}
	asked  time.Time
	secret *api.Secret // with err valid once done is closed
	err    error
}

// Foretell returns what r is on a mount that is named as those of KV version 2 are, secret/ or kv…/, and whether it is: a
// read of such a path mints no lease, and where it is wrong it finds nothing.
func Foretell(r envsource.Read) (foretold envsource.Read, ok bool) {
	first, _, below := strings.Cut(r.Path, "/")
	if r.Method == envsource.MethodWrite || !below || first != "secret" && !strings.HasPrefix(first, "kv") {
		return r, false
	}
	return locate(r, map[string]any{"type": "kv", "path": first + "/", "options": map[string]any{"version": "2"}}), true
}

// Foresee has s read what Foretell foretells while it asks for the mounts. It is for who will read all that he locates.
func (s *Source) Foresee() { s.foreseen = &foreseen{made: map[string]*foresight{}} }

// begin makes the read that is foretold of r, once: what is tried again meets a server that has enough to do.
func (f *foreseen) begin(ctx context.Context, r envsource.Read, request func(context.Context, envsource.Read) (*api.Secret, error)) {
	foretold, ok := Foretell(r)
	if f == nil || !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := foretold.Key()
	if _, before := f.made[key]; before {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	made := &foresight{cancel: cancel, done: make(chan struct{}), asked: time.Now()}
	f.made[key] = made
	go func() {
		defer close(made.done)
		made.secret, made.err = request(ctx, foretold)
	}()
}

// settle drops what was foreseen of r, where that is located elsewhere, or could not be.
func (f *foreseen) settle(r, located envsource.Read, err error) {
	foretold, ok := Foretell(r)
	if f == nil || !ok || err == nil && foretold.Key() == located.Key() {
		return
	}
	if made := f.take(foretold); made != nil {
		made.cancel()
	}
}

// take returns what was foreseen as r, once; nil where that is nothing.
func (f *foreseen) take(r envsource.Read) *foresight {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.Key()
	made := f.made[key]
	if made != nil {
		f.made[key] = nil
	}
	return made
}
