package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// Source reads secrets. It is made for one errand of a courier: what it learns of mounts is forgotten with it.
type Source struct {
	client *Client
	mounts mounts
	early  *early    // nil: nothing is read before it is asked for
	asked  sync.Once // whether the token is known
	dead   error     // that it is not
}

// Rehearse reads an answer of nobody's: to find out about the type takes package json longer than to read the first one.
func Rehearse() { _, _ = api.ParseSecret(strings.NewReader(`{"data": {}}`)) }

// NewSource returns a source that reads with token.
func NewSource(c Config, token secret.Text) (*Source, error) {
	client, err := NewClient(c)
	if err != nil {
		return nil, err
	}
	client.SetToken(token)
	return client.Source(), nil
}

// Source returns the server as a source that reads with c's token.
func (c *Client) Source() *Source { return &Source{client: c} }

// tokenDead returns an error wrapping ErrToken where the server says that it does not know the token.
// "permission denied" is its answer to a dead token and to a policy that lacks something: lookup-self, which every
// policy allows, tells them apart.
func (s *Source) tokenDead(ctx context.Context) error {
	s.asked.Do(func() {
		if _, err := s.client.LookupToken(ctx, secret.New(s.client.api.Token())); errors.Is(err, ErrToken) {
			s.dead = err
		}
	})
	return s.dead
}

// as returns the API client with another token. (The API client's own Clone forgets the namespace, and follows redirects.)
func (c *Client) as(token secret.Text) *api.Client {
	own := c.api.WithNamespace(c.api.Namespace())
	own.SetToken(token.Reveal())
	return own
}

// in returns the API client for namespace ns; "" is the client's own.
func (c *Client) in(ns string) *api.Client {
	if ns == "" {
		return c.api
	}
	return c.api.WithNamespace(ns)
}

// locate fills in what the mount's description says of r.
func locate(r envsource.Read, mount map[string]any) envsource.Read {
	kind, _ := mount["type"].(string)
	r.Mount, _ = mount["path"].(string)
	switch kind {
	case "kv", "generic":
		r.Kind = envsource.KindKV1
		if options, _ := mount["options"].(map[string]any); options["version"] == "2" {
			r.Kind = envsource.KindKV2
		}
	case "cubbyhole":
		r.Kind = envsource.KindKV1
	}
	if rest, ok := strings.CutPrefix(r.Path, r.Mount); ok && r.Kind == envsource.KindKV2 && r.Mount != "" &&
		!strings.HasPrefix(rest, "data/") {
		r.Path = r.Mount + "data/" + rest
	}
	return r
}

// Read reads r, which Locate returned.
func (s *Source) Read(ctx context.Context, r envsource.Read) (envsource.Answer, error) {
	asked, secret, err := s.ask(ctx, r)
	if err != nil && unwraps(r) && !forbidden(err) {
		return envsource.Answer{}, s.client.unwrapError(r.String(), err)
	}
	if err != nil {
		return envsource.Answer{}, s.denied(ctx, r, s.client.classify(r.String(), err))
	}
	if secret == nil && r.Version > 0 {
		return envsource.Answer{}, envsource.Mark(fmt.Errorf("%s has no version %d", r, r.Version), envsource.ErrMissing)
	}
	if secret == nil {
		return envsource.Answer{}, envsource.Mark(fmt.Errorf("nothing at %s", r), envsource.ErrMissing)
	}
	return answerOf(r, secret, asked)
}

// ask makes the request for r, unless there is an answer already; asked is when it was.
func (s *Source) ask(ctx context.Context, r envsource.Read) (asked time.Time, _ *api.Secret, _ error) {
	if a := s.early.take(r); a != nil {
		return a.asked, a.secret, nil
	}
	asked = time.Now()
	secret, err := s.request(ctx, r)
	return asked, secret, err
}

