package devserver

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// holding is a token, or a credential of a database: what lives for a time, and ends with the token that asked for it.
type holding struct {
	id                       string   // of the lease; "" for a token without an end
	parent                   *holding // nil for an orphan
	issued, renewed, expires time.Time
	first, ttl               time.Duration // what was granted first, and last
	longest, period          time.Duration // of a token, where it has such: the explicit maximum, and what it always gets
	renewable                bool

	mount *mount // of a credential
	role  string

	token, accessor, path, name string
	policies                    []string // names that a token was given: they permit and forbid nothing
	meta                        map[string]string
	uses                        int // that are left; 0 is any number, -1 none after this
}

// hold gives a holding its lease below path, and its first time.
func (s *Server) hold(q *request, h *holding, path string, wanted, limit time.Duration) {
	h.id = path + randomText(24)
	s.leases[h.id] = h
	q.extend(h, wanted, limit)
	h.first = h.ttl
}

// extend grants h time, from now: a period as often as it is asked for, anything else within limit since the issue.
func (q *request) extend(h *holding, wanted, limit time.Duration) {
	since, word := h.issued, "TTL"
	if h.period > 0 {
		wanted, word = h.period, "period"
		if h.longest == 0 {
			since = q.now
		}
	}
	if left := since.Add(atMost(limit, h.longest)).Sub(q.now).Round(time.Second); wanted > left {
		short := strings.NewReplacer("h0m0s", "h", "m0s", "m") // 1h, not 1h0m0s
		q.warnings = append(q.warnings, fmt.Sprintf("%s of %q exceeded the effective max_ttl of %q; %s value is capped accordingly",
			word, short.Replace(wanted.String()), short.Replace(left.String()), word))
		wanted = left
	}
	h.ttl, h.expires = wanted, q.now.Add(wanted)
}

// renew extends by what is asked for.
func (q *request) renew(h *holding, otherwise, limit time.Duration) {
	wanted := cmp.Or(max(0, q.duration("increment")), otherwise)
	h.renewed = q.now
	q.extend(h, wanted, limit)
}

// atMost is the smaller of two limits, where the other may be none.
func atMost(limit, other time.Duration) time.Duration { return min(limit, cmp.Or(other, limit)) }

// revokeWhere ends holdings, and all that was asked for with them.
func (s *Server) revokeWhere(ends func(*holding) bool) {
	for _, all := range []map[string]*holding{s.tokens, s.leases} {
		for _, h := range all {
			if ends(h) {
				delete(s.leases, h.id)
				delete(s.tokens, h.token)
				s.revokeWhere(func(other *holding) bool { return other.parent == h })
			}
		}
	}
}

// revoke ends a holding; nil is one that is not there any more.
func (s *Server) revoke(h *holding) { s.revokeWhere(func(other *holding) bool { return other == h }) }

func (s *Server) revokeBelow(prefix string) {
	s.revokeWhere(func(h *holding) bool { return strings.HasPrefix(h.id, prefix) })
}

func (s *Server) revokePrefix(q *request) { s.revokeBelow(strings.TrimSuffix(q.name, "/") + "/") }
func (s *Server) revokeLease(q *request)  { s.revoke(s.leaseOf(q)) }
func (s *Server) listLeases(q *request)   { q.names(maps.Keys(s.leases)) }

// leaseOf is what the path names, else the body.
func (s *Server) leaseOf(q *request) *holding {
	if q.name != "" {
		return s.leases[q.name]
	}
	return s.leases[q.need("lease_id", "lease_id must be specified")]
}

func (s *Server) renewLease(q *request) {
	h := s.leaseOf(q)
	bad(h == nil, "lease not found")
	bad(h.mount == nil, "tokens cannot be renewed through this endpoint")
	r := h.mount.roles[h.role]
	bad(r == nil, "error during renew: the role is gone")
	q.renew(h, h.mount.userTTL(r), h.mount.userLimit(r))
	q.lease, q.renewable, q.lasts = h.id, true, h.ttl
}

func (s *Server) lookupLease(q *request) {
	h := s.leaseOf(q)
	bad(h == nil, "invalid lease")
	q.data = object{
		"id": h.id, "issue_time": stamp(h.issued, nil), "expire_time": stamp(h.expires, nil), "last_renewal": stamp(h.renewed, nil),
		"renewable": h.renewable, "ttl": seconds(h.expires.Sub(q.now)),
	}
}

