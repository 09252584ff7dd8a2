package devserver

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// token is who may ask. Its policies are names that it was given: they permit and forbid nothing.
type token struct {
	id, accessor, path, name string
	policies                 []string
	meta                     map[string]string
	parent                   *token // nil for an orphan
	lease                    *lease // nil for one without an end
	created                  time.Time
	creationTTL, ttl         time.Duration // what was granted first, and last
	longest, period          time.Duration // longest is the explicit maximum
	renewable                bool
	uses                     int // that are left; 0 is any number, -1 none after this
}

func (s *Server) tokenPath(q *request, rest string) (a answer) {
	first, below, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	verb, _, _ := strings.Cut(first, "-")
	known := slices.Contains(strings.Fields("accessors create create-orphan lookup lookup-self lookup-accessor renew renew-self renew-accessor "+
		"revoke revoke-self revoke-accessor revoke-orphan"), first)
	switch {
	case first == "roles" || first == "tidy" || (first == "create" && below != ""):
		panic(missing("token roles"))
	case !known || below != "":
		panic(unsupportedPath())
	case rest == "accessors/" && q.op == opList:
		accessors := map[string]bool{}
		for _, t := range s.tokens {
			accessors[t.accessor] = true
		}
		return listing(maps.Keys(accessors), "", "token")
	case q.op == opRead && (first == "lookup" || first == "lookup-self"), verb == "lookup" && q.op == opWrite:
		t, id := s.named(q, first)
		deny(t == nil, refuse(http.StatusForbidden, "bad token"))
		a = t.show(id, q.now)
	case q.op != opWrite || verb == "accessors":
		panic(unsupportedOperation())
	case verb == "create":
		a = s.createToken(q, first)
	case verb == "renew":
		a = s.renewToken(q, first)
	default:
		a = s.endToken(q, first)
	}
	a.mount = "token"
	return a
}

var badInName = regexp.MustCompile(`[^a-zA-Z0-9-]+`)

func (s *Server) createToken(q *request, verb string) answer {
	t := &token{
		path: "auth/token/" + verb, name: "token", parent: q.caller, created: q.now, id: q.text("id"), accessor: randomText(24),
		policies: q.texts("policies"), renewable: q.truth("renewable", true), longest: q.duration("explicit_max_ttl"), period: q.duration("period"), uses: q.number("num_uses"),
	}
	t.meta, _ = q.pairs("meta")
	wanted := q.duration("ttl")
	deny(q.text("type") != "" && q.text("type") != "service", missing("batch tokens"))
	deny(q.text("entity_alias") != "", missing("entities"))
	bad(strings.HasPrefix(t.id, "hvs."), "custom token ID cannot have the 'hvs.' prefix")
	bad(strings.Contains(t.id, "."), "custom token ID cannot have a '.' in the value")
	bad(s.tokens[t.id] != nil, "cannot create a token with a duplicate ID")
	bad(q.caller.uses != 0, "restricted use token cannot generate child tokens")
	bad(wanted < 0, "ttl must be positive")
	bad(t.period < 0, "period must be positive")
	bad(t.longest < 0, "explicit_max_ttl must be positive")
	bad(t.uses < 0, "number of uses cannot be negative")
	if t.id == "" {
		t.id = "hvs." + randomText(24)
	}
	if name := strings.Trim(badInName.ReplaceAllString(q.text("display_name"), "-"), "-"); name != "" {
		t.name += "-" + name
	}
	if q.truth("no_parent", false) || verb == "create-orphan" {
		t.parent = nil
	}
	if len(t.policies) == 0 {
		t.policies = slices.Clone(q.caller.policies)
	}
	root := slices.Contains(t.policies, "root")
	if !root && !q.truth("no_default_policy", false) {
		t.policies = append(t.policies, "default")
	}
	slices.Sort(t.policies)
	t.policies = slices.Compact(t.policies)
	warnings := s.start(t, q, root, wanted)
	if !root {
		warnings = append(warnings, "the embedded server of vwrap dev has no policies: this token may do everything")
	}
	return answer{auth: t.auth(t.id), warnings: warnings}
}

