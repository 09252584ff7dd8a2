package devserver

import (
	"cmp"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// token is who may ask. Its policies are names that it was given: they permit and forbid nothing.
type token struct {
	id, accessor string
	path, name   string
	policies     []string
	meta         map[string]string
	parent       *token // nil for an orphan
	lease        *lease // nil for one without an end
	created      time.Time
	creationTTL  time.Duration
	ttl          time.Duration // what was granted last
	longest      time.Duration // the explicit maximum
	period       time.Duration
	renewable    bool
	uses         int // that are left; 0 is any number, -1 none after this
}

func rootToken(id string, now time.Time) *token {
	return &token{id: id, accessor: randomText(24), path: "auth/token/create", name: "token", policies: []string{"root"}, created: now}
}

const tokenLeases = "auth/token/create/"

func (s *Server) tokenPath(q *request, rest string) (answer, error) {
	type handler = func(*Server, *request) (answer, error)
	reads := map[string]handler{"lookup": (*Server).lookupToken, "lookup-self": (*Server).lookupToken}
	lists := map[string]handler{"accessors/": (*Server).listAccessors}
	writes := map[string]handler{
		"create": (*Server).createToken, "create-orphan": (*Server).createToken,
		"lookup": (*Server).lookupToken, "lookup-self": (*Server).lookupToken, "lookup-accessor": (*Server).lookupToken,
		"renew": (*Server).renewToken, "renew-self": (*Server).renewToken, "renew-accessor": (*Server).renewToken,
		"revoke": (*Server).endToken, "revoke-self": (*Server).endToken, "revoke-accessor": (*Server).endToken, "revoke-orphan": (*Server).endToken,
	}
	of := map[string]map[string]handler{opRead: reads, opList: lists, opWrite: writes}
	q.path = rest
	if do := of[q.op][rest]; do != nil {
		a, err := do(s, q)
		a.mount = "token"
		return a, err
	}
	first, _, more := strings.Cut(rest, "/")
	switch {
	case first == "roles" || first == "tidy" || (first == "create" && more):
		return answer{}, missing("token roles")
	case reads[rest] != nil || lists[rest+"/"] != nil || writes[strings.TrimSuffix(rest, "/")] != nil:
		return answer{}, unsupportedOperation()
	}
	return answer{}, unsupportedPath()
}

var badInName = regexp.MustCompile(`[^a-zA-Z0-9-]+`)

func (s *Server) createToken(q *request) (answer, error) {
	f := &q.fields
	t := &token{
		path: "auth/token/" + q.path, name: "token", parent: q.caller, created: q.now, id: f.text("id"), accessor: randomText(24),
		policies: f.texts("policies"), renewable: f.truth("renewable", true), longest: f.duration("explicit_max_ttl"),
		period: f.duration("period"), uses: f.number("num_uses"),
	}
	t.meta, _ = f.pairs("meta")
	if name := strings.Trim(badInName.ReplaceAllString(f.text("display_name"), "-"), "-"); name != "" {
		t.name += "-" + name
	}
	if q.path == "create-orphan" || f.truth("no_parent", false) {
		t.parent = nil
	}
	wanted := f.duration("ttl")
	if t.id == "" {
		t.id = "hvs." + randomText(24)
	} else if err := s.checkTokenID(t.id); err != nil {
		return answer{}, err
	}
	if err := checkToken(q, t, wanted); err != nil {
		return answer{}, err
	}
	if len(t.policies) == 0 {
		t.policies = slices.Clone(q.caller.policies)
	}
	if !slices.Contains(t.policies, "root") && !f.truth("no_default_policy", false) {
		t.policies = append(t.policies, "default")
	}
	slices.Sort(t.policies)
	t.policies = slices.Compact(t.policies)
	warnings, err := s.admit(q, t, wanted)
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(t.policies, "root") {
		warnings = append(warnings, "the embedded server of vwrap dev has no policies: this token may do everything")
	}
	return answer{auth: t.auth(t.id), warnings: warnings}, nil
}

func (s *Server) checkTokenID(id string) error {
	switch {
	case strings.HasPrefix(id, "hvs."):
		return badRequest("custom token ID cannot have the 'hvs.' prefix")
	case strings.Contains(id, "."):
		return badRequest("custom token ID cannot have a '.' in the value")
	case s.tokens[id] != nil:
		return badRequest("cannot create a token with a duplicate ID")
	}
	return nil
}

func checkToken(q *request, t *token, wanted time.Duration) error {
	f := &q.fields
	switch kind := f.text("type"); {
	case f.failure != nil:
		return f.failure
	case q.caller.uses != 0:
		return badRequest("restricted use token cannot generate child tokens")
	case kind != "" && kind != "service":
		return missing("batch tokens")
	case f.text("entity_alias") != "":
		return missing("entities")
	case wanted < 0:
		return badRequest("ttl must be positive")
	case t.period < 0:
		return badRequest("period must be positive")
	case t.longest < 0:
		return badRequest("explicit_max_ttl must be positive")
	case t.uses < 0:
		return badRequest("number of uses cannot be negative")
	}
	return nil
}

// admit gives the token its time. Root tokens have no end unless one was asked for.
func (s *Server) admit(q *request, t *token, wanted time.Duration) (warnings []string, err error) {
	if slices.Contains(t.policies, "root") && wanted == 0 && t.period == 0 && t.longest == 0 {
		if q.caller.lease != nil {
			return nil, badRequest("expiring root tokens cannot create non-expiring root tokens")
		}
		t.renewable = false
		s.tokens[t.id] = t
		return nil, nil
	}
	if slices.Contains(t.policies, "root") && wanted == 0 {
		wanted = atMost(systemTTL, t.longest)
	}
	t.lease = &lease{id: tokenLeases + "h" + strings.ToLower(randomText(24)), owner: t.parent, token: t, issued: q.now, renewing: t.renewable}
	warnings = t.extend(q.now, wanted, systemTTL)
	t.creationTTL = t.ttl
	s.tokens[t.id], s.leases[t.lease.id] = t, t.lease
	return warnings, nil
}

// extend grants time, from now: a period as often as it is asked for, anything else within the maximum.
func (t *token) extend(now time.Time, wanted, otherwise time.Duration) (warnings []string) {
	longest := atMost(systemTTL, t.longest)
	issued := t.created
	if t.period > 0 {
		wanted = t.period
		if t.longest == 0 {
			issued = now
		}
	}
	t.ttl, warnings = grant(now, issued, wanted, otherwise, longest)
	if t.period > 0 && warnings != nil {
		warnings[0] = strings.NewReplacer("TTL of", "period of", "TTL value", "period value").Replace(warnings[0])
	}
	t.lease.expires = now.Add(t.ttl)
	return warnings
}

// auth is what a login answers. Who asked by the accessor is not told the token.
func (t *token) auth(id string) object {
	return object{
		"client_token": id, "accessor": t.accessor, "policies": t.policies, "token_policies": t.policies, "metadata": t.meta,
		"lease_duration": seconds(t.ttl), "renewable": t.renewable, "entity_id": "", "token_type": "service", "orphan": t.parent == nil,
		"mfa_requirement": nil, "num_uses": t.uses,
	}
}

// named finds the token that a request is about, and what to say of its ID.
func (s *Server) named(q *request) (t *token, id string, err error) {
	switch {
	case strings.HasSuffix(q.path, "-self"):
		return q.caller, q.caller.id, nil
	case strings.HasSuffix(q.path, "-accessor"):
		accessor, err := q.fields.need("accessor", "missing accessor")
		if err != nil {
			return nil, "", err
		}
		for _, t := range s.tokens {
			if t.accessor == accessor {
				return t, "", nil
			}
		}
		return nil, "", badRequest("%s", many("invalid accessor"))
	case q.path == "lookup" && !q.fields.has("token"):
		return q.caller, q.caller.id, nil
	}
	id, err = q.fields.need("token", "missing token ID")
	return s.tokens[id], id, err
}

func (s *Server) lookupToken(q *request) (answer, error) {
	t, id, err := s.named(q)
	if err != nil {
		return answer{}, err
	}
	if t == nil {
		return answer{}, refuse(http.StatusForbidden, "bad token")
	}
	data := object{
		"accessor": t.accessor, "creation_time": t.created.Unix(), "creation_ttl": seconds(t.creationTTL), "display_name": t.name,
		"entity_id": "", "expire_time": nil, "explicit_max_ttl": seconds(t.longest), "id": id, "issue_time": stamp(t.created), "meta": t.meta,
		"num_uses": t.uses, "orphan": t.parent == nil, "path": t.path, "policies": t.policies, "renewable": t.renewable, "ttl": 0, "type": "service",
	}
	if t.period > 0 {
		data["period"] = seconds(t.period)
	}
	if t.lease != nil {
		data["expire_time"], data["ttl"] = stamp(t.lease.expires), seconds(t.lease.expires.Sub(q.now))
		if !t.lease.renewed.IsZero() {
			data["last_renewal"], data["last_renewal_time"] = stamp(t.lease.renewed), t.lease.renewed.Unix()
		}
	}
	return answer{data: data}, nil
}

func (s *Server) renewToken(q *request) (answer, error) {
	t, id, err := s.named(q)
	increment := q.fields.duration("increment")
	switch err = cmp.Or(err, q.fields.failure); {
	case err != nil:
		return answer{}, err
	case t == nil:
		return answer{}, badRequest("token not found")
	case t.lease == nil || !t.renewable:
		return answer{}, badRequest("lease is not renewable")
	}
	warnings := t.extend(q.now, increment, t.ttl)
	t.lease.renewed = q.now
	return answer{auth: t.auth(id), warnings: warnings}, nil
}

func (s *Server) endToken(q *request) (answer, error) {
	t, _, err := s.named(q)
	switch {
	case err != nil && q.path == "revoke-accessor" && q.fields.text("accessor") != "":
		return answer{warnings: []string{"No token found with this accessor"}}, nil
	case err != nil:
		return answer{}, err
	case t == nil && q.path == "revoke-orphan":
		return answer{}, badRequest("token to revoke not found")
	case t == nil:
		return answer{}, nil // it need not have been there
	}
	if q.path == "revoke-orphan" {
		for _, child := range s.tokens {
			if child.parent == t {
				child.parent = nil
			}
		}
	}
	s.revokeToken(t)
	return answer{}, nil
}

// revokeToken ends a token, its children, and the leases that it asked for.
func (s *Server) revokeToken(t *token) {
	delete(s.tokens, t.id)
	if t.lease != nil {
		delete(s.leases, t.lease.id)
	}
	for _, child := range s.tokens {
		if child.parent == t {
			s.revokeToken(child)
		}
	}
	for id, l := range s.leases {
		if l.owner == t && l.token == nil {
			delete(s.leases, id)
		}
	}
}

func (s *Server) listAccessors(*request) (answer, error) {
	var keys []string
	for t := range maps.Values(s.tokens) {
		keys = append(keys, t.accessor)
	}
	slices.Sort(keys)
	return listing(keys, "token")
}