func (s *Server) createToken(q *request) {
	t := &holding{
		token: q.text("id"), accessor: randomText(24), path: q.path, name: tokenName(q), policies: tokenPolicies(q), meta: q.pairs("meta", nil),
		issued: q.now, renewable: q.truth("renewable", true), longest: q.duration("explicit_max_ttl"), period: q.duration("period"),
		uses: q.number("num_uses"), parent: q.caller,
	}
	wanted, root := q.duration("ttl"), slices.Contains(t.policies, "root")
	missing(cmp.Or(q.text("type"), "service") != "service", "batch tokens")
	missing(q.text("entity_alias") != "", "entities")
	bad(strings.HasPrefix(t.token, "hvs."), "custom token ID cannot have the 'hvs.' prefix")
	bad(strings.Contains(t.token, "."), "custom token ID cannot have a '.' in the value")
	bad(s.tokens[t.token] != nil, "cannot create a token with a duplicate ID")
	bad(q.caller.uses != 0, "restricted use token cannot generate child tokens")
	bad(wanted < 0, "ttl must be positive")
	bad(t.period < 0, "period must be positive")
	bad(t.longest < 0, "explicit_max_ttl must be positive")
	bad(t.uses < 0, "number of uses cannot be negative")
	t.token = cmp.Or(t.token, "hvs."+randomText(24))
	if q.truth("no_parent", false) || strings.HasSuffix(q.path, "-orphan") {
		t.parent = nil
	}
	if root {
		wanted = cmp.Or(wanted, t.longest)
	}
	if endless := root && wanted == 0 && t.period == 0; endless {
		bad(q.caller.id != "", "expiring root tokens cannot create non-expiring root tokens")
		t.renewable = false
	} else {
		s.hold(q, t, "auth/token/create/h", cmp.Or(wanted, systemTTL), systemTTL)
	}
	if !root {
		q.warnings = append(q.warnings, "the embedded server of vwrap dev has no policies: this token may do everything")
	}
	s.tokens[t.token] = t
	q.auth = t.login(t.token)
}

func tokenName(q *request) string {
	badInName := regexp.MustCompile(`[^a-zA-Z0-9-]+`)
	return strings.TrimSuffix("token-"+strings.Trim(badInName.ReplaceAllString(q.text("display_name"), "-"), "-"), "-")
}

// tokenPolicies are those that were asked for, else the caller's.
func tokenPolicies(q *request) []string {
	policies := q.texts("policies")
	if len(policies) == 0 {
		policies = slices.Clone(q.caller.policies)
	}
	if !slices.Contains(policies, "root") && !q.truth("no_default_policy", false) {
		policies = append(policies, "default")
	}
	slices.Sort(policies)
	return slices.Compact(policies)
}

// login is what a login answers.
func (h *holding) login(id string) object {
	return object{
		"client_token": id, "accessor": h.accessor, "policies": h.policies, "token_policies": h.policies, "metadata": h.meta,
		"lease_duration": seconds(h.ttl), "renewable": h.renewable, "entity_id": "", "token_type": "service", "orphan": h.parent == nil,
		"mfa_requirement": nil, "num_uses": h.uses,
	}
}

// tokenOf is the token that a request is about, nil where there is none, and what to say of its ID: who asks by the
// accessor is not told the token.
func (s *Server) tokenOf(q *request) (t *holding, id string) {
	switch {
	case strings.HasSuffix(q.path, "-self"), q.path == "auth/token/lookup" && !q.has("token"):
		return q.caller, q.caller.token
	case !strings.HasSuffix(q.path, "-accessor"):
		id = q.need("token", "missing token ID")
		return s.tokens[id], id
	}
	accessor := q.need("accessor", "missing accessor")
	for _, t := range s.tokens {
		if t.accessor == accessor {
			return t, ""
		}
	}
	bad(q.path != "auth/token/revoke-accessor", many("invalid accessor"))
	q.warnings = []string{"No token found with this accessor"}
	return nil, ""
}

func (s *Server) lookupToken(q *request) {
	t, id := s.tokenOf(q)
	deny(t == nil, http.StatusForbidden, "bad token")
	data := object{
		"accessor": t.accessor, "creation_time": t.issued.Unix(), "creation_ttl": seconds(t.first), "display_name": t.name, "entity_id": "",
		"expire_time": stamp(t.expires, nil), "explicit_max_ttl": seconds(t.longest), "id": id, "issue_time": stamp(t.issued, nil),
		"meta": t.meta, "num_uses": t.uses, "orphan": t.parent == nil, "path": t.path, "policies": t.policies, "renewable": t.renewable,
		"type": "service", "ttl": max(0, seconds(t.expires.Sub(q.now))), // 0 for one without an end
	}
	if t.period > 0 {
		data["period"] = seconds(t.period)
	}
	if !t.renewed.IsZero() {
		data["last_renewal"], data["last_renewal_time"] = stamp(t.renewed, nil), t.renewed.Unix()
	}
	q.data = data
}

func (s *Server) renewToken(q *request) {
	t, id := s.tokenOf(q)
	bad(t == nil, "token not found")
	bad(t.id == "" || !t.renewable, "lease is not renewable")
	q.renew(t, t.ttl, systemTTL)
	q.auth = t.login(id)
}

func (s *Server) revokeToken(q *request) {
	t, _ := s.tokenOf(q)
	if strings.HasSuffix(q.path, "-orphan") {
		bad(t == nil, "token to revoke not found")
		for _, child := range s.tokens {
			if child.parent == t {
				child.parent = nil
			}
		}
	}
	s.revoke(t)
}

func (s *Server) listAccessors(q *request) {
	var accessors []string
	for _, t := range s.tokens {
		accessors = append(accessors, t.accessor)
	}
	q.names(slices.Values(accessors))
}
