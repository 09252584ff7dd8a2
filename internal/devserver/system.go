package devserver

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// openEndpoints see for themselves who asks, and answer while the server is sealed.
func (s *Server) openEndpoints() endpoints {
	return endpoints{
		"sys/health":             {opRead: s.health},
		"sys/leader":             {opRead: leader},
		"sys/seal-status":        {opRead: s.sealStatus},
		"sys/seal":               {opWrite: s.seal},
		"sys/unseal":             {opWrite: s.unseal},
		"sys/internal/ui/mounts": s.visible(s.visibleMounts),
	}
}

// ownEndpoints are not of an engine.
func (s *Server) ownEndpoints() endpoints {
	const realPaths = "audit audit-hash auth capabilities capabilities-accessor config control-group decode-token experiments generate-root " +
		"ha-status host-info in-flight-req init internal key-status license locked-users loggers managed-keys metrics mfa monitor namespaces " +
		"plugins policies policy pprof quotas raw rekey remount replication rotate step-down storage sync tools version-history wrapping"
	writes := func(h handler) operations { return operations{opWrite: h} }
	own := endpoints{
		"sys/":                       otherwise(realPaths, "sys/"),
		"sys/mounts":                 {opRead: s.listMounts},
		"sys/mounts/":                {opRead: s.readMount, opWrite: s.writeMount, opDelete: s.unmount},
		"sys/internal/ui/mounts/":    s.visible(s.visibleMount),
		"sys/leases":                 {opRead: func(*request) { absent(true) }},
		"sys/capabilities-self":      writes(capabilities),
		"sys/leases/":                otherwise("tidy count irrevocable", "sys/leases/"),
		"sys/leases/lookup":          writes(s.lookupLease),
		"sys/leases/lookup/":         {opList: s.listLeases},
		"auth/":                      every(lacking("authentication methods but tokens")),
		"auth/token/":                otherwise("create roles tidy", "auth/token/"),
		"auth/token/accessors":       {}, // no operation without a slash at its end, which LIST has
		"auth/token/accessors/":      {opList: s.listAccessors},
		"auth/token/create":          writes(s.createToken),
		"auth/token/create-orphan":   writes(s.createToken),
		"auth/token/lookup":          {opRead: s.lookupToken, opWrite: s.lookupToken},
		"auth/token/lookup-self":     {opRead: s.lookupToken, opWrite: s.lookupToken},
		"auth/token/lookup-accessor": writes(s.lookupToken),
		"auth/token/revoke-orphan":   writes(s.revokeToken),
		"":                           otherwise("auth cubbyhole identity", ""),
	}
	for _, whose := range []string{"", "-self", "-accessor"} {
		own["auth/token/renew"+whose], own["auth/token/revoke"+whose] = writes(s.renewToken), writes(s.revokeToken)
	}
	for _, folder := range []string{"sys/leases/", "sys/"} { // the latter as old clients know them
		own[folder+"renew"], own[folder+"renew/"] = writes(s.renewLease), writes(s.renewLease)
		own[folder+"revoke"], own[folder+"revoke/"] = writes(s.revokeLease), writes(s.revokeLease)
		own[folder+"revoke-prefix/"], own[folder+"revoke-force/"] = writes(s.revokePrefix), writes(s.revokePrefix)
	}
	return own
}

// otherwise tells what a real server has besides from what none has.
func otherwise(real, what string) operations {
	return every(func(q *request) {
		first, _, _ := strings.Cut(q.name, "/")
		missing(slices.Contains(strings.Fields(real), first), what+first)
		deny(true, http.StatusNotFound, many("unsupported path"))
	})
}

// reserved are the paths where no engine is mounted.
func reserved(first string) bool {
	return slices.Contains([]string{"sys", "auth", "identity", "cubbyhole"}, first)
}

// leader answers for a server that stands alone: Vault's own program asks for it.
func leader(q *request) {
	q.bare = object{
		"ha_enabled": false, "is_self": false, "active_time": "0001-01-01T00:00:00Z", "leader_address": "", "leader_cluster_address": "",
		"performance_standby": false, "performance_standby_last_remote_wal": 0,
	}
}

func (s *Server) health(q *request) {
	mode := "disabled"
	q.status = cmp.Or(q.number("activecode"), http.StatusOK)
	if s.sealed {
		mode = "unknown"
		q.status = cmp.Or(q.number("sealedcode"), http.StatusServiceUnavailable)
	}
	bad(q.status < 200 || q.status > 599, "that is no status")
	q.bare = s.withCluster(object{
		"initialized": true, "sealed": s.sealed, "standby": s.sealed, "performance_standby": false, "server_time_utc": q.now.Unix(),
		"version": version, "enterprise": false, "echo_duration_ms": 0, "clock_skew_ms": 0, "replication_primary_canary_age_ms": 0,
		"replication_performance_mode": mode, "replication_dr_mode": mode,
	})
}

func (s *Server) sealStatus(q *request) {
	q.bare = s.withCluster(object{
		"type": "shamir", "initialized": true, "sealed": s.sealed, "t": 1, "n": 1, "progress": 0, "nonce": "", "version": version,
		"build_date": s.started.UTC().Format(time.RFC3339), "migration": false, "recovery_seal": false, "storage_type": "inmem",
	})
}

// withCluster adds the cluster's name, which nobody is told while it is sealed.
func (s *Server) withCluster(body object) object {
	if !s.sealed {
		body["cluster_name"], body["cluster_id"] = "vwrap-dev", s.clusterID
	}
	return body
}

func (s *Server) seal(q *request) {
	if !s.sealed { // else there is nothing that needs a token
		s.admit(q)
	}
	s.sealed = true
}

func (s *Server) unseal(q *request) {
	if !q.truth("reset", false) {
		text := q.need("key", "'key' must be specified in request body as JSON, or 'reset' set to true")
		key, err := hex.DecodeString(text)
		if err != nil {
			key, err = base64.StdEncoding.DecodeString(text)
		}
		bad(err != nil, "'key' must be a valid hex or base64 string")
		bad(s.sealed && len(key) < 16, "invalid key: key is shorter than minimum 16 bytes")
		bad(s.sealed && hex.EncodeToString(key) != s.unsealKey, "invalid key: it is not the one that the server was started with")
		s.sealed = false
	}
	s.sealStatus(q)
}

func capabilities(q *request) {
	paths := append(q.texts("paths"), q.texts("path")...)
	bad(len(paths) == 0, "paths must be supplied")
	data := object{}
	if len(paths) == 1 {
		data["capabilities"] = []string{"root"}
	}
	for _, path := range paths {
		data[path] = []string{"root"} // there are no policies
	}
	q.data, q.flat = data, true
}
