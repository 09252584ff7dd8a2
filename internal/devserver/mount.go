package devserver

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// mount is a secrets engine at a path, with what it holds.
type mount struct {
	path, kind, description string
	accessor, uuid          string
	options                 map[string]string // a KV engine's version, "1" or "2", if it was said
	config                  fields            // default_lease_ttl and max_lease_ttl

	versioning  fields // of a KV engine
	secrets     map[string]*secret
	connections map[string]bool   // of a database engine
	roles       map[string]fields // as they were written
	static      map[string]*staticRole
}

func newMount(path, kind string, options map[string]string, description string) *mount {
	return &mount{
		path: path, kind: kind, options: options, description: description, accessor: kind + "_" + randomText(8), uuid: newUUID(),
		secrets: map[string]*secret{}, connections: map[string]bool{}, roles: map[string]fields{}, static: map[string]*staticRole{},
	}
}

// versioned are the options of an engine whose version was said, or was not.
func versioned(v string) map[string]string {
	if v == "" {
		return map[string]string{}
	}
	return map[string]string{"version": v}
}

// leaseTime is 0 where the system's applies.
func leaseTime(config fields, name string) time.Duration {
	if config.text(name) == "system" {
		return 0
	}
	return config.limit(name)
}

func (m *mount) limit() time.Duration { return atMost(systemTTL, leaseTime(m.config, "max_lease_ttl")) }

func (m *mount) ttl() time.Duration {
	return atMost(m.limit(), leaseTime(m.config, "default_lease_ttl"))
}

func showTimes(ttl, longest time.Duration) object {
	return object{"default_lease_ttl": seconds(ttl), "max_lease_ttl": seconds(longest), "force_no_cache": false}
}

// showConfig shows the times that were configured, which may be none.
func showConfig(f fields) object {
	return showTimes(leaseTime(f, "default_lease_ttl"), leaseTime(f, "max_lease_ttl"))
}

func (m *mount) show(config object) object {
	return object{
		"accessor": m.accessor, "config": config, "deprecation_status": "supported", "description": m.description,
		"external_entropy_access": false, "local": false, "options": m.options, "plugin_version": "", "running_plugin_version": version,
		"running_sha256": "", "seal_wrap": false, "type": m.kind, "uuid": m.uuid,
	}
}

func (s *Server) mountOf(path string) *mount {
	for _, m := range s.mounts {
		if strings.HasPrefix(path+"/", m.path) {
			return m // no mount is below another
		}
	}
	return nil
}

func (s *Server) listMounts(q *request) {
	all := object{}
	for path, m := range s.mounts {
		all[path] = m.show(showConfig(m.config))
	}
	q.data, q.flat = all, true
}

func (s *Server) readMount(q *request) {
	m, tune := s.namedMount(q)
	bad(m == nil, "No secret engine mount at "+q.name+"/")
	data := m.show(showConfig(m.config))
	if tune {
		data = showTimes(m.ttl(), m.limit())
		data["description"] = m.description
		if len(m.options) > 0 {
			data["options"] = m.options
		}
	}
	q.data, q.flat = data, true
}

// namedMount is what q names, which may be to be tuned.
func (s *Server) namedMount(q *request) (m *mount, tune bool) {
	q.name = strings.TrimSuffix(q.name, "/")
	path, tune := strings.CutSuffix(q.name, "/tune")
	m = s.mounts[path+"/"]
	bad(tune && m == nil, fmt.Sprintf("cannot fetch sysview for path %q", path+"/"))
	return m, tune
}

func (s *Server) writeMount(q *request) {
	if m, tune := s.namedMount(q); tune {
		s.tune(q, m)
	} else {
		s.enable(q, q.name+"/")
	}
}

func (s *Server) enable(q *request, path string) {
	const real = "ad alicloud aws azure consul cubbyhole gcp gcpkms generic identity kubernetes ldap mongodbatlas nomad openldap pki " +
		"rabbitmq ssh terraform totp transit"
	kind, v, _ := strings.Cut(q.need("type", "backend type must be specified as a string"), "-v")
	v = cmp.Or(v, q.members("options").text("version"))
	first, _, _ := strings.Cut(path, "/")
	bad(reserved(first), fmt.Sprintf("cannot mount %q", path))
	missing(slices.Contains(strings.Fields(real), kind), kind+" engine")
	bad(s.engines[kind] == nil, "plugin not found in the catalog: "+kind)
	bad(s.engines[kind+v] == nil, "the engine has no such version")
	for other := range s.mounts {
		bad(strings.HasPrefix(path, other) || strings.HasPrefix(other, path), "path is already in use at "+other)
	}
	m := newMount(path, kind, versioned(v), q.text("description"))
	m.config = m.config.with(q.members("config"), showConfig)
	bad(overlong(m.config), "given default lease TTL greater than given max lease TTL")
	s.mounts[path] = m
}

// overlong is a configuration that contradicts itself.
func overlong(config fields) bool {
	ttl, longest := leaseTime(config, "default_lease_ttl"), leaseTime(config, "max_lease_ttl")
	return longest > 0 && ttl > longest
}

func (s *Server) tune(q *request, m *mount) {
	old := m.options["version"]
	v := cmp.Or(q.members("options").text("version"), old)
	description := m.description
	if q.has("description") {
		description = q.text("description")
	}
	config := m.config.with(q.fields, showConfig)
	shown := showConfig(config)
	bad(overlong(config), fmt.Sprintf("backend max lease TTL of %d would be less than backend default lease TTL of %d",
		shown["max_lease_ttl"], shown["default_lease_ttl"]))
	bad(old == "2" && v == "1", "cannot downgrade mount from version 2")
	bad(s.engines[m.kind+v] == nil, "the engine has no such version")
	if v == "2" && old != "2" {
		q.warnings = []string{fmt.Sprintf("Upgraded mount from version %s to version 2", cmp.Or(old, "0"))}
	}
	m.config, m.description, m.options = config, description, versioned(v)
}

func (s *Server) unmount(q *request) {
	m, tune := s.namedMount(q)
	deny(tune, http.StatusMethodNotAllowed, many("unsupported operation"))
	if m != nil { // it need not have been there
		delete(s.mounts, m.path)
		s.revokeBelow(m.path)
	}
}

// visible is an endpoint that says what it has not in its own words.
func (s *Server) visible(read handler) operations {
	ops := every(func(q *request) {
		if q.caller == nil {
			s.admit(q)
		}
		deny(q.op == opList && q.name == "", http.StatusNotFound, "unsupported path")
		deny(true, http.StatusMethodNotAllowed, "unsupported operation")
	})
	ops[opRead] = read
	return ops
}

// visibleMounts are those that the caller may see: all; none without a token.
func (s *Server) visibleMounts(q *request) {
	secrets, methods := object{}, object{}
	if q.credential != "" || s.sealed {
		s.admit(q)
		methods["token/"] = s.tokenMount.show(showTimes(systemTTL, systemTTL))
		for path, m := range s.mounts {
			secrets[path] = m.show(showTimes(m.ttl(), m.limit()))
		}
	}
	q.data = object{"auth": methods, "secret": secrets}
}

// visibleMount is the one that a path is in.
func (s *Server) visibleMount(q *request) {
	m := s.mountOf(q.name)
	const denied = "preflight capability check returned 403, please ensure client's policies grant access to path %q"
	deny(m == nil, http.StatusForbidden, fmt.Sprintf(denied, strings.TrimSuffix(q.name, "/")+"/"))
	data := m.show(showTimes(m.ttl(), m.limit()))
	data["path"] = m.path
	q.data, q.engine = data, ""
}