func (s *Source) request(ctx context.Context, r envsource.Read) (*api.Secret, error) {
	logical := s.client.in(r.Namespace).Logical()
	if r.Method == envsource.MethodWrite {
		return logical.WriteBytesWithContext(ctx, r.Path, r.Data)
	}
	var query map[string][]string
	if r.Version > 0 {
		query = map[string][]string{"version": {strconv.Itoa(r.Version)}}
	}
	return logical.ReadWithDataWithContext(ctx, r.Path, query)
}

// denied turns a denial into words that say whose fault it is: the token's or its policies'.
func (s *Source) denied(ctx context.Context, r envsource.Read, err error) error {
	if !errors.Is(err, envsource.ErrDenied) {
		return err
	}
	if dead := s.tokenDead(ctx); dead != nil {
		return dead
	}
	capability := "read"
	if r.Method == envsource.MethodWrite {
		capability = "update"
	}
	path := r.Path
	if r.Mount == "" {
		return envsource.Mark(fmt.Errorf("%s: permission denied: there is no such mount, or the token's policies lack %q there (KV version 2: on MOUNT/data/PATH)",
			path, capability), envsource.ErrDenied)
	}
	return envsource.Mark(fmt.Errorf("%s: permission denied: the token's policies lack %q on %q",
		r, capability, path), envsource.ErrDenied)
}

// answerOf takes fields and lease out of what the server answered.
func answerOf(r envsource.Read, secret *api.Secret, asked time.Time) (envsource.Answer, error) {
	a := envsource.Answer{
		Kind: r.Kind, LeaseID: secret.LeaseID, Renewable: secret.Renewable, Asked: asked, Warnings: secret.Warnings,
	}
	data := secret.Data
	if r.Kind == envsource.KindKV2 {
		metadata, _ := data["metadata"].(map[string]any)
		a.Version = number(metadata["version"])
		a.Stamp = stamp(a.Version, metadata)
		a.TTL = deletion(metadata, asked)
		data, _ = data["data"].(map[string]any)
		if data == nil {
			return a, envsource.Mark(gone(r, metadata), envsource.ErrMissing)
		}
	}
	switch {
	case a.LeaseID != "":
		a.Kind, a.TTL = envsource.KindLeased, seconds(secret.LeaseDuration)
	case r.Version > 0:
		a.Kind = envsource.KindStatic
	case a.Kind == "":
		a.Kind, a.TTL = endOf(r, data, asked)
		a.Kind = cmp.Or(a.Kind, envsource.KindStatic)
	}
	var err error
	a.Fields, err = fieldsOf(data)
	return a, err
}

// deletion is how long it is until the server deletes a KV v2 version (delete_version_after); 0 where it does not.
func deletion(metadata map[string]any, now time.Time) time.Duration {
	text, _ := metadata["deletion_time"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

// gone says why a KV v2 version has no data.
func gone(r envsource.Read, metadata map[string]any) error {
	version := number(metadata["version"])
	if destroyed, _ := metadata["destroyed"].(bool); destroyed {
		return fmt.Errorf("%s: version %d is destroyed", r, version)
	}
	if deleted, _ := metadata["deletion_time"].(string); deleted != "" {
		return fmt.Errorf("%s: version %d is deleted (vault kv undelete -versions=%d brings it back)", r, version, version)
	}
	return fmt.Errorf("%s: version %d has no data", r, version)
}

// fieldsOf encodes each field by itself, numbers digit for digit as the server wrote them.
func fieldsOf(data map[string]any) (map[string]json.RawMessage, error) {
	fields := make(map[string]json.RawMessage, len(data))
	for _, name := range slices.Sorted(maps.Keys(data)) {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // a value's <, > and & stay as they are
		if e.Encode(data[name]) != nil {
			return nil, fmt.Errorf("field %q cannot be encoded", name)
		}
		fields[name] = json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
	}
	return fields, nil
}

// number is a JSON number of an answer as an int; 0 where it is none.
func number(v any) int {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return int(i)
}
