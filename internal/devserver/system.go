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
func (s *Server) openPath(q *request) (a answer, ok bool, err error) {
	wants := opRead
	switch q.path {
	case "sys/health", "sys/seal-status", "sys/leader":
	case "sys/unseal":
		wants = opWrite
	case "sys/seal":
		if wants = opWrite; !s.sealed && q.op == wants {
			return a, false, nil // only who has a token may
		}
	default:
		return a, false, nil
	}
	if q.op != wants {
		return a, true, refuse(http.StatusMethodNotAllowed)
	}
	switch q.path {
	case "sys/health":
		a, err = s.health(q)
	case "sys/seal-status":
		a = s.sealStatus()
	case "sys/leader":
		a.bare = object{
			"ha_enabled": false, "is_self": false, "active_time": "0001-01-01T00:00:00Z", "leader_address": "", "leader_cluster_address": "",
			"performance_standby": false, "performance_standby_last_remote_wal": 0,
		}
	case "sys/unseal":
		a, err = s.unseal(q)
	}
	return a, true, err
}

func (s *Server) health(q *request) (answer, error) {
	code, parameter := http.StatusOK, "activecode"
	body := object{
		"initialized": true, "sealed": s.sealed, "standby": s.sealed, "performance_standby": false, "server_time_utc": q.now.Unix(),
		"version": version, "enterprise": false, "echo_duration_ms": 0, "clock_skew_ms": 0, "replication_primary_canary_age_ms": 0,
		"replication_performance_mode": "unknown", "replication_dr_mode": "unknown",
	}
	if s.sealed {
		code, parameter = http.StatusServiceUnavailable, "sealedcode"
	} else {
		body["cluster_name"], body["cluster_id"] = "vwrap-dev", s.clusterID
		body["replication_performance_mode"], body["replication_dr_mode"] = "disabled", "disabled"
	}
	if wanted := q.query[parameter]; wanted != nil {
		n, err := strconv.Atoi(wanted[0])
		if err != nil || n < 200 || n > 599 {
			return answer{}, badRequest("%s is no status", parameter)
		}
		code = n
	}
	return answer{status: code, bare: body}, nil
}

func (s *Server) sealStatus() answer {
	body := object{
		"type": "shamir", "initialized": true, "sealed": s.sealed, "t": 1, "n": 1, "progress": 0, "nonce": "", "version": version,
		"build_date": s.started.UTC().Format(time.RFC3339), "migration": false, "recovery_seal": false, "storage_type": "inmem",
	}
	if !s.sealed {
		body["cluster_name"], body["cluster_id"] = "vwrap-dev", s.clusterID
	}
	return answer{bare: body}
}

func (s *Server) unseal(q *request) (answer, error) {
	if q.fields.truth("reset", false) {
		return s.sealStatus(), q.fields.failure
	}
	text, err := q.fields.need("key", "'key' must be specified in request body as JSON, or 'reset' set to true")
	if err != nil {
		return answer{}, err
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		key, err = base64.StdEncoding.DecodeString(text)
	}
	switch want, _ := hex.DecodeString(s.unsealKey); {
	case err != nil:
		return answer{}, badRequest("'key' must be a valid hex or base64 string")
	case !s.sealed:
	case len(key) < 16:
		return answer{}, badRequest("invalid key: key is shorter than minimum 16 bytes")
	case subtle.ConstantTimeCompare(key, want) != 1:
		return answer{}, badRequest("invalid key: it is not the one that the server was started with")
	}
	s.sealed = false
	return s.sealStatus(), nil
}

// absentSystem are paths below sys/ that a real server has.
var absentSystem = []string{
	"audit", "audit-hash", "auth", "capabilities", "capabilities-accessor", "config", "control-group", "decode-token", "experiments",
	"generate-root", "ha-status", "host-info", "in-flight-req", "init", "internal", "key-status", "license", "locked-users", "loggers",
	"managed-keys", "metrics", "mfa", "monitor", "namespaces", "plugins", "policies", "policy", "pprof", "quotas", "raw", "rekey",
	"remount", "replication", "rotate", "step-down", "storage", "sync", "tools", "version-history", "wrapping",
}

