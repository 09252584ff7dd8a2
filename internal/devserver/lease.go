package devserver

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// lease is the time that a credential or a token has.
type lease struct {
	id, role                 string
	owner                    *token // who asked for the credential
	token                    *token // whose time this is; nil for a credential
	mount                    *mount // the database engine of a credential
	issued, renewed, expires time.Time
	renewable                bool
}

// grant is how long something may live: what is wanted, within what is left of longest since issued.
func grant(now, issued time.Time, wanted, longest time.Duration) (ttl time.Duration, warnings []string) {
	left := issued.Add(longest).Sub(now).Round(time.Second)
	if wanted <= left {
		return wanted, nil
	}
	short := strings.NewReplacer("h0m0s", "h", "m0s", "m") // 1h, not 1h0m0s
	return left, []string{fmt.Sprintf("TTL of %q exceeded the effective max_ttl of %q; TTL value is capped accordingly", short.Replace(wanted.String()), short.Replace(left.String()))}
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

func (s *Server) revokeBelow(prefix string) {
	for id, l := range s.leases {
		if strings.HasPrefix(id, prefix) {
			s.revoke(l)
		}
	}
}

func (s *Server) leasePath(q *request, rest string) answer {
	verb, below, _ := strings.Cut(rest, "/")
	known := slices.Contains(strings.Fields("lookup renew revoke revoke-prefix revoke-force"), verb)
	switch {
	case verb == "lookup" && q.op == opList:
		return listing(maps.Keys(s.leases), below, "system")
	case q.op == opRead && (verb == "" || verb == "count"):
		panic(notFound())
	case verb == "tidy" || verb == "count" || verb == "irrevocable":
		panic(missing("sys/leases/" + verb))
	case !known || (verb == "lookup" && below != "") || (strings.HasPrefix(verb, "revoke-") && below == ""):
		panic(unsupportedPath())
	case q.op != opWrite:
		panic(unsupportedOperation())
	case strings.HasPrefix(verb, "revoke-"):
		s.revokeBelow(strings.TrimSuffix(below, "/") + "/")
		return answer{}
	}
	if below == "" {
		below = q.need("lease_id", "lease_id must be specified")
	}
	l := s.leases[below]
	switch verb {
	case "lookup":
		bad(l == nil, "invalid lease")
		return l.show(q.now)
	case "renew":
		bad(l == nil, "lease not found")
		return l.renew(q)
	}
	if l != nil { // it need not have been there
		s.revoke(l)
	}
	return answer{}
}

func (l *lease) renew(q *request) answer {
	bad(l.token != nil, "tokens cannot be renewed through this endpoint")
	wanted := q.duration("increment")
	r := l.mount.db.roles[l.role]
	bad(r == nil, "error during renew: the role is gone")
	if wanted <= 0 {
		wanted = r.ttl(l.mount)
	}
	ttl, warnings := grant(q.now, l.issued, wanted, r.limit(l.mount))
	l.renewed, l.expires = q.now, q.now.Add(ttl)
	return answer{lease: l.id, renewable: true, duration: ttl, warnings: warnings, mount: "system"}
}

func (l *lease) show(now time.Time) answer {
	data := object{
		"id": l.id, "issue_time": stamp(l.issued), "expire_time": stamp(l.expires), "last_renewal": nil,
		"renewable": l.renewable, "ttl": seconds(l.expires.Sub(now)),
	}
	if !l.renewed.IsZero() {
		data["last_renewal"] = stamp(l.renewed)
	}
	return answer{data: data, mount: "system"}
}

// listing answers with the names right below a prefix; those with more below them end in a slash. No name is a 404.
func listing(paths iter.Seq[string], prefix, mount string) answer {
	found := object{}
	for path := range paths {
		if rest, ok := strings.CutPrefix(path, prefix); ok && rest != "" {
			name, _, folder := strings.Cut(rest, "/")
			if folder {
				name += "/"
			}
			found[name] = nil
		}
	}
	deny(len(found) == 0, notFound())
	return answer{data: object{"keys": slices.Sorted(maps.Keys(found))}, mount: mount}
}
