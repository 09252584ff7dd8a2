package vault

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/vwrap/vwrap/envsource"
)

// mounts are those that a source has learnt of. None lies within another: the server refuses to make one below one that is
// there (Vault API, sys/mounts), so what is below a known one is in it.
type mounts struct {
	mu     sync.Mutex
	known  map[place][]map[string]any
	asking map[place]*question
}

// place is where look-ups may have one answer: a namespace, and what the path begins with.
type place struct{ namespace, first string }

func placeOf(r envsource.Read) place {
	first, _, _ := strings.Cut(r.Path, "/")
	return place{r.Namespace, first}
}

// question is a look-up under way, whose answer others wait for.
type question struct {
	done chan struct{}
	err  error // valid once done is closed
}

// of returns the description of the known mount that r is in; nil where none is known.
func (m *mounts) of(r envsource.Read) map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mount := range m.known[placeOf(r)] {
		if path, _ := mount["path"].(string); path != "" && strings.HasPrefix(r.Path+"/", path) {
			return mount
		}
	}
	return nil
}

func (m *mounts) learn(r envsource.Read, mount map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[place][]map[string]any{}
	}
	m.known[placeOf(r)] = append(m.known[placeOf(r)], mount)
}

// turn returns the question that may answer for r too, and whether it is r's own, which end has to be called for.
func (m *mounts) turn(r envsource.Read) (q *question, own bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if q = m.asking[placeOf(r)]; q != nil {
		return q, false
	}
	if m.asking == nil {
		m.asking = map[place]*question{}
	}
	q = &question{done: make(chan struct{})}
	m.asking[placeOf(r)] = q
	return q, true
}

// end has those who wait for q go on. Where it failed the next one asks anew: a failed look-up is not remembered.
func (m *mounts) end(r envsource.Read, q *question, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q.err = err
	if err != nil {
		delete(m.asking, placeOf(r))
	}
	close(q.done)
}

// Locate asks what kind of mount r's path is on (sys/internal/ui/mounts, which any token that may read something
// there may ask) and returns r with the path as the API has it. Paths on one mount are asked for once: the first of those
// that begin alike goes ahead, and who is not on its mount asks for himself.
func (s *Source) Locate(ctx context.Context, r envsource.Read) (envsource.Read, error) {
	if mount := s.mounts.of(r); mount != nil {
		return locate(r, mount), nil
	}
	if located, ok, err := s.locateEarly(ctx, r); ok || err != nil {
		return located, err
	}
	return s.find(ctx, r)
}

// find is Locate for a path whose mount is not known yet.
func (s *Source) find(ctx context.Context, r envsource.Read) (envsource.Read, error) {
	q, own := s.mounts.turn(r)
	if own {
		located, err := s.lookUp(ctx, r)
		s.mounts.end(r, q, err)
		return located, err
	}
	select {
	case <-q.done:
	case <-ctx.Done(): // lookUp says so in its words
	}
	if mount := s.mounts.of(r); mount != nil {
		return locate(r, mount), nil
	}
	if ctx.Err() == nil && errors.Is(q.err, envsource.ErrUnavailable) {
		return r, q.err
	}
	return s.lookUp(ctx, r)
}

// lookUp is Locate for r alone.
func (s *Source) lookUp(ctx context.Context, r envsource.Read) (envsource.Read, error) {
	answer, err := s.client.in(r.Namespace).Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+r.Path)
	if err != nil {
		err = s.client.classify(r.String(), err)
		if errors.Is(err, envsource.ErrMissing) {
			return r, nil // a server that does not have the endpoint: take the path as it is written
		}
		return r, s.denied(ctx, r, err)
	}
	if answer == nil {
		return r, nil
	}
	s.mounts.learn(r, answer.Data)
	return locate(r, answer.Data), nil
}