func (s *Server) system(q *request, rest string) (answer, error) {
	first, below, _ := strings.Cut(rest, "/")
	switch {
	case rest == "seal":
		s.sealed = true
		return answer{}, nil
	case first == "mounts":
		return s.mountPath(q, below)
	case rest == "internal/ui/mounts" || strings.HasPrefix(rest, "internal/ui/mounts/"):
		return s.visibleMounts(q, strings.TrimPrefix(strings.TrimPrefix(rest, "internal/ui/mounts"), "/"))
	case rest == "capabilities-self" && q.op == opWrite:
		return capabilities(q)
	case rest == "capabilities-self":
		return answer{}, unsupportedOperation()
	case first == "leases":
		return s.leasePath(q, below)
	case first == "renew" || first == "revoke" || first == "revoke-prefix" || first == "revoke-force":
		return s.leasePath(q, rest)
	case slices.Contains(absentSystem, first):
		return answer{}, missing("sys/" + first)
	}
	return answer{}, unsupportedPath()
}

func capabilities(q *request) (answer, error) {
	paths := append(q.fields.texts("paths"), q.fields.texts("path")...)
	if q.fields.failure != nil {
		return answer{}, q.fields.failure
	}
	if len(paths) == 0 {
		return answer{}, badRequest("paths must be supplied")
	}
	data := object{}
	for _, path := range paths {
		data[path] = []string{"root"} // there are no policies
	}
	if len(paths) == 1 {
		data["capabilities"] = []string{"root"}
	}
	return answer{data: data, flat: true, mount: "system"}, nil
}

// mount is a secrets engine at a path.
type mount struct {
	path, kind, version string // the version of a KV engine: "1", "2", or "" for the first by default
	description         string
	accessor, uuid      string
	defaultTTL, longest time.Duration // 0: the system's
	kv                  *kv
	db                  *database
}

