package devserver

import (
	"fmt"
	"maps"
	"slices"
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

func (r *role) ttl(m *mount) time.Duration {
	if r.defaultTTL > 0 {
		return r.defaultTTL
	}
	return atMost(r.limit(m), m.ttl())
}

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

func (s *Server) database(q *request, m *mount, rest string) (answer, error) {
	type handler = func(*Server, *request, *mount, string) (answer, error)
	ops := map[string]map[string]handler{
		"config":       {opRead: (*Server).readConnection, opWrite: (*Server).writeConnection, opDelete: (*Server).deleteConnection},
		"roles":        {opRead: (*Server).readRole, opWrite: (*Server).writeRole, opDelete: (*Server).deleteRole},
		"static-roles": {opRead: (*Server).readStaticRole, opWrite: (*Server).writeStaticRole, opDelete: (*Server).deleteStaticRole},
		"creds":        {opRead: (*Server).makeUser},
		"static-creds": {opRead: (*Server).readStaticUser},
		"rotate-role":  {opWrite: (*Server).rotateRole},
	}
	first, name, _ := strings.Cut(rest, "/")
	lists := map[string][]string{
		"config/": slices.Sorted(maps.Keys(m.db.configs)), "roles/": slices.Sorted(maps.Keys(m.db.roles)),
		"static-roles/": slices.Sorted(maps.Keys(m.db.static)),
	}
	keys, listed := lists[rest]
	switch do := ops[first][q.op]; {
	case listed && q.op == opList:
		return listing(keys, "database")
	case first == "rotate-root" || first == "reset" || first == "reload":
		return answer{}, missing("databases to connect to")
	case ops[first] == nil || name == "":
		return answer{}, unsupportedPath()
	case do == nil:
		return answer{}, unsupportedOperation()
	default:
		a, err := do(s, q, m, name)
		a.mount = "database"
		return a, err
	}
}

func (s *Server) readConnection(_ *request, m *mount, name string) (answer, error) {
	if !m.db.configs[name] {
		return answer{}, notFound()
	}
	return answer{data: object{"plugin_name": "", "connection_details": object{}, "allowed_roles": []string{"*"}}}, nil
}

func (s *Server) writeConnection(q *request, m *mount, name string) (answer, error) {
	if _, err := q.fields.need("plugin_name", "empty plugin name"); err != nil {
		return answer{}, err
	}
	m.db.configs[name] = true
	return answer{}, nil
}

func (s *Server) deleteConnection(_ *request, m *mount, name string) (answer, error) {
	delete(m.db.configs, name)
	return answer{}, nil
}

func (s *Server) readRole(_ *request, m *mount, name string) (answer, error) {
	r := m.db.roles[name]
	if r == nil {
		return answer{}, notFound()
	}
	data := object{"credential_type": "password", "db_name": r.connection, "default_ttl": seconds(r.defaultTTL), "max_ttl": seconds(r.longest)}
	for kind, statements := range r.statements {
		data[kind] = statements
	}
	return answer{data: data}, nil
}

func (s *Server) writeRole(q *request, m *mount, name string) (answer, error) {
	f := &q.fields
	r := role{statements: map[string][]string{}}
	if old := m.db.roles[name]; old != nil {
		r.connection, r.defaultTTL, r.longest = old.connection, old.defaultTTL, old.longest
		maps.Copy(r.statements, old.statements)
	}
	if f.has("db_name") {
		r.connection = f.text("db_name")
	}
	for field, at := range map[string]*time.Duration{"default_ttl": &r.defaultTTL, "max_ttl": &r.longest} {
		if f.has(field) {
			*at = f.duration(field)
		}
	}
	for _, kind := range []string{"creation_statements", "revocation_statements", "renew_statements", "rollback_statements"} {
		if f.has(kind) || r.statements[kind] == nil {
			r.statements[kind] = f.texts(kind)
		}
	}
	switch kind := f.text("credential_type"); {
	case f.failure != nil:
		return answer{}, f.failure
	case kind != "" && kind != "password":
		return answer{}, missing("credentials but passwords")
	case r.connection == "":
		return answer{}, badRequest("database name is required")
	case m.db.static[name] != nil:
		return answer{}, badRequest("Role and Static Role names must be unique")
	case r.defaultTTL < 0 || r.longest < 0:
		return answer{}, badRequest("default_ttl and max_ttl cannot be negative")
	}
	m.db.roles[name] = &r
	return answer{}, nil
}

func (s *Server) deleteRole(_ *request, m *mount, name string) (answer, error) {
	delete(m.db.roles, name)
	return answer{}, nil
}

// makeUser answers with a user that is known to nobody, and its lease.
func (s *Server) makeUser(q *request, m *mount, name string) (answer, error) {
	r := m.db.roles[name]
	if r == nil {
		return answer{}, badRequest("unknown role: %s", name)
	}
	ttl, warnings := grant(q.now, q.now, 0, r.ttl(m), r.limit(m))
	l := &lease{
		id: m.path + "creds/" + name + "/" + randomText(24), owner: q.caller, mount: m, role: name,
		issued: q.now, expires: q.now.Add(ttl), renewing: true,
	}
	s.leases[l.id] = l
	username := fmt.Sprintf("v-%.8s-%.8s-%s-%d", q.caller.name, name, randomText(20), q.now.Unix())
	return answer{
		data: object{"username": username, "password": randomText(20)}, lease: l.id, renewable: true, duration: ttl, warnings: warnings,
	}, nil
}

func (s *Server) readStaticRole(q *request, m *mount, name string) (answer, error) {
	r := m.db.static[name]
	if r == nil {
		return answer{}, notFound()
	}
	r.catchUp(q.now)
	return answer{data: object{
		"credential_type": "password", "db_name": r.connection, "username": r.username, "rotation_period": seconds(r.period),
		"last_vault_rotation": stamp(r.rotated), "rotation_statements": r.statements, "skip_import_rotation": false,
	}}, nil
}

func (s *Server) writeStaticRole(q *request, m *mount, name string) (answer, error) {
	const shortest = 5 * time.Second
	f := &q.fields
	r := staticRole{username: f.text("username"), connection: f.text("db_name"), period: f.duration("rotation_period"), statements: f.texts("rotation_statements")}
	old := m.db.static[name]
	if old != nil {
		old.catchUp(q.now)
		r.rotated, r.password = old.rotated, old.password
		if r.connection == "" {
			r.connection = old.connection
		}
		if r.period == 0 {
			r.period = old.period
		}
		if !f.has("rotation_statements") {
			r.statements = old.statements
		}
	}
	switch {
	case f.failure != nil:
		return answer{}, f.failure
	case f.has("rotation_schedule"):
		return answer{}, missing("rotation schedules")
	case old != nil && r.username != old.username:
		return answer{}, badRequest("cannot update static account username")
	case r.username == "":
		return answer{}, badRequest("username is a required field to create a static account")
	case r.connection == "":
		return answer{}, badRequest("database name is a required field")
	case r.period == 0:
		return answer{}, badRequest("one of rotation_schedule or rotation_period must be provided to create a static account")
	case r.period < shortest:
		return answer{}, badRequest("rotation_period must be 5 seconds or more")
	case m.db.roles[name] != nil:
		return answer{}, badRequest("Role and Static Role names must be unique")
	}
	if old == nil {
		r.rotate(q.now)
	}
	m.db.static[name] = &r
	return answer{}, nil
}

func (s *Server) deleteStaticRole(_ *request, m *mount, name string) (answer, error) {
	delete(m.db.static, name)
	return answer{}, nil
}

func (s *Server) readStaticUser(q *request, m *mount, name string) (answer, error) {
	r := m.db.static[name]
	if r == nil {
		return answer{}, badRequest("unknown role: %s", name)
	}
	r.catchUp(q.now)
	return answer{data: object{
		"username": r.username, "password": r.password, "ttl": wholeSeconds(r.rotated.Add(r.period).Sub(q.now)), "rotation_period": seconds(r.period),
		"last_vault_rotation": stamp(r.rotated),
	}}, nil
}

func (s *Server) rotateRole(q *request, m *mount, name string) (answer, error) {
	r := m.db.static[name]
	if r == nil {
		return answer{}, badRequest("no static role found for role name")
	}
	r.rotate(q.now)
	return answer{}, nil
}
