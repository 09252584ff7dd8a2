package devserver

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// lease is the time that a credential or a token has.
type lease struct {
	id       string
	owner    *token // who asked; nil where the owner of a token is gone and let it live
	token    *token // whose time this is; nil for a credential
	mount    *mount // the database engine of a credential
	role     string
	issued   time.Time
	renewed  time.Time
	expires  time.Time
	renewing bool
}

// grant is how long something may live: what is wanted, else otherwise, within what is left of longest since issued.
func grant(now, issued time.Time, wanted, otherwise, longest time.Duration) (ttl time.Duration, warnings []string) {
	if ttl = wanted; ttl <= 0 {
		ttl = otherwise
	}
	if left := issued.Add(longest).Sub(now).Round(time.Second); ttl > left {
		warnings = []string{fmt.Sprintf("TTL of %q exceeded the effective max_ttl of %q; TTL value is capped accordingly", shortTime(ttl), shortTime(left))}
		ttl = left
	}
	return ttl, warnings
}

// atMost is the smaller of two limits, where 0 is none.
func atMost(limit, other time.Duration) time.Duration {
	if other > 0 && other < limit {
		return other
	}
	return limit
}

// expire ends what has had its time.
func (s *Server) expire(now time.Time) {
	for _, l := range s.leases {
		if !l.expires.After(now) {
			s.revoke(l)
		}
	}
}

// revoke ends a lease, and a token's with all that hangs on the token.
func (s *Server) revoke(l *lease) {
	delete(s.leases, l.id)
	if l.token != nil {
		s.revokeToken(l.token)
	}
}

func (s *Server) leasePath(q *request, rest string) (answer, error) {
	verb, below, _ := strings.Cut(rest, "/")
	switch {
	case verb == "lookup" && q.op == opList:
		return s.listLeases(below)
	case verb == "lookup" && below == "" && q.op == opWrite:
		return s.lookupLease(q)
	case q.op == opRead && (verb == "" || verb == "count"):
		return answer{}, notFound()
	case verb == "tidy" || verb == "count" || verb == "irrevocable":
		return answer{}, missing("sys/leases/" + verb)
	case (verb == "revoke-prefix" || verb == "revoke-force") && below != "" && q.op == opWrite:
		s.revokeBelow(strings.TrimSuffix(below, "/") + "/")
		return answer{}, nil
	case (verb == "lookup" && below == "") || verb == "renew" || verb == "revoke":
		return s.changeLease(q, verb, below)
	}
	return answer{}, unsupportedPath()
}

// changeLease renews or revokes; the lease is named by the path or the body.
func (s *Server) changeLease(q *request, verb, id string) (answer, error) {
	if q.op != opWrite || verb == "lookup" {
		return answer{}, unsupportedOperation()
	}
	id, err := q.leaseID(id)
	if err != nil {
		return answer{}, err
	}
	l, ok := s.leases[id]
	if verb == "revoke" {
		if ok {
			s.revoke(l)
		}
		return answer{}, nil // it need not have been there
	}
	if !ok {
		return answer{}, badRequest("lease not found")
	}
	return s.renew(q, l)
}

func (q *request) leaseID(id string) (string, error) {
	if id != "" {
		return id, nil
	}
	if !q.fields.has("lease_id") && q.fields.has("url_lease_id") {
		return q.fields.need("url_lease_id", "lease_id must be specified")
	}
	return q.fields.need("lease_id", "lease_id must be specified")
}

func (s *Server) renew(q *request, l *lease) (answer, error) {
	increment := q.fields.duration("increment")
	switch {
	case q.fields.failure != nil:
		return answer{}, q.fields.failure
	case l.token != nil:
		return answer{}, badRequest("tokens cannot be renewed through this endpoint")
	}
	role, ok := l.mount.db.roles[l.role]
	if !ok {
		return answer{}, badRequest("error during renew: could not find role with name: %q", l.role)
	}
	ttl, warnings := grant(q.now, l.issued, increment, role.ttl(l.mount), role.limit(l.mount))
	l.renewed, l.expires = q.now, q.now.Add(ttl)
	return answer{lease: l.id, renewable: true, duration: ttl, warnings: warnings, mount: "system"}, nil
}

func (s *Server) lookupLease(q *request) (answer, error) {
	id, err := q.leaseID("")
	if err != nil {
		return answer{}, err
	}
	l, ok := s.leases[id]
	if !ok {
		return answer{}, badRequest("invalid lease")
	}
	data := object{
		"id": l.id, "issue_time": stamp(l.issued), "expire_time": stamp(l.expires), "last_renewal": nil,
		"renewable": l.renewing, "ttl": seconds(l.expires.Sub(q.now)),
	}
	if !l.renewed.IsZero() {
		data["last_renewal"] = stamp(l.renewed)
	}
	return answer{data: data, mount: "system"}, nil
}

func (s *Server) listLeases(prefix string) (answer, error) {
	keys := listBelow(maps.Keys(s.leases), prefix)
	return listing(keys, "system")
}

func (s *Server) revokeBelow(prefix string) {
	for id, l := range s.leases {
		if strings.HasPrefix(id, prefix) {
			s.revoke(l)
		}
	}
}

// listBelow are the names right below a prefix; those with more below them end in a slash.
func listBelow(paths func(func(string) bool), prefix string) []string {
	found := map[string]bool{}
	for path := range paths {
		if rest, ok := strings.CutPrefix(path, prefix); ok && rest != "" {
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				rest = rest[:i+1]
			}
			found[rest] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// listing answers a LIST; an empty one is a 404.
func listing(keys []string, mount string) (answer, error) {
	if len(keys) == 0 {
		return answer{}, refuse(http.StatusNotFound)
	}
	return answer{data: object{"keys": keys}, mount: mount}, nil
}

// wholeSeconds is the nearest number of seconds that are left; never less than none.
func wholeSeconds(d time.Duration) int64 { return int64(math.Max(0, math.Round(d.Seconds()))) }