func newMount(path, kind, version string) *mount {
	m := &mount{path: path, kind: kind, version: version, accessor: kind + "_" + strings.ToLower(randomText(8)), uuid: newUUID()}
	switch kind {
	case "kv":
		m.kv = &kv{secrets: map[string]*secret{}}
	case "database":
		m.db = &database{roles: map[string]*role{}, static: map[string]*staticRole{}, configs: map[string]bool{}}
	}
	return m
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

func (s *Server) mountPath(q *request, below string) (answer, error) {
	path, tune := strings.CutSuffix(strings.TrimSuffix(below, "/"), "/tune")
	m := s.mounts[path+"/"]
	switch {
	case below == "" && q.op == opRead && q.path == "sys/mounts":
		data := object{}
		for path, m := range s.mounts {
			data[path] = m.show(m.defaultTTL, m.longest)
		}
		return answer{data: data, flat: true, mount: "system"}, nil
	case below == "" || q.op == opList:
		return answer{}, unsupportedPath()
	case tune && m == nil:
		return answer{}, badRequest("cannot fetch sysview for path %q", path+"/")
	case tune && q.op == opRead:
		return answer{data: m.tuning(), flat: true, mount: "system"}, nil
	case tune && q.op == opWrite:
		return s.tune(q, m)
	case q.op == opRead && m == nil:
		return answer{}, badRequest("No secret engine mount at %s/", path)
	case q.op == opRead:
		return answer{data: m.show(m.defaultTTL, m.longest), flat: true, mount: "system"}, nil
	case q.op == opWrite:
		return answer{}, s.enable(q, path+"/")
	case q.op == opDelete:
		if m != nil {
			delete(s.mounts, m.path)
			s.revokeBelow(m.path)
		}
		return answer{}, nil
	}
	return answer{}, unsupportedOperation()
}

// absentEngines are the types that a real server can mount.
var absentEngines = []string{
	"ad", "alicloud", "aws", "azure", "consul", "cubbyhole", "gcp", "gcpkms", "generic", "identity", "kubernetes", "ldap", "mongodbatlas",
	"nomad", "openldap", "pki", "rabbitmq", "ssh", "terraform", "totp", "transit",
}

func (s *Server) enable(q *request, path string) error {
	kind, err := q.fields.need("type", "backend type must be specified as a string")
	if err != nil {
		return err
	}
	options, _ := q.fields.pairs("options")
	config := q.fields.members("config")
	version := options["version"]
	if plain, v, ok := strings.Cut(kind, "-v"); ok && plain == "kv" {
		kind, version = plain, v
	}
	m := newMount(path, kind, version)
	m.description = q.fields.text("description")
	m.defaultTTL, m.longest = config.duration("default_lease_ttl"), config.duration("max_lease_ttl")
	switch first, _, _ := strings.Cut(path, "/"); {
	case q.fields.failure != nil:
		return q.fields.failure
	case config.failure != nil:
		return config.failure
	case slices.Contains([]string{"sys", "auth", "identity", "cubbyhole", ""}, first):
		return badRequest("cannot mount %q", path)
	case slices.Contains(absentEngines, kind):
		return missing(kind + " engine")
	case kind != "kv" && kind != "database":
		return badRequest("plugin not found in the catalog: %s", kind)
	case kind == "kv" && !slices.Contains([]string{"", "1", "2"}, version):
		return badRequest("a kv engine has no such version")
	case m.longest > 0 && m.defaultTTL > m.longest:
		return badRequest("given default lease TTL greater than given max lease TTL")
	}
	for other := range s.mounts {
		if strings.HasPrefix(path, other) || strings.HasPrefix(other, path) {
			return badRequest("path is already in use at %s", other)
		}
	}
	s.mounts[path] = m
	return nil
}

func (m *mount) tuning() object {
	data := object{"default_lease_ttl": seconds(m.ttl()), "max_lease_ttl": seconds(m.limit()), "description": m.description, "force_no_cache": false}
	if m.version != "" {
		data["options"] = m.options()
	}
	return data
}

func (s *Server) tune(q *request, m *mount) (answer, error) {
	f := &q.fields
	ttl, longest := m.defaultTTL, m.longest
	for name, at := range map[string]*time.Duration{"default_lease_ttl": &ttl, "max_lease_ttl": &longest} {
		if f.has(name) {
			if *at = 0; f.text(name) != "system" {
				*at = f.duration(name)
			}
		}
	}
	options, _ := f.pairs("options")
	wanted := options["version"]
	switch {
	case f.failure != nil:
		return answer{}, f.failure
	case longest > 0 && ttl > longest:
		return answer{}, badRequest("backend max lease TTL of %d would be less than backend default lease TTL of %d", seconds(longest), seconds(ttl))
	case m.version == "2" && wanted == "1":
		return answer{}, badRequest("cannot downgrade mount from version 2")
	case wanted != "" && (m.kind != "kv" || (wanted != "1" && wanted != "2")):
		return answer{}, badRequest("the engine has no such version")
	}
	m.defaultTTL, m.longest = ttl, longest
	if f.has("description") {
		m.description = f.text("description")
	}
	a := answer{mount: "system"}
	if wanted == "2" && m.version != "2" {
		a.warnings = []string{fmt.Sprintf("Upgraded mount from version %s to version 2", cmp.Or(m.version, "0"))}
		m.upgrade(q.now)
	}
	if wanted != "" {
		m.version = wanted
	}
	return a, nil
}

// visibleMounts are those that the caller may see: all, or the one that path is in.
func (s *Server) visibleMounts(q *request, path string) (answer, error) {
	switch {
	case q.op == opList:
		return answer{}, refuse(http.StatusNotFound, "unsupported path")
	case q.op != opRead:
		return answer{}, refuse(http.StatusMethodNotAllowed, "unsupported operation")
	case path != "":
		m := s.mountOf(path)
		if m == nil {
			return answer{}, refuse(http.StatusForbidden,
				fmt.Sprintf("preflight capability check returned 403, please ensure client's policies grant access to path %q", strings.TrimSuffix(path, "/")+"/"))
		}
		data := m.show(m.ttl(), m.limit())
		data["path"] = m.path
		return answer{data: data}, nil
	}
	secrets := object{}
	for path, m := range s.mounts {
		secrets[path] = m.show(m.ttl(), m.limit())
	}
	return answer{data: object{"auth": object{"token/": s.tokenMount.show(systemTTL, systemTTL)}, "secret": secrets}}, nil
}
