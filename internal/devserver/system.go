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
		"sys/internal/ui/mounts": {opRead: s.visibleMounts, opWrite: s.noVisibleMounts, opPatch: s.noVisibleMounts, opDelete: s.noVisibleMounts},
	}
}

// ownEndpoints are not of an engine.
func (s *Server) ownEndpoints() endpoints {
	lookup := operations{opRead: s.lookupToken, opWrite: s.lookupToken}
	renew, revoke, revokeBelow := operations{opWrite: s.renewLease}, operations{opWrite: s.revokeLease}, operations{opWrite: s.revokePrefix}
	renewToken, revokeToken := operations{opWrite: s.renewToken}, operations{opWrite: s.revokeToken}
	return endpoints{
		"sys/mounts":              {opRead: s.listMounts},
		"sys/mounts/":             {opRead: s.readMount, opWrite: s.writeMount, opDelete: s.unmount},
		"sys/internal/ui/mounts/": {opRead: s.visibleMount},
		"sys/capabilities-self":   {opWrite: capabilities},
		"sys/leases/lookup":       {opWrite: s.lookupLease},
		"sys/leases/lookup/":      {opList: s.listLeases},
		"sys/leases/tidy":         every(lacking("sys/leases/tidy")),
		"sys/leases/count":        every(lacking("sys/leases/count")),
		"sys/leases/irrevocable":  every(lacking("sys/leases/irrevocable")),
		"sys/leases/renew":        renew, "sys/leases/renew/": renew, "sys/renew": renew, "sys/renew/": renew,
		"sys/leases/revoke": revoke, "sys/leases/revoke/": revoke, "sys/revoke": revoke, "sys/revoke/": revoke,
		"sys/leases/revoke-prefix/": revokeBelow, "sys/revoke-prefix/": revokeBelow,
		"sys/leases/revoke-force/": revokeBelow, "sys/revoke-force/": revokeBelow,
		"sys/": every(otherSystem),

		"auth/token/create":     {opWrite: s.createToken},
		"auth/token/accessors/": {opList: s.listAccessors},
		"auth/token/create/":    every(lacking("token roles")),
		"auth/token/roles/":     every(lacking("token roles")),
		"auth/token/tidy":       every(lacking("token roles")),
		"auth/token/lookup":     lookup, "auth/token/lookup-self": lookup, "auth/token/lookup-accessor": {opWrite: s.lookupToken},
		"auth/token/renew": renewToken, "auth/token/renew-self": renewToken, "auth/token/renew-accessor": renewToken,
		"auth/token/revoke": revokeToken, "auth/token/revoke-self": revokeToken, "auth/token/revoke-accessor": revokeToken,
		"auth/token/create-orphan": {opWrite: s.createToken}, "auth/token/revoke-orphan": {opWrite: s.revokeOrphaning},
		"auth/token/": every(unknown), "auth/": every(lacking("authentication methods but tokens")), "": every(otherEngine),
	}
}

func unknown(*request) { deny(true, http.StatusNotFound, many("unsupported path")) }

// otherSystem tells what a real server has below sys/ from what none has.
func otherSystem(q *request) {
	const real = "audit audit-hash auth capabilities capabilities-accessor config control-group decode-token experiments generate-root ha-status " +
		"host-info in-flight-req init internal key-status license locked-users loggers managed-keys metrics mfa monitor namespaces plugins policies " +
		"policy pprof quotas raw rekey remount replication rotate step-down storage sync tools version-history wrapping"
	first, _, _ := strings.Cut(q.name, "/")
	missing(slices.Contains(strings.Fields(real), first), "sys/"+first)
	unknown(q)
}

// otherEngine is at a reserved path.
func otherEngine(q *request) {
	first, _, _ := strings.Cut(q.path, "/")
	missing(true, first+" engine")
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
