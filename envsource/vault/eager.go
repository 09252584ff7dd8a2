package vault

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
)

// early are answers that Locate has read already: one of KV version 2's shape says what its mount is, which need not be
// asked then.
type early struct {
	mu      sync.Mutex
	answers map[string]*earlyAnswer // by the key of the read
}

// earlyAnswer is one of them. It is valid once done is closed.
type earlyAnswer struct {
	done   chan struct{}
	asked  time.Time
	secret *api.Secret
	err    error
}

// ReadEarly has Locate read paths on mounts that are named as those of KV version 2 are, and ask what the mount is only where
// the answer does not tell. It is for who will read all that he locates.
func (s *Source) ReadEarly() { s.early = &early{answers: map[string]*earlyAnswer{}} }

// asVersion2 returns r as it is on a mount of KV version 2, and whether it is named as one: secret/ or kv…/. A read of that
// mints no lease, and where it is wrong it finds nothing.
func asVersion2(r envsource.Read) (version2 envsource.Read, likely bool) {
	first, _, below := strings.Cut(r.Path, "/")
	if r.Method == envsource.MethodWrite || !below || first != "secret" && !strings.HasPrefix(first, "kv") {
		return r, false
	}
	return locate(r, mountOfVersion2(first+"/")), true
}

// mountOfVersion2 describes a mount of KV version 2, as the server does.
func mountOfVersion2(path string) map[string]any {
	return map[string]any{"type": "kv", "path": path, "options": map[string]any{"version": "2"}}
}

// isVersion2 reports whether an answer is one of KV version 2
// (https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version).
func isVersion2(secret *api.Secret) bool {
	if secret == nil || secret.LeaseID != "" {
		return false
	}
	_, data := secret.Data["data"].(map[string]any)
	metadata, _ := secret.Data["metadata"].(map[string]any)
	_, created := metadata["created_time"].(string)
	return data && created && number(metadata["version"]) > 0
}

// locateEarly reads r as what it seems to be, and keeps the answer for Read. ok says whether r is that. An error is that of a
// server which cannot be asked now, for anything.
func (s *Source) locateEarly(ctx context.Context, r envsource.Read) (located envsource.Read, ok bool, _ error) {
	version2, likely := asVersion2(r)
	if s.early == nil || !likely {
		return r, false, nil
	}
	a, own := s.early.turn(version2.Key())
	if own {
		a.asked = time.Now()
		a.secret, a.err = s.request(ctx, version2)
		close(a.done)
	}
	<-a.done // who asks ends with the same context
	if a.err == nil && isVersion2(a.secret) {
		if s.mounts.of(r) == nil {
			s.mounts.learn(r, mountOfVersion2(version2.Mount))
		}
		return version2, true, nil
	}
	s.early.drop(version2.Key())
	if a.err != nil {
		if err := s.client.classify(version2.String(), a.err); errors.Is(err, envsource.ErrUnavailable) {
			return r, false, err
		}
	}
	return r, false, nil
}

// turn returns the answer to the read of that key, and whether the caller has to ask for it: two ways to write one path are
// one read.
func (e *early) turn(key string) (a *earlyAnswer, own bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a = e.answers[key]; a != nil {
		return a, false
	}
	a = &earlyAnswer{done: make(chan struct{})}
	e.answers[key] = a
	return a, true
}

func (e *early) drop(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.answers, key)
}

// take returns the answer to r that was had before, once.
func (e *early) take(r envsource.Read) *earlyAnswer {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	key := r.Key()
	a := e.answers[key]
	delete(e.answers, key)
	return a
}