// start gives the token its time. Root tokens have no end unless one was asked for.
func (s *Server) start(t *token, q *request, root bool, wanted time.Duration) (warnings []string) {
	endless := root && wanted == 0 && t.period == 0 && t.longest == 0
	bad(endless && q.caller.lease != nil, "expiring root tokens cannot create non-expiring root tokens")
	s.tokens[t.id] = t
	if endless {
		t.renewable = false
		return nil
	}
	if wanted == 0 {
		if wanted = systemTTL; root {
			wanted = atMost(systemTTL, t.longest)
		}
	}
	t.lease = &lease{id: "auth/token/create/h" + strings.ToLower(randomText(24)), token: t, issued: q.now, renewable: t.renewable}
	s.leases[t.lease.id] = t.lease
	warnings = t.extend(q.now, wanted)
	t.creationTTL = t.ttl
	return warnings
}

// extend grants time, from now: a period as often as it is asked for, anything else within the maximum.
func (t *token) extend(now time.Time, wanted time.Duration) (warnings []string) {
	issued := t.created
	if t.period > 0 {
		wanted = t.period
		if t.longest == 0 {
			issued = now
		}
	}
	t.ttl, warnings = grant(now, issued, wanted, atMost(systemTTL, t.longest))
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

// named finds the token that a request is about, nil where there is none, and what to say of its ID.
func (s *Server) named(q *request, verb string) (t *token, id string) {
	switch {
	case strings.HasSuffix(verb, "-self"), verb == "lookup" && !q.has("token"):
		return q.caller, q.caller.id
	case !strings.HasSuffix(verb, "-accessor"):
		id = q.need("token", "missing token ID")
		return s.tokens[id], id
	}
	accessor := q.need("accessor", "missing accessor")
	for _, t := range s.tokens {
		if t.accessor == accessor {
			return t, ""
		}
	}
	bad(verb != "revoke-accessor", many("invalid accessor"))
	return nil, ""
}

func (t *token) show(id string, now time.Time) answer {
	data := object{
		"accessor": t.accessor, "creation_time": t.created.Unix(), "creation_ttl": seconds(t.creationTTL), "display_name": t.name,
		"entity_id": "", "expire_time": nil, "explicit_max_ttl": seconds(t.longest), "id": id, "issue_time": stamp(t.created), "meta": t.meta,
		"num_uses": t.uses, "orphan": t.parent == nil, "path": t.path, "policies": t.policies, "renewable": t.renewable, "ttl": 0, "type": "service",
	}
	if t.period > 0 {
		data["period"] = seconds(t.period)
	}
	if t.lease != nil {
		data["expire_time"], data["ttl"] = stamp(t.lease.expires), seconds(t.lease.expires.Sub(now))
		if !t.lease.renewed.IsZero() {
			data["last_renewal"], data["last_renewal_time"] = stamp(t.lease.renewed), t.lease.renewed.Unix()
		}
	}
	return answer{data: data}
}

func (s *Server) renewToken(q *request, verb string) answer {
	t, id := s.named(q, verb)
	wanted := q.duration("increment")
	bad(t == nil, "token not found")
	bad(t.lease == nil || !t.renewable, "lease is not renewable")
	if wanted <= 0 {
		wanted = t.ttl
	}
	warnings := t.extend(q.now, wanted)
	t.lease.renewed = q.now
	return answer{auth: t.auth(id), warnings: warnings}
}

func (s *Server) endToken(q *request, verb string) answer {
	t, _ := s.named(q, verb)
	bad(t == nil && verb == "revoke-orphan", "token to revoke not found")
	switch {
	case t == nil && verb == "revoke-accessor":
		return answer{warnings: []string{"No token found with this accessor"}}
	case t == nil: // it need not have been there
		return answer{}
	case verb == "revoke-orphan":
		for _, child := range s.tokens {
			if child.parent == t {
				child.parent = nil
			}
		}
	}
	s.revokeToken(t)
	return answer{}
}

// revokeToken ends a token, its children, and the leases that it asked for.
func (s *Server) revokeToken(t *token) {
	delete(s.tokens, t.id)
	for id, l := range s.leases {
		if l.owner == t || l.token == t {
			delete(s.leases, id)
		}
	}
	for _, child := range s.tokens {
		if child.parent == t {
			s.revokeToken(child)
		}
	}
}
