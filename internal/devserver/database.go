package devserver

import (
	"cmp"
	"fmt"
	"time"
)

// databaseEndpoints are those of an engine whose users are leases and nothing else: it connects to no database.
func (s *Server) databaseEndpoints() endpoints {
	return endpoints{
		"config/":       keeping(func(m *mount) map[string]bool { return m.connections }, readConnection, writeConnection),
		"roles/":        keeping(func(m *mount) map[string]fields { return m.roles }, readRole, writeRole),
		"static-roles/": keeping(func(m *mount) map[string]*staticRole { return m.static }, readStaticRole, writeStaticRole),
		"creds/":        {opRead: s.makeUser},
		"static-creds/": {opRead: readStaticUser},
		"rotate-role/":  {opWrite: rotateRole},
		"":              otherwise("rotate-root reset reload", "database connection to "),
	}
}

func readConnection(q *request, _ bool) {
	q.data = object{"plugin_name": "", "connection_details": object{}, "allowed_roles": []string{"*"}}
}

func writeConnection(q *request) {
	q.need("plugin_name", "empty plugin name")
	q.mount.connections[q.name] = true
}

// passwordsAlone refuses to make other credentials.
func (q *request) passwordsAlone() {
	missing(cmp.Or(q.text("credential_type"), "password") != "password", "credentials but passwords")
}

// showRole shows what users are made by; the statements are kept for nothing else.
func showRole(r fields) object {
	return object{
		"credential_type": "password", "db_name": r.text("db_name"),
		"default_ttl": seconds(r.limit("default_ttl")), "max_ttl": seconds(r.limit("max_ttl")),
		"creation_statements": r.texts("creation_statements"), "revocation_statements": r.texts("revocation_statements"),
		"renew_statements": r.texts("renew_statements"), "rollback_statements": r.texts("rollback_statements"),
	}
}

func readRole(q *request, r fields) { q.data = showRole(r) }

func writeRole(q *request) {
	r := q.mount.roles[q.name].with(q.fields, showRole)
	q.passwordsAlone()
	bad(r.text("db_name") == "", "database name is required")
	bad(q.mount.static[q.name] != nil, "Role and Static Role names must be unique")
	q.mount.roles[q.name] = r
}

// userTTL and userLimit are how long users of a role live, unless it is said, and at most.
func (m *mount) userTTL(r fields) time.Duration {
	return cmp.Or(r.limit("default_ttl"), atMost(m.ttl(), r.limit("max_ttl")))
}
func (m *mount) userLimit(r fields) time.Duration { return atMost(m.limit(), r.limit("max_ttl")) }

// makeUser answers with a user that is known to nobody, and its lease.
func (s *Server) makeUser(q *request) {
	m, r := q.mount, q.mount.roles[q.name]
	bad(r == nil, "unknown role: "+q.name)
	h := &holding{parent: q.caller, mount: m, role: q.name, issued: q.now, renewable: true}
	s.hold(q, h, m.path+"creds/"+q.name+"/", m.userTTL(r), m.userLimit(r))
	q.lease, q.renewable, q.lasts = h.id, true, h.ttl
	username := fmt.Sprintf("v-%.8s-%.8s-%s-%d", q.caller.name, q.name, randomText(20), q.now.Unix())
	q.data = object{"username": username, "password": randomText(20)}
}

// staticRole is one user whose password changes by the clock.
type staticRole struct {
	fields
	password string
	rotated  time.Time
}

func (r *staticRole) period() time.Duration { return r.limit("rotation_period") }
func (r *staticRole) rotate(now time.Time)  { r.rotated, r.password = now, randomText(20) }

// catchUp makes the rotations that were due.
func (r *staticRole) catchUp(now time.Time) {
	if late := now.Sub(r.rotated); late >= r.period() {
		r.rotate(r.rotated.Add(late.Truncate(r.period())))
	}
}

func showStaticRole(r fields) object {
	return object{
		"credential_type": "password", "db_name": r.text("db_name"), "username": r.text("username"), "skip_import_rotation": false,
		"rotation_period": seconds(r.limit("rotation_period")), "rotation_statements": r.texts("rotation_statements"),
	}
}

func readStaticRole(q *request, r *staticRole) {
	shown := showStaticRole(r.fields)
	shown["last_vault_rotation"] = stamp(r.rotated, "")
	q.data = shown
}

func writeStaticRole(q *request) {
	r, old := &staticRole{}, q.mount.static[q.name]
	if old != nil {
		*r = *old
	} else {
		r.rotate(q.now)
	}
	r.fields = r.with(q.fields, showStaticRole)
	q.passwordsAlone()
	missing(q.has("rotation_schedule"), "rotation schedules")
	bad(old != nil && q.text("username") != old.text("username"), "cannot update static account username")
	bad(r.text("username") == "", "username is a required field to create a static account")
	bad(r.text("db_name") == "", "database name is a required field")
	bad(r.period() == 0, "one of rotation_schedule or rotation_period must be provided to create a static account")
	bad(r.period() < 5*time.Second, "rotation_period must be 5 seconds or more")
	bad(q.mount.roles[q.name] != nil, "Role and Static Role names must be unique")
	q.mount.static[q.name] = r
}

func rotateRole(q *request) {
	r := q.mount.static[q.name]
	bad(r == nil, "no static role found for role name")
	r.rotate(q.now)
}

func readStaticUser(q *request) {
	r := q.mount.static[q.name]
	bad(r == nil, "unknown role: "+q.name)
	q.data = object{
		"username": r.text("username"), "password": r.password, "rotation_period": seconds(r.period()),
		"last_vault_rotation": stamp(r.rotated, ""), "ttl": seconds(r.rotated.Add(r.period()).Sub(q.now).Round(time.Second)),
	}
}
