// Package seed puts into a development Vault what a program needs to start: what vwrap.yaml's dev says, or, where that
// says nothing, made-up secrets at every path that is referenced. It also knows how what it has put there is rotated,
// for drills.
//
// It starts no server, and it is for servers that vwrap has started: what it does there it does as root.
package seed

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/config"
)

// The servers that are seeded otherwise than the rest, by the names that config.Dev has for them.
const (
	Embedded = "embedded" // makes up the users of databases, has KV and leases, and nothing else
	Devvault = "devvault" // has the engine kv-leased
)

// The life of credentials that are made up.
const (
	madeUpTTL    = time.Hour
	madeUpMaxTTL = 24 * time.Hour
)

// Plan is what is put into a development Vault. It is immutable.
type Plan struct {
	dev      config.Dev
	dir      string         // where commands run
	versions map[string]int // of the KV secrets that are wanted at a fixed version: how many there have to be
	users    []user
	issued   []string // paths of certificates
}

// user is a database credential that a server has to make up.
type user struct {
	mount, name string
	static      bool
}

func (u user) path() string {
	if u.static {
		return u.mount + "/static-creds/" + u.name
	}
	return u.mount + "/creds/" + u.name
}

// FromConfig returns the plan that d says. Its commands run in dir.
func FromConfig(d config.Dev, dir string) Plan { return Plan{dev: d, dir: dir} }

// WithKV returns p with these fields at path besides, over those that p has there.
func (p Plan) WithKV(path string, values map[string]any) Plan {
	p.dev.KV = slices.Clone(p.dev.KV)
	at := slices.IndexFunc(p.dev.KV, func(s config.KV) bool { return plain(s.Path) == plain(path) })
	if at < 0 {
		at = len(p.dev.KV)
		p.dev.KV = append(p.dev.KV, config.KV{Path: path})
	}
	s := &p.dev.KV[at]
	s.Fields = slices.DeleteFunc(slices.Clone(s.Fields), func(f config.Field) bool { _, ok := values[f.Name]; return ok })
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s.Fields = append(s.Fields, config.Field{Name: name, Value: values[name]})
	}
	return p
}

// plain is path as Vault's kv command takes it: secret/data/dev/db is secret/dev/db.
func plain(path string) string {
	mount, rest, _ := strings.Cut(path, "/")
	return mount + "/" + strings.TrimPrefix(rest, "data/")
}

// Fits returns why a server of this kind cannot be given p; nil where it can.
func (p Plan) Fits(server string) error {
	var errs []error
	for _, u := range p.users {
		switch {
		case server == Embedded, server == Devvault && !u.static:
		case u.static:
			errs = append(errs, fmt.Errorf("%s: only --server embedded makes up static roles; else describe the database under dev in vwrap.yaml", u.path()))
		default:
			errs = append(errs, fmt.Errorf("%s: only --server embedded and devvault make up users; else describe the database under dev in vwrap.yaml", u.path()))
		}
	}
	if server == Embedded {
		errs = append(errs, tooMuch(p.dev)...)
	}
	return errors.Join(errs...)
}

// tooMuch says what of d the embedded server does not have.
func tooMuch(d config.Dev) (errs []error) {
	lacks := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(format+": the embedded server has none: take --server devvault, vault, bao or docker", args...))
	}
	databases := map[string]bool{}
	for _, e := range d.Engines {
		databases[e.Mount] = e.Type == "database"
		if e.Type != "kv" && e.Type != "database" {
			lacks("%s: an engine of type %s", e.Mount, e.Type)
		}
	}
	if len(d.Policies) > 0 {
		lacks("policies")
	}
	if len(d.AppRoles) > 0 {
		lacks("approles")
	}
	for _, w := range d.Roles {
		if mount, _, ok := strings.Cut(w.Path, "/config/"); ok && databases[mount] {
			lacks("%s: a real database", w.Path)
		}
	}
	return errs
}

// on is what p is on a server of this kind: the users that it has to make up become what that server makes them of.
func (p Plan) on(o Options) config.Dev {
	d := p.dev
	ttl, most := o.ttls()
	engine := "database"
	if o.Server == Devvault {
		engine = "kv-leased"
	}
	for _, u := range p.users {
		e := config.Engine{Mount: u.mount, Type: engine}
		if !slices.ContainsFunc(d.Engines, func(has config.Engine) bool { return has.Mount == u.mount }) {
			d.Engines = append(slices.Clip(d.Engines), e)
		}
		switch {
		case u.static:
			d.Roles = append(slices.Clip(d.Roles), config.Write{Path: u.mount + "/static-roles/" + u.name, Data: map[string]any{
				"db_name": "made-up", "username": u.name, "rotation_period": madeUpMaxTTL.String(),
			}})
		case o.Server == Devvault:
			d.KV = append(slices.Clip(d.KV), config.KV{Path: u.path(), Fields: []config.Field{
				{Name: "username", Value: config.Generate{Length: 16, Alphabet: "hex"}},
				{Name: "password", Value: generated},
				{Name: "ttl", Value: ttl.String()},
			}})
		default:
			d.Roles = append(slices.Clip(d.Roles), config.Write{Path: u.mount + "/roles/" + u.name, Data: map[string]any{
				"db_name": "made-up", "default_ttl": ttl.String(), "max_ttl": most.String(),
			}})
		}
	}
	return d
}

// ttls are the life of made-up credentials, and the longest.
func (o Options) ttls() (ttl, most time.Duration) {
	most = cmp.Or(o.MaxTTL, madeUpMaxTTL)
	return min(cmp.Or(o.TTL, madeUpTTL), most), most
}
