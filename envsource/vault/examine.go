package vault

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// What vwrap doctor asks. No answer to it has a value in it that anybody reads, and nothing is made by it.

// Health is what a server says of itself to anybody.
type Health struct {
	Initialized, Sealed, Standby bool
	Version                      string
	Skew                         time.Duration // by which this machine's clock is ahead of the server's, to about a second
	Timed                        bool          // the server said what time it has
	TLS                          *tls.ConnectionState
}

// ErrForeign is wrapped where something answers that is no Vault.
var ErrForeign = errors.New("not Vault")

// Health asks the server how it is, without a token (https://developer.hashicorp.com/vault/api-docs/system/health).
func (c *Client) Health(ctx context.Context) (Health, error) {
	asked := time.Now()
	root := c.api.WithNamespace("")
	root.SetToken("")
	query := map[string][]string{}
	for _, state := range []string{"uninitcode", "sealedcode", "standbycode", "drsecondarycode", "performancestandbycode"} {
		query[state] = []string{"200"}
	}
	answer, err := root.Logical().ReadRawWithDataWithContext(ctx, "sys/health", query)
	if answer != nil {
		defer answer.Body.Close()
	}
	if err != nil {
		return Health{}, c.classify("sys/health", err)
	}
	h := Health{TLS: answer.TLS}
	h.Skew, h.Timed = skew(answer.Header.Get("Date"), asked, time.Now())
	var body struct {
		Initialized *bool  `json:"initialized"`
		Sealed      bool   `json:"sealed"`
		Standby     bool   `json:"standby"`
		Version     string `json:"version"`
	}
	if json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&body) != nil || body.Initialized == nil {
		return h, fmt.Errorf("what answers at %s is %w", c.address, ErrForeign)
	}
	h.Initialized, h.Sealed, h.Standby, h.Version = *body.Initialized, body.Sealed, body.Standby, strings.TrimPrefix(brief(body.Version), ": ")
	return h, nil
}

// skew is by how much the local clock is ahead of a Date header (whole seconds, cut off) that came between two moments of it.
func skew(date string, asked, answered time.Time) (time.Duration, bool) {
	at, err := http.ParseTime(date)
	if err != nil {
		return 0, false
	}
	return asked.Add(answered.Sub(asked) / 2).Round(0).Sub(at.Add(time.Second / 2)), true
}

// TokenInfo is what a token is, without what it is good for.
type TokenInfo struct {
	TTL       time.Duration // left; 0 is forever
	Renewable bool
	Batch     bool
	Uses      int // left; 0 is any number
	Policies  []string
}

// Token looks up the token of s. Its error wraps ErrToken where the server does not know it.
func (s *Source) Token(ctx context.Context) (TokenInfo, error) {
	answer, err := s.client.api.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return TokenInfo{}, s.client.tokenError(err)
	}
	ttl, err := answer.TokenTTL()
	if err != nil || answer == nil {
		return TokenInfo{}, errors.New("look up the token: the answer has no TTL")
	}
	t := TokenInfo{TTL: ttl, Uses: number(answer.Data["num_uses"]), Batch: answer.Data["type"] == "batch"}
	t.Renewable, _ = answer.TokenIsRenewable()
	for _, field := range []string{"policies", "identity_policies"} {
		names, _ := answer.Data[field].([]any)
		for _, name := range names {
			if text, ok := name.(string); ok {
				t.Policies = append(t.Policies, strings.TrimPrefix(brief(text), ": "))
			}
		}
	}
	slices.Sort(t.Policies)
	t.Policies = slices.Compact(t.Policies)
	return t, nil
}

// Capabilities are what the token may do at each of paths (https://developer.hashicorp.com/vault/api-docs/system/capabilities-self).
func (s *Source) Capabilities(ctx context.Context, ns string, paths []string) (map[string][]string, error) {
	const path = "sys/capabilities-self"
	answer, err := s.client.in(ns).Logical().WriteWithContext(ctx, path, map[string]any{"paths": paths})
	if err != nil {
		return nil, s.client.classify(path, err)
	}
	if answer == nil {
		return nil, fmt.Errorf("%s: the answer is empty", path)
	}
	all := map[string][]string{}
	for _, path := range paths {
		listed, _ := answer.Data[path].([]any)
		for _, one := range listed {
			if text, ok := one.(string); ok {
				all[path] = append(all[path], text)
			}
		}
	}
	return all, nil
}

