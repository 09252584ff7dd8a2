package devserver

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"
)

// database is an engine whose users are leases and nothing else: it connects to no database.
type database struct {
	roles   map[string]*role
	static  map[string]*staticRole
	configs map[string]bool // names of connections
}

// role is what users are made by. Its statements are kept to be shown.
type role struct {
	connection          string
	defaultTTL, longest time.Duration
	statements          map[string][]string
}

func (r *role) limit(m *mount) time.Duration { return atMost(m.limit(), r.longest) }
func (r *role) ttl(m *mount) time.Duration   { return cmp.Or(r.defaultTTL, atMost(r.limit(m), m.ttl())) }

// staticRole is one user whose password changes by the clock.
type staticRole struct {
	connection, username, password string
	period                         time.Duration
	rotated                        time.Time
	statements                     []string
}

// catchUp makes the rotations that were due.
func (r *staticRole) catchUp(now time.Time) {
	if periods := now.Sub(r.rotated) / r.period; periods > 0 {
		r.rotate(r.rotated.Add(periods * r.period))
	}
}

func (r *staticRole) rotate(now time.Time) { r.rotated, r.password = now, randomText(20) }

func (s *Server) database(q *request, m *mount, rest string) (a answer) {
	first, name, _ := strings.Cut(rest, "/")
	ops := map[string]string{
		"config": "GET PUT DELETE", "roles": "GET PUT DELETE", "static-roles": "GET PUT DELETE", "creds": "GET", "static-creds": "GET", "rotate-role": "PUT",
	}[first]
	static := m.db.static[name]
	if static != nil {
		static.catchUp(q.now)
	}
	switch {
	case first == "rotate-root" || first == "reset" || first == "reload":
		panic(missing("databases to connect to"))
	case q.op == opList && rest == "config/":
		return listing(maps.Keys(m.db.configs), "", "database")
	case q.op == opList && rest == "roles/":
		return listing(maps.Keys(m.db.roles), "", "database")
	case q.op == opList && rest == "static-roles/":
		return listing(maps.Keys(m.db.static), "", "database")
	case ops == "" || name == "":
		panic(unsupportedPath())
	case !strings.Contains(ops, q.op):
		panic(unsupportedOperation())
	case first == "config":
		a = m.db.config(q, name)
	case first == "roles":
		a = m.db.role(q, name)
	case first == "static-roles":
		a = m.db.staticRole(q, name, static)
	case first == "creds":
		a = s.makeUser(q, m, name)
	case first == "rotate-role":
		bad(static == nil, "no static role found for role name")
		static.rotate(q.now)
	default:
		bad(static == nil, "unknown role: "+name)
		a.data = object{
			"username": static.username, "password": static.password, "rotation_period": seconds(static.period), "last_vault_rotation": stamp(static.rotated),
			"ttl": seconds(static.rotated.Add(static.period).Sub(q.now).Round(time.Second)),
		}
	}
	a.mount = "database"
	return a
}

func (d *database) config(q *request, name string) (a answer) {
	switch q.op {
	case opWrite:
		q.need("plugin_name", "empty plugin name")
		d.configs[name] = true
	case opDelete:
		delete(d.configs, name)
	default:
		deny(!d.configs[name], notFound())
		a.data = object{"plugin_name": "", "connection_details": object{}, "allowed_roles": []string{"*"}}
	}
	return a
}

func (d *database) role(q *request, name string) (a answer) {
	old := d.roles[name]
	switch {
	case q.op == opDelete:
		delete(d.roles, name)
	case q.op == opWrite:
		d.writeRole(q, name, old)
	case old == nil:
		panic(notFound())
	default:
		data := object{"credential_type": "password", "db_name": old.connection, "default_ttl": seconds(old.defaultTTL), "max_ttl": seconds(old.longest)}
		for kind, statements := range old.statements {
			data[kind] = statements
		}
		a.data = data
	}
	return a
}

func (d *database) writeRole(q *request, name string, old *role) {
	r := role{}
	if old != nil {
		r = *old
	}
	statements := map[string][]string{}
	for _, kind := range strings.Fields("creation_statements revocation_statements renew_statements rollback_statements") {
		if statements[kind] = r.statements[kind]; q.has(kind) || statements[kind] == nil {
			statements[kind] = q.texts(kind)
		}
	}
	r.statements, r.connection = statements, cmp.Or(q.text("db_name"), r.connection)
	q.into(map[string]*time.Duration{"default_ttl": &r.defaultTTL, "max_ttl": &r.longest})
	deny(q.text("credential_type") != "" && q.text("credential_type") != "password", missing("credentials but passwords"))
	bad(r.connection == "", "database name is required")
	bad(d.static[name] != nil, "Role and Static Role names must be unique")
	bad(r.defaultTTL < 0 || r.longest < 0, "default_ttl and max_ttl cannot be negative")
	d.roles[name] = &r
}

// makeUser answers with a user that is known to nobody, and its lease.
func (s *Server) makeUser(q *request, m *mount, name string) answer {
	r := m.db.roles[name]
	bad(r == nil, "unknown role: "+name)
	ttl, warnings := grant(q.now, q.now, r.ttl(m), r.limit(m))
	l := &lease{
		id: m.path + "creds/" + name + "/" + randomText(24), owner: q.caller, mount: m, role: name, issued: q.now, expires: q.now.Add(ttl), renewable: true,
	}
	s.leases[l.id] = l
	username := fmt.Sprintf("v-%.8s-%.8s-%s-%d", q.caller.name, name, randomText(20), q.now.Unix())
	return answer{data: object{"username": username, "password": randomText(20)}, lease: l.id, renewable: true, duration: ttl, warnings: warnings}
}

func (d *database) staticRole(q *request, name string, old *staticRole) (a answer) {
	switch {
	case q.op == opDelete:
		delete(d.static, name)
	case q.op == opWrite:
		d.writeStaticRole(q, name, old)
	case old == nil:
		panic(notFound())
	default:
		a.data = object{
			"credential_type": "password", "db_name": old.connection, "username": old.username, "rotation_period": seconds(old.period),
			"last_vault_rotation": stamp(old.rotated), "rotation_statements": old.statements, "skip_import_rotation": false,
		}
	}
	return a
}

func (d *database) writeStaticRole(q *request, name string, old *staticRole) {
	const shortest = 5 * time.Second
	r := staticRole{statements: []string{}}
	if old != nil {
		r = *old
	}
	r.connection, r.username = cmp.Or(q.text("db_name"), r.connection), q.text("username")
	q.into(map[string]*time.Duration{"rotation_period": &r.period})
	if q.has("rotation_statements") {
		r.statements = q.texts("rotation_statements")
	}
	deny(q.has("rotation_schedule"), missing("rotation schedules"))
	bad(old != nil && r.username != old.username, "cannot update static account username")
	bad(r.username == "", "username is a required field to create a static account")
	bad(r.connection == "", "database name is a required field")
	bad(r.period == 0, "one of rotation_schedule or rotation_period must be provided to create a static account")
	bad(r.period < shortest, "rotation_period must be 5 seconds or more")
	bad(d.roles[name] != nil, "Role and Static Role names must be unique")
	if old == nil {
		r.rotate(q.now)
	}
	d.static[name] = &r
}
