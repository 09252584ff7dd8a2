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

// foreseen are answers that were read before they were asked for: an answer of KV version 2's shape says what the mount is,
// which need not be asked then.
type foreseen struct {
	mu      sync.Mutex
	answers map[string]foresight // by the key of the read
}

// foresight is one of them.
type foresight struct {
	asked  time.Time
	secret *api.Secret
}

// Foresee has s take paths on mounts that are named as those of KV version 2 are for what they seem to be, and ask what the
// mount is only where that is wrong. It is for who will read all that he locates.
func (s *Source) Foresee() { s.foreseen = &foreseen{answers: map[string]foresight{}} }

// foretell returns what r is on a mount of KV version 2 that is named as such, secret/ or kv…/, and whether it seems to be: a
// read of that mints no lease, and where it is wrong it finds nothing.
func foretell(r envsource.Read) (foretold envsource.Read, ok bool) {
	first, _, below := strings.Cut(r.Path, "/")
	if r.Method == envsource.MethodWrite || !below || first != "secret" && !strings.HasPrefix(first, "kv") {
		return r, false
	}
	return locate(r, version2(first+"/")), true
}

// version2 describes a mount of KV version 2, as the server does.
func version2(path string) map[string]any {
	return map[string]any{"type": "kv", "path": path, "options": map[string]any{"version": "2"}}
}

// locate reads what is foretold of r, and keeps the answer for Read. ok says whether r is that. An error is that of a server
// which cannot be asked now, for anything.
func (f *foreseen) locate(ctx context.Context, s *Source, r envsource.Read) (located envsource.Read, ok bool, _ error) {
	foretold, likely := foretell(r)
	if f == nil || !likely {
		return r, false, nil
	}
	asked := time.Now()
	secret, err := s.request(ctx, foretold)
	if err != nil {
		if err = s.client.classify(foretold.String(), err); errors.Is(err, envsource.ErrUnavailable) {
			return r, false, err
		}
		return r, false, nil
	}
	if !versioned(secret) {
		return r, false, nil
	}
	s.mounts.learn(r, version2(foretold.Mount))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[foretold.Key()] = foresight{asked, secret}
	return foretold, true, nil
}

// versioned reports whether an answer is one of KV version 2
// (https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version).
func versioned(secret *api.Secret) bool {
	if secret == nil || secret.LeaseID != "" {
		return false
	}
	_, data := secret.Data["data"].(map[string]any)
	metadata, _ := secret.Data["metadata"].(map[string]any)
	_, created := metadata["created_time"].(string)
	return data && created && number(metadata["version"]) > 0
}

// take returns the answer to r that was had before, once.
func (f *foreseen) take(r envsource.Read) (answer foresight, ok bool) {
	if f == nil {
		return foresight{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.Key()
	answer, ok = f.answers[key]
	delete(f.answers, key)
	return answer, ok
}