// Present reports whether something is where r, which Locate returned, reads: without a lease being made or a value being read.
// known is false where that cannot be told. Its error wraps envsource.ErrMissing where nothing is there.
func (s *Source) Present(ctx context.Context, r envsource.Read) (known bool, err error) {
	switch {
	case r.Kind == envsource.KindKV2 && r.Version == 0 && r.Method == envsource.MethodRead:
		_, err := s.client.Version(ctx, r)
		switch {
		case errors.Is(err, envsource.ErrDenied):
			return s.glance(ctx, r)
		case errors.Is(err, errNothing):
			err = envsource.Mark(fmt.Errorf("nothing at %s", r), envsource.ErrMissing)
		case errors.Is(err, envsource.ErrMissing):
			err = fmt.Errorf("%s: %w", r, err)
		}
		return true, err
	case r.Kind != "" && r.Method == envsource.MethodRead:
		return s.glance(ctx, r)
	}
	role, ok := roleOf(r)
	if !ok {
		return false, nil
	}
	return s.glance(ctx, role)
}

// glance asks for r and leaves the answer unread but for its status.
func (s *Source) glance(ctx context.Context, r envsource.Read) (known bool, err error) {
	var query map[string][]string
	if r.Version > 0 {
		query = map[string][]string{"version": {fmt.Sprint(r.Version)}}
	}
	answer, err := s.client.in(r.Namespace).Logical().ReadRawWithDataWithContext(ctx, r.Path, query)
	if answer != nil {
		_ = answer.Body.Close()
	}
	if err == nil {
		return true, nil
	}
	err = s.client.classify(r.String(), err)
	if errors.Is(err, envsource.ErrMissing) {
		return true, envsource.Mark(fmt.Errorf("nothing at %s", r), envsource.ErrMissing) // without the body, which nobody has looked at
	}
	if errors.Is(err, envsource.ErrUnavailable) {
		return false, err
	}
	return false, nil
}

// roleOf is the role that a credential is made by, which may be read without making one.
func roleOf(r envsource.Read) (envsource.Read, bool) {
	kinds := map[string]string{"creds": "roles", "static-creds": "static-roles", "issue": "roles", "sign": "roles", "decrypt": "keys"}
	kind, name, ok := strings.Cut(strings.TrimPrefix(r.Path, r.Mount), "/")
	roles := kinds[kind]
	if !ok || r.Mount == "" || roles == "" || strings.HasPrefix(r.Mount, "sys/") {
		return r, false
	}
	return envsource.Read{Source: r.Source, Namespace: r.Namespace, Method: envsource.MethodRead, Path: r.Mount + roles + "/" + name, Mount: r.Mount}, true
}

// Requirement is one thing that a token has to be allowed.
type Requirement struct {
	Path, Capability string
	Spare            bool // vwrap does without, at a price
}

// Line is the line of a policy that allows it.
func (r Requirement) Line() string {
	return fmt.Sprintf("path %q { capabilities = [%q] }", r.Path, r.Capability)
}

// Requires is what a located read takes. The first is for the read itself.
func Requires(r envsource.Read) (all []Requirement) {
	for i, one := range rulesFor(Use{Read: r}) {
		all = append(all, Requirement{one.path, strings.Trim(one.capabilities, `"`), i > 0})
	}
	return all
}

// Origin is where t, which a's Login returned, came from.
func (a Auth) Origin(t Token, getenv func(string) string) string {
	switch {
	case a.Method != "" && a.Method != "token":
		return "a login by auth/" + strings.Trim(cmp.Or(a.Mount, a.Method), "/")
	case t.File != "":
		return t.File
	case strings.TrimSpace(getenv("BAO_TOKEN")) != "":
		return "BAO_TOKEN"
	case strings.TrimSpace(getenv("VAULT_TOKEN")) != "":
		return "VAULT_TOKEN"
	}
	return "the token helper that ~/.vault names"
}

// Files are those that a takes a credential from, whether they are there or not. One may be a pipe, which somebody has
// yet to feed.
func (a Auth) Files(getenv func(string) string) []string {
	file := ""
	switch a.Method {
	case "", "token":
		file, _ = a.tokenFile(getenv)
	case "approle":
		file = a.SecretIDFile
	case "kubernetes", "jwt":
		file = a.JWTFile
	case "userpass", "ldap":
		file = a.PasswordFile
	}
	if file == "" {
		return nil
	}
	return []string{file}
}
