package devserver

import (
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// openPath answers what needs no token and works while the server is sealed. Not ok: the path is none of these.
func (s *Server) openPath(q *request) (a answer, ok bool) {
	reads := map[string]func(*request) answer{"sys/health": s.health, "sys/seal-status": s.sealStatus, "sys/leader": leader}
	writes := map[string]func(*request) answer{"sys/unseal": s.unseal, "sys/seal": func(*request) answer { return answer{} }}
	read, write := reads[q.path], writes[q.path]
	deny((read != nil && q.op != opRead) || (write != nil && q.op != opWrite), refuse(http.StatusMethodNotAllowed))
	switch {
	case read != nil:
		return read(q), true
	case write != nil && (s.sealed || q.path == "sys/unseal"): // else it needs a token
		return write(q), true
	}
	return answer{data: object{"auth": object{}, "secret": object{}}}, q.path == "sys/internal/ui/mounts" && q.op == opRead && q.credential == "" && !s.sealed
}

func leader(*request) answer {
	return answer{bare: object{
		"ha_enabled": false, "is_self": false, "active_time": "0001-01-01T00:00:00Z", "leader_address": "", "leader_cluster_address": "",
		"performance_standby": false, "performance_standby_last_remote_wal": 0,
	}}
}

func (s *Server) health(q *request) answer {
	code, parameter, mode := http.StatusOK, "activecode", "disabled"
	if s.sealed {
		code, parameter, mode = http.StatusServiceUnavailable, "sealedcode", "unknown"
	}
	if q.query.Has(parameter) {
		n, err := strconv.Atoi(q.query.Get(parameter))
		bad(err != nil || n < 200 || n > 599, parameter+" is no status")
		code = n
	}
	return answer{status: code, bare: s.withCluster(object{
		"initialized": true, "sealed": s.sealed, "standby": s.sealed, "performance_standby": false, "server_time_utc": q.now.Unix(),
		"version": version, "enterprise": false, "echo_duration_ms": 0, "clock_skew_ms": 0, "replication_primary_canary_age_ms": 0,
		"replication_performance_mode": mode, "replication_dr_mode": mode,
	})}
}

func (s *Server) sealStatus(*request) answer {
	return answer{bare: s.withCluster(object{
		"type": "shamir", "initialized": true, "sealed": s.sealed, "t": 1, "n": 1, "progress": 0, "nonce": "", "version": version,
		"build_date": s.started.UTC().Format(time.RFC3339), "migration": false, "recovery_seal": false, "storage_type": "inmem",
	})}
}

// withCluster adds the cluster's name, which nobody is told while it is sealed.
func (s *Server) withCluster(body object) object {
	if !s.sealed {
		body["cluster_name"], body["cluster_id"] = "vwrap-dev", s.clusterID
	}
	return body
}

func (s *Server) unseal(q *request) answer {
	if q.truth("reset", false) {
		return s.sealStatus(q)
	}
	text := q.need("key", "'key' must be specified in request body as JSON, or 'reset' set to true")
	key, err := hex.DecodeString(text)
	if err != nil {
		key, err = base64.StdEncoding.DecodeString(text)
	}
	bad(err != nil, "'key' must be a valid hex or base64 string")
	bad(s.sealed && len(key) < 16, "invalid key: key is shorter than minimum 16 bytes")
	wrong := subtle.ConstantTimeCompare([]byte(hex.EncodeToString(key)), []byte(s.unsealKey)) != 1
	bad(s.sealed && wrong, "invalid key: it is not the one that the server was started with")
	s.sealed = false
	return s.sealStatus(q)
}

// What a real server has below sys/, and what types of engines.
const (
	absentPaths = "audit audit-hash auth capabilities capabilities-accessor config control-group decode-token experiments generate-root ha-status " +
		"host-info in-flight-req init internal key-status license locked-users loggers managed-keys metrics mfa monitor namespaces plugins policies " +
		"policy pprof quotas raw rekey remount replication rotate step-down storage sync tools version-history wrapping"
	absentEngines = "ad alicloud aws azure consul cubbyhole gcp gcpkms generic identity kubernetes ldap mongodbatlas nomad openldap pki rabbitmq ssh " +
		"terraform totp transit"
)

func (s *Server) system(q *request, rest string) answer {
	first, below, _ := strings.Cut(rest, "/")
	switch {
	case rest == "seal":
		s.sealed = true
		return answer{}
	case first == "mounts":
		return s.mountPath(q, strings.TrimSuffix(below, "/"))
	case rest == "internal/ui/mounts" || strings.HasPrefix(rest, "internal/ui/mounts/"):
		return s.visibleMounts(q, strings.TrimPrefix(strings.TrimPrefix(rest, "internal/ui/mounts"), "/"))
	case rest == "capabilities-self" && q.op == opWrite:
		return capabilities(q)
	case rest == "capabilities-self":
		panic(unsupportedOperation())
	case first == "leases":
		return s.leasePath(q, below)
	case slices.Contains(strings.Fields("renew revoke revoke-prefix revoke-force"), first):
		return s.leasePath(q, rest)
	case slices.Contains(strings.Fields(absentPaths), first):
		panic(missing("sys/" + first))
	}
	panic(unsupportedPath())
}

func capabilities(q *request) answer {
	paths := append(q.texts("paths"), q.texts("path")...)
	bad(len(paths) == 0, "paths must be supplied")
	data := object{}
	if len(paths) == 1 {
		data["capabilities"] = []string{"root"}
	}
	for _, path := range paths {
		data[path] = []string{"root"} // there are no policies
	}
	return answer{data: data, flat: true, mount: "system"}
}

// mount is a secrets engine at a path.
type mount struct {
	path, kind, version string // the version of a KV engine: "1", "2", or "" for the first by default
	description         string
	accessor, uuid      string
	defaultTTL, longest time.Duration // 0: the system's
	kv                  kv
	db                  database
}

func newMount(path, kind, version string) *mount {
	return &mount{
		path: path, kind: kind, version: version, accessor: kind + "_" + strings.ToLower(randomText(8)), uuid: newUUID(),
		kv: kv{secrets: map[string]*secret{}}, db: database{roles: map[string]*role{}, static: map[string]*staticRole{}, configs: map[string]bool{}},
	}
}

func (m *mount) limit() time.Duration { return atMost(systemTTL, m.longest) }
func (m *mount) ttl() time.Duration   { return atMost(m.limit(), m.defaultTTL) }

func (s *Server) mountOf(path string) *mount {
	for _, m := range s.mounts {
		if strings.HasPrefix(path+"/", m.path) {
			return m // no mount is below another
		}
	}
	return nil
}

func (m *mount) options() any {
	switch {
	case m.kind == "token":
		return nil
	case m.version == "":
		return object{}
	}
	return object{"version": m.version}
}

func (m *mount) show(ttl, longest time.Duration) object {
	return object{
		"accessor": m.accessor, "config": object{"default_lease_ttl": seconds(ttl), "force_no_cache": false, "max_lease_ttl": seconds(longest)},
		"deprecation_status": "supported", "description": m.description, "external_entropy_access": false, "local": false, "options": m.options(),
		"plugin_version": "", "running_plugin_version": version, "running_sha256": "", "seal_wrap": false, "type": m.kind, "uuid": m.uuid,
	}
}

func (s *Server) mountPath(q *request, below string) answer {
	path, tune := strings.CutSuffix(below, "/tune")
	m := s.mounts[path+"/"]
	read := answer{flat: true, mount: "system"}
	switch {
	case q.path == "sys/mounts" && q.op == opRead:
		all := object{}
		for path, m := range s.mounts {
			all[path] = m.show(m.defaultTTL, m.longest)
		}
		read.data = all
		return read
	case below == "" || q.op == opList || strings.HasSuffix(q.path, "/"):
		panic(unsupportedPath())
	case tune && (q.op == opRead || q.op == opWrite):
		bad(m == nil, fmt.Sprintf("cannot fetch sysview for path %q", path+"/"))
		if q.op == opWrite {
			return m.tune(q)
		}
		read.data = m.tuning()
		return read
	case q.op == opRead:
		bad(m == nil, "No secret engine mount at "+path+"/")
		read.data = m.show(m.defaultTTL, m.longest)
		return read
	case q.op == opWrite:
		s.enable(q, path+"/")
		return answer{}
	case q.op != opDelete:
		panic(unsupportedOperation())
	}
	if m != nil {
		delete(s.mounts, m.path)
		s.revokeBelow(m.path)
	}
	return answer{}
}

func (s *Server) enable(q *request, path string) {
	kind := q.need("type", "backend type must be specified as a string")
	options, config := q.members("options"), q.members("config")
	m := newMount(path, kind, options.text("version"))
	if plain, v, ok := strings.Cut(kind, "-v"); ok && plain == "kv" {
		m.kind, m.version = plain, v
	}
	m.description = q.text("description")
	m.defaultTTL, m.longest = config.duration("default_lease_ttl"), config.duration("max_lease_ttl")
	first, _, _ := strings.Cut(path, "/")
	bad(slices.Contains([]string{"sys", "auth", "identity", "cubbyhole"}, first), fmt.Sprintf("cannot mount %q", path))
	deny(slices.Contains(strings.Fields(absentEngines), m.kind), missing(m.kind+" engine"))
	bad(m.kind != "kv" && m.kind != "database", "plugin not found in the catalog: "+kind)
	bad(m.kind == "kv" && !slices.Contains([]string{"", "1", "2"}, m.version), "a kv engine has no such version")
	bad(m.longest > 0 && m.defaultTTL > m.longest, "given default lease TTL greater than given max lease TTL")
	for other := range s.mounts {
		bad(strings.HasPrefix(path, other) || strings.HasPrefix(other, path), "path is already in use at "+other)
	}
	s.mounts[path] = m
}

func (m *mount) tuning() object {
	data := object{"default_lease_ttl": seconds(m.ttl()), "max_lease_ttl": seconds(m.limit()), "description": m.description, "force_no_cache": false}
	if m.version != "" {
		data["options"] = m.options()
	}
	return data
}

func (m *mount) tune(q *request) answer {
	ttl, longest, description := m.defaultTTL, m.longest, m.description
	for _, name := range []string{"default_lease_ttl", "max_lease_ttl"} {
		if q.has(name) && q.text(name) == "system" {
			q.fields[name] = []byte("0")
		}
	}
	q.into(map[string]*time.Duration{"default_lease_ttl": &ttl, "max_lease_ttl": &longest})
	if q.has("description") {
		description = q.text("description")
	}
	wanted := cmp.Or(q.members("options").text("version"), m.version)
	bad(longest > 0 && ttl > longest,
		fmt.Sprintf("backend max lease TTL of %d would be less than backend default lease TTL of %d", seconds(longest), seconds(ttl)))
	bad(m.version == "2" && wanted == "1", "cannot downgrade mount from version 2")
	bad(wanted != m.version && (m.kind != "kv" || (wanted != "1" && wanted != "2")), "the engine has no such version")
	a := answer{mount: "system"}
	if wanted == "2" && m.version != "2" {
		a.warnings = []string{fmt.Sprintf("Upgraded mount from version %s to version 2", cmp.Or(m.version, "0"))}
	}
	m.defaultTTL, m.longest, m.description, m.version = ttl, longest, description, wanted
	return a
}

// visibleMounts are those that the caller may see: all, or the one that path is in.
func (s *Server) visibleMounts(q *request, path string) answer {
	deny(q.op == opList, refuse(http.StatusNotFound, "unsupported path"))
	deny(q.op != opRead, refuse(http.StatusMethodNotAllowed, "unsupported operation"))
	if path == "" {
		secrets := object{}
		for path, m := range s.mounts {
			secrets[path] = m.show(m.ttl(), m.limit())
		}
		return answer{data: object{"auth": object{"token/": s.tokenMount.show(systemTTL, systemTTL)}, "secret": secrets}}
	}
	m := s.mountOf(path)
	const denied = "preflight capability check returned 403, please ensure client's policies grant access to path %q"
	deny(m == nil, refuse(http.StatusForbidden, fmt.Sprintf(denied, strings.TrimSuffix(path, "/")+"/")))
	data := m.show(m.ttl(), m.limit())
	data["path"] = m.path
	return answer{data: data}
}
