package e2e

import "slices"

// endpoints are what the embedded server serves, and what is asked of it and of a real Vault. They are asked in this
// order, by one client each.
func endpoints() []endpoint {
	return slices.Concat(systemEndpoints(), tokenEndpoints(), kvEndpoints(), databaseEndpoints(), absentEndpoints(), sealEndpoints())
}

func systemEndpoints() []endpoint {
	return []endpoint{
		{"sys/health", "200, and 503 while sealed; `activecode` and `sealedcode` choose another", "the version names it; statuses of other states are never needed", []exchange{
			{line: `GET sys/health`, as: "nobody"}, {line: `GET sys/health?activecode=250`, as: "nobody"}, {line: `DELETE sys/health`},
		}},
		{"sys/leader", "the one server, without high availability", "", []exchange{{line: `GET sys/leader`, as: "nobody"}}},
		{"(any)", "POST and PUT are one; GET with `list=true` is LIST; the token in X-Vault-Token or as a bearer",
			"JSON that is broken is a 400, not a 500; what cannot be read is not repeated; 32 MiB are the largest body; X-Vault-Namespace has no effect, as in Vault's open edition", []exchange{
				{line: `GET nope/x`}, {line: `GET nope/x`, as: "nobody"}, {line: `GET nope/x`, as: "wrong"}, {line: `GET sys/nope`}, {line: `LIST nope/x`},
				{line: `POST secret/x/ {"a":1}`}, {line: `POST secret/data/x [1]`, own: true}, {line: `POST secret/data/x {bad`, embedded: 400},
				{line: `GET secret//data/x`}, {line: `OPTIONS secret/data/x`}, {line: `BREW secret/data/x`},
			}},
		{"sys/mounts", "the engines", "no `sys/`, `identity/`, `cubbyhole/`; an engine's type is `kv` or `database`, any other 501; a KV engine is usable at once", []exchange{
			{line: `POST sys/mounts/kv {"type":"kv","options":{"version":"2"},"description":"two"}`}, {line: `POST sys/mounts/one {"type":"kv","options":{"version":"1"}}`},
			{line: `POST sys/mounts/plain {"type":"kv","config":{"default_lease_ttl":"1h","max_lease_ttl":"2h"}}`}, {line: `POST sys/mounts/short {"type":"kv-v2"}`},
			{line: `GET sys/mounts`}, {line: `GET sys/mounts/plain`}, {line: `GET sys/mounts/nope`}, {line: `LIST sys/mounts`},
			{line: `POST sys/mounts/kv {"type":"kv"}`}, {line: `POST sys/mounts/kv/below {"type":"kv"}`}, {line: `POST sys/mounts/x {}`}, {line: `POST sys/mounts/x {"type":"bogus"}`},
			{line: `POST sys/mounts/sys/x {"type":"kv"}`}, {line: `POST sys/mounts/x {"type":"kv","config":{"default_lease_ttl":"30s","max_lease_ttl":"20s"}}`},
			{line: `POST sys/mounts/x {"type":"kv","options":{"version":"3"}}`, own: true},
			{line: `DELETE sys/mounts/short`}, {line: `DELETE sys/mounts/short`}, {line: `POST sys/mounts/pki {"type":"pki"}`, embedded: 501}, {line: `DELETE sys/mounts/pki`},
		}},
		{"sys/mounts/PATH/tune", "`default_lease_ttl`, `max_lease_ttl`, `description`, and a KV engine's version, up", "the warning about the new version says it has happened", []exchange{
			{line: `GET sys/mounts/plain/tune`}, {line: `GET sys/mounts/nope/tune`}, {line: `POST sys/mounts/plain/tune {"default_lease_ttl":"10s","max_lease_ttl":"20s"}`},
			{line: `POST sys/mounts/plain/tune {"default_lease_ttl":"30s"}`}, {line: `POST sys/mounts/plain/tune {"default_lease_ttl":"xx"}`, own: true}, {line: `GET sys/mounts/plain/tune`},
			{line: `POST plain/a {"x":1}`}, {line: `POST sys/mounts/plain/tune {"options":{"version":"2"}}`, own: true}, {line: `GET plain/data/a`},
			{line: `POST sys/mounts/plain/tune {"options":{"version":"1"}}`}, {line: `GET sys/mounts/plain/tune`},
		}},
		{"sys/internal/ui/mounts", "the engines with the times that apply; nothing without a token", "as sys/mounts", []exchange{
			{line: `GET sys/internal/ui/mounts`}, {line: `GET sys/internal/ui/mounts`, as: "nobody"}, {line: `GET sys/internal/ui/mounts`, as: "wrong"}, {line: `POST sys/internal/ui/mounts {}`},
		}},
		{"sys/internal/ui/mounts/PATH", "the engine that PATH is in", "", []exchange{
			{line: `GET sys/internal/ui/mounts/secret/a/b`}, {line: `GET sys/internal/ui/mounts/secret`}, {line: `GET sys/internal/ui/mounts/nope/a`}, {line: `GET sys/internal/ui/mounts/secret/a`, as: "nobody"},
		}},
		{"sys/capabilities-self", "`root` on every path", "there are no policies: so it says to every token", []exchange{
			{line: `POST sys/capabilities-self {"paths":["secret/a","sys/x"]}`}, {line: `POST sys/capabilities-self {"path":"secret/a"}`}, {line: `POST sys/capabilities-self {}`}, {line: `GET sys/capabilities-self`},
		}},
	}
}

func tokenEndpoints() []endpoint {
	return []endpoint{
		{"auth/token/create", "`id`, `policies`, `no_default_policy`, `ttl`, `explicit_max_ttl`, `period`, `renewable`, `num_uses`, `no_parent`, `display_name`, `meta`",
			"policies are names that permit and forbid nothing, and a warning says so; batch tokens, roles and entities are 501", []exchange{
				{line: `POST auth/token/create {}`}, {line: `POST auth/token/create`}, {line: `POST auth/token/create {"policies":["root"],"ttl":"1h"}`, keep: "EXPIRING=auth.client_token"},
				{line: `POST auth/token/create {}`, as: "EXPIRING"}, {line: `POST auth/token/create {"policies":["default"],"ttl":"1h","meta":{"a":"b"},"display_name":"a b/c"}`, own: true, keep: "T=auth.client_token TA=auth.accessor"},
				{line: `POST auth/token/create {"policies":["a"],"ttl":"1000h"}`, own: true}, {line: `POST auth/token/create {"policies":["a"],"explicit_max_ttl":"1h","no_default_policy":true}`, own: true},
				{line: `POST auth/token/create {"policies":["root"],"explicit_max_ttl":"1h"}`}, {line: `POST auth/token/create {"policies":["root"],"ttl":"1000h"}`}, {line: `POST auth/token/create {"policies":["root"],"period":"1000h"}`},
				{line: `POST auth/token/create {"policies":["a"],"ttl":60,"renewable":false}`, own: true, keep: "FIXED=auth.client_token"}, {line: `POST auth/token/create {"ttl":"-1h"}`}, {line: `POST auth/token/create {"ttl":"xx"}`, own: true},
				{line: `POST auth/token/create {"id":"mine","policies":["a"]}`, own: true}, {line: `POST auth/token/create {"id":"mine"}`}, {line: `POST auth/token/create {"id":"a.b"}`}, {line: `POST auth/token/create {"id":"hvs.x"}`},
				{line: `POST auth/token/create {"num_uses":-1}`}, {line: `POST auth/token/create {"num_uses":3,"ttl":"1h"}`, keep: "FEW=auth.client_token"}, {line: `POST auth/token/create {}`, as: "FEW"},
				{line: `GET auth/token/lookup-self`, as: "FEW"}, {line: `GET auth/token/lookup-self`, as: "FEW"}, {line: `GET auth/token/lookup-self`, as: "FEW"},
				{line: `GET auth/token/create`}, {line: `POST auth/token/create {"policies":["a"],"type":"batch"}`, embedded: 501}, {line: `POST auth/token/create/role {}`, embedded: 501},
			}},
		{"auth/token/create-orphan", "a token without a parent", "as auth/token/create; any token may", []exchange{
			{line: `POST auth/token/create-orphan {"policies":["default"],"period":"1h"}`, own: true, keep: "P=auth.client_token"},
		}},
		{"auth/token/lookup, lookup-self, lookup-accessor, accessors", "everything that Vault tells of a token", "", []exchange{
			{line: `GET auth/token/lookup-self`}, {line: `GET auth/token/lookup-self`, as: "T"}, {line: `GET auth/token/lookup-self`, as: "P"}, {line: `GET auth/token/lookup-self`, as: "wrong"}, {line: `GET auth/token/lookup-self`, as: "nobody"},
			{line: `POST auth/token/lookup {"token":"$T"}`}, {line: `POST auth/token/lookup {}`}, {line: `POST auth/token/lookup {"token":"wrong"}`}, {line: `GET auth/token/lookup`},
			{line: `POST auth/token/lookup-accessor {"accessor":"$TA"}`}, {line: `POST auth/token/lookup-accessor {"accessor":"wrong"}`}, {line: `GET auth/token/nope`},
			{line: `LIST auth/token/accessors`, keep: "ROOT2=mount_type"},
		}},
		{"auth/token/renew, renew-self, renew-accessor", "within the maximum, from the issue; periodic ones by their period", "the words for what is no duration", []exchange{
			{line: `POST auth/token/renew-self {}`, as: "EXPIRING"}, {line: `POST auth/token/renew-self {"increment":"3h"}`, as: "EXPIRING"}, {line: `POST auth/token/renew-self {"increment":"5h"}`, as: "P"},
			{line: `POST auth/token/renew-self {"increment":600}`, as: "EXPIRING"}, {line: `POST auth/token/renew-self`, as: "EXPIRING"}, {line: `POST auth/token/renew-self {"increment":"10000h"}`, as: "EXPIRING"},
			{line: `GET auth/token/lookup-self`, as: "EXPIRING"}, {line: `POST auth/token/renew {"token":"$T","increment":"2h"}`}, {line: `POST auth/token/renew-accessor {"accessor":"$TA"}`},
			{line: `POST auth/token/renew-self`}, {line: `POST auth/token/renew {"token":"$FIXED"}`}, {line: `POST auth/token/renew {"token":"wrong"}`}, {line: `POST auth/token/renew {}`}, {line: `POST auth/token/renew-self {"increment":"x"}`, as: "EXPIRING", own: true},
		}},
		{"auth/token/revoke, revoke-self, revoke-accessor, revoke-orphan", "with the children and the leases", "", []exchange{
			{line: `POST auth/token/create {"ttl":"1h"}`, as: "ROOT", keep: "PARENT=auth.client_token"}, {line: `POST auth/token/create {"ttl":"1h"}`, as: "PARENT", keep: "CHILD=auth.client_token"},
			{line: `POST auth/token/create {"ttl":"1h"}`, as: "CHILD", keep: "GRANDCHILD=auth.client_token"}, {line: `POST auth/token/revoke-orphan {"token":"$PARENT"}`}, {line: `GET auth/token/lookup-self`, as: "CHILD"},
			{line: `POST auth/token/revoke {"token":"$CHILD"}`}, {line: `GET auth/token/lookup-self`, as: "GRANDCHILD"}, {line: `POST auth/token/revoke {"token":"$CHILD"}`}, {line: `POST auth/token/revoke {}`},
			{line: `POST auth/token/revoke-orphan {"token":"wrong"}`}, {line: `POST auth/token/revoke-accessor {"accessor":"$TA"}`}, {line: `POST auth/token/revoke-accessor {"accessor":"$TA"}`}, {line: `POST auth/token/revoke-self`, as: "P"},
			{line: `GET auth/token/lookup-self`, as: "P"}, {line: `GET auth/token/revoke`},
		}},
	}
}

func kvEndpoints() []endpoint {
	return []endpoint{
		{"KV version 1", "read, write, delete, list", "a secret's JSON comes back as it was sent", []exchange{
			{line: `PUT one/a/b {"x":1,"s":"t","o":{"l":[1,"2"]}}`}, {line: `GET one/a/b`}, {line: `GET one/a`}, {line: `LIST one`}, {line: `LIST one/a`}, {line: `GET one/a?list=true`}, {line: `LIST one/nope`},
			{line: `POST one/b {}`}, {line: `POST one/b {"ttl":"30m","x":"y"}`}, {line: `GET one/b`}, {line: `DELETE one/b`}, {line: `DELETE one/b`}, {line: `PATCH one/a/b {"x":1}`},
		}},
		{"KV version 2 data", "read by version, write, `cas`, patch, delete", "numbers keep their digits, which a real server rounds", []exchange{
			{line: `POST kv/data/a {"data":{"x":1,"o":{"p":1,"q":{}}}}`}, {line: `POST kv/data/a {"x":1}`}, {line: `POST kv/data/a {"data":"text"}`, own: true}, {line: `POST kv/data/a {"data":{"x":2},"options":{"cas":0}}`},
			{line: `POST kv/data/a {"data":{"x":2},"options":{"cas":1}}`}, {line: `POST kv/data/a {"data":{"x":2},"options":{"cas":"z"}}`}, {line: `POST kv/data/new {"data":{"x":2},"options":{"cas":5}}`},
			{line: `GET kv/data/a`}, {line: `GET kv/data/a?version=1`}, {line: `GET kv/data/a?version=9`}, {line: `GET kv/data/a?version=x`, own: true}, {line: `GET kv/data/none`}, {line: `GET kv/data`}, {line: `GET kv/a`}, {line: `PUT kv/a {"x":1}`}, {line: `LIST kv/data/a`},
			{line: `PATCH kv/data/a {"data":{"y":{"z":1},"x":null}}`}, {line: `GET kv/data/a`}, {line: `PATCH kv/data/none {"data":{}}`}, {line: `PATCH kv/data/a {"data":{},"options":{"cas":1}}`},
			{line: `POST kv/data/null {"data":null}`}, {line: `GET kv/data/null`}, {line: `DELETE kv/data/a`}, {line: `GET kv/data/a`}, {line: `PATCH kv/data/a {"data":{"x":1}}`}, {line: `DELETE kv/data/none`}, {line: `GET kv/data/a?version=1`},
		}},
		{"KV version 2 delete, undelete, destroy", "versions, by number", "subkeys are 501", []exchange{
			{line: `POST kv/undelete/a {"versions":[3]}`}, {line: `GET kv/data/a`}, {line: `GET kv/subkeys/a`, embedded: 501}, {line: `POST kv/delete/a {"versions":["3",1]}`}, {line: `GET kv/data/a`},
			{line: `PUT kv/destroy/a {"versions":"3"}`}, {line: `POST kv/undelete/a {"versions":[3]}`}, {line: `GET kv/data/a`}, {line: `POST kv/delete/a {}`}, {line: `POST kv/undelete/a {}`}, {line: `POST kv/destroy/a {}`},
			{line: `POST kv/delete/none {"versions":[1]}`}, {line: `GET kv/delete/a`}, {line: `DELETE kv/destroy/a`},
		}},
		{"KV version 2 metadata", "read, write, patch, delete, list; `max_versions`, `cas_required`, `delete_version_after`, `custom_metadata`", "does not tell who wrote a version", []exchange{
			{line: `GET kv/metadata/a`}, {line: `GET kv/metadata/none`}, {line: `POST kv/metadata/a {"max_versions":2,"custom_metadata":{"k":"v"},"cas_required":true,"delete_version_after":"1h"}`}, {line: `GET kv/metadata/a`},
			{line: `POST kv/data/a {"data":{"x":3}}`}, {line: `POST kv/data/a {"data":{"x":3},"options":{"cas":3}}`}, {line: `GET kv/data/a`}, {line: `GET kv/data/a?version=1`}, {line: `GET kv/metadata/a`},
			{line: `PATCH kv/metadata/a {"custom_metadata":{"k":null,"z":"1"},"cas_required":false}`}, {line: `GET kv/metadata/a`}, {line: `PATCH kv/metadata/none {"max_versions":1}`},
			{line: `POST kv/metadata/m {"max_versions":1}`}, {line: `GET kv/metadata/m`}, {line: `GET kv/data/m`}, {line: `POST kv/metadata/m {"max_versions":"x"}`, own: true},
			{line: `POST kv/data/d/e {"data":{}}`}, {line: `POST kv/data/d {"data":{}}`}, {line: `LIST kv/metadata`}, {line: `GET kv/metadata/d?list=true`}, {line: `LIST kv/metadata/none`}, {line: `DELETE kv/metadata/d`}, {line: `GET kv/data/d`}, {line: `DELETE kv/metadata/none`}, {line: `DELETE kv/metadata`},
		}},
		{"KV version 2 config", "`max_versions`, `cas_required`, `delete_version_after`", "", []exchange{
			{line: `GET kv/config`}, {line: `POST kv/config {"max_versions":3,"cas_required":true,"delete_version_after":"1h"}`}, {line: `GET kv/config`}, {line: `POST kv/data/c {"data":{}}`}, {line: `POST kv/data/c {"data":{},"options":{"cas":0}}`},
			{line: `GET kv/data/c`}, {line: `POST kv/config {"max_versions":0,"cas_required":false,"delete_version_after":"0s"}`}, {line: `PATCH kv/config {}`},
		}},
	}
}

func databaseEndpoints() []endpoint {
	return []endpoint{
		{"database/config/NAME", "remembers the name", "connects to nothing, so it takes any settings, keeps none, and roles need none; rotate-root and reset are 501", []exchange{
			{line: `POST sys/mounts/database {"type":"database"}`}, {line: `LIST database/config`}, {line: `GET database/config/pg`}, {line: `POST database/config/pg {}`},
			{line: `POST database/config/pg {"plugin_name":"postgresql-database-plugin","connection_url":"$URL","username":"vault-admin","password":"$PASSWORD","allowed_roles":"*"}`},
			{line: `LIST database/config`}, {line: `POST database/reset/pg {}`, embedded: 501},
		}},
		{"database/roles/NAME", "`db_name`, `default_ttl`, `max_ttl`; the statements are kept to be shown", "passwords are the only credentials", []exchange{
			{line: `LIST database/roles`}, {line: `GET database/roles/app`}, {line: `POST database/roles/app {}`}, {line: `POST database/roles/app {"db_name":"pg"}`}, {line: `GET database/roles/app`}, {line: `DELETE database/roles/nope`},
			{line: `POST database/roles/app {"creation_statements":["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"],"default_ttl":"1h","max_ttl":"2h"}`}, {line: `GET database/roles/app`},
			{line: `POST database/roles/app {"default_ttl":"xx"}`, own: true}, {line: `POST database/roles/long {"db_name":"pg","default_ttl":"1000h","max_ttl":"2000h","creation_statements":"CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"}`}, {line: `LIST database/roles`},
		}},
		{"database/creds/NAME", "a user that nobody knows, a password, and a lease of the token that asked", "no such user exists anywhere", []exchange{
			{line: `GET database/creds/app`, keep: "LEASE=lease_id"}, {line: `GET database/creds/long`}, {line: `GET database/creds/nope`}, {line: `POST database/creds/app {}`}, {line: `GET database/creds`}, {line: `GET database/nope`},
		}},
		{"sys/leases/lookup", "a lease, and LIST of what is below a prefix; tokens have theirs below auth/token/create/", "", []exchange{
			{line: `POST sys/leases/lookup {"lease_id":"$LEASE"}`}, {line: `POST sys/leases/lookup {"lease_id":"nope"}`}, {line: `POST sys/leases/lookup {}`}, {line: `GET sys/leases/lookup`},
			{line: `LIST sys/leases/lookup`}, {line: `LIST sys/leases/lookup/database/creds`}, {line: `LIST sys/leases/lookup/database/creds/app/`, keep: "X=mount_type"}, {line: `LIST sys/leases/lookup/nope`},
		}},
		{"sys/leases/renew, sys/renew", "by the role's TTL or the increment, until the issue plus the maximum", "the words for what is no duration", []exchange{
			{line: `PUT sys/leases/renew {"lease_id":"$LEASE"}`}, {line: `PUT sys/leases/renew {"lease_id":"$LEASE","increment":600}`}, {line: `PUT sys/leases/renew {"lease_id":"$LEASE","increment":"5h"}`}, {line: `PUT sys/leases/renew/$LEASE`},
			{line: `PUT sys/renew {"lease_id":"$LEASE"}`}, {line: `PUT sys/renew/$LEASE`}, {line: `POST sys/leases/lookup {"lease_id":"$LEASE"}`}, {line: `PUT sys/leases/renew {"lease_id":"nope"}`}, {line: `PUT sys/leases/renew {}`},
			{line: `PUT sys/leases/renew {"lease_id":"$LEASE","increment":"x"}`, own: true}, {line: `GET sys/leases/renew`},
		}},
		{"sys/leases/revoke, sys/revoke, revoke-prefix, revoke-force", "at once, whether or not it was there", "tidying and counting of leases is 501", []exchange{
			{line: `PUT sys/leases/revoke {"lease_id":"$LEASE","sync":true}`}, {line: `PUT sys/leases/revoke {"lease_id":"$LEASE","sync":true}`}, {line: `PUT sys/leases/renew {"lease_id":"$LEASE"}`}, {line: `PUT sys/leases/revoke {}`}, {line: `PUT sys/revoke/nope/x`},
			{line: `POST auth/token/create {"ttl":"1h"}`, keep: "OWNER=auth.client_token"}, {line: `GET database/creds/app`, as: "OWNER", keep: "OWNED=lease_id"}, {line: `GET database/creds/app`, keep: "LEFT=lease_id"},
			{line: `PUT sys/leases/revoke-prefix/database/creds/ap {"sync":true}`}, {line: `PUT sys/leases/renew {"lease_id":"$LEFT"}`}, {line: `PUT sys/leases/revoke-prefix/database/creds/app {"sync":true}`}, {line: `LIST sys/leases/lookup/database/creds/app`},
			{line: `PUT sys/leases/tidy {}`, embedded: 501},
		}},
		{"database/static-roles/NAME", "`username`, `rotation_period`", "a rotation_schedule is 501", []exchange{
			{line: `POST database/static-roles/st {"db_name":"pg"}`}, {line: `POST database/static-roles/st {"username":"$USER","rotation_period":"1h"}`}, {line: `POST database/static-roles/st {"db_name":"pg","username":"$USER"}`},
			{line: `POST database/static-roles/st {"db_name":"pg","username":"$USER","rotation_period":"2s"}`}, {line: `POST database/static-roles/st {"db_name":"pg","username":"$USER","rotation_period":"1h"}`}, {line: `GET database/static-roles/st`}, {line: `LIST database/static-roles`},
			{line: `POST database/static-roles/st {"username":"other"}`}, {line: `POST database/roles/st {"db_name":"pg"}`}, {line: `GET database/static-roles/nope`},
		}},
		{"database/static-creds/NAME, rotate-role/NAME", "the password of now; it changes at its time and when it is asked to", "exactly at its time, where a real server takes up to some seconds more", []exchange{
			{line: `GET database/static-creds/st`}, {line: `POST database/rotate-role/st {}`}, {line: `GET database/static-creds/st`}, {line: `GET database/static-creds/nope`}, {line: `POST database/rotate-role/nope {}`}, {line: `GET database/rotate-role/st`},
			{line: `DELETE database/static-roles/st`}, {line: `GET database/static-creds/st`}, {line: `DELETE sys/mounts/database`}, {line: `GET database/creds/app`},
		}},
	}
}

func absentEndpoints() []endpoint {
	return []endpoint{
		{"everything else that Vault has", "501, and a sentence that says what to use instead", "sys/auth, sys/policies, sys/wrapping and X-Vault-Wrap-TTL, sys/audit, sys/plugins …; every authentication method but tokens; identity/ and cubbyhole/", []exchange{
			{line: `GET sys/auth`, embedded: 501}, {line: `LIST sys/policies/acl`, embedded: 501}, {line: `POST sys/auth/approle {"type":"approle"}`, embedded: 501}, {line: `PUT auth/approle/role/x {"token_ttl":"1h"}`, embedded: 501},
			{line: `PUT sys/policies/acl/x {"policy":""}`, embedded: 501}, {line: `POST sys/wrapping/wrap {"a":1}`, embedded: 501}, {line: `PUT cubbyhole/x {"a":1}`, embedded: 501}, {line: `LIST identity/entity/id`, embedded: 501},
		}},
	}
}

func sealEndpoints() []endpoint {
	return []endpoint{
		{"sys/seal, sys/unseal, sys/seal-status", "one key; while it is sealed everything else is a 503, and time goes on", "the words for a wrong key", []exchange{
			{line: `GET sys/seal-status`, as: "nobody"}, {line: `PUT sys/seal`, as: "nobody"}, {line: `PUT sys/seal`}, {line: `GET sys/seal-status`, as: "nobody"}, {line: `GET sys/health`, as: "nobody"}, {line: `GET sys/health?sealedcode=299`, as: "nobody"}, {line: `GET sys/leader`, as: "nobody"},
			{line: `GET kv/data/a`}, {line: `GET sys/mounts`, as: "nobody"}, {line: `PUT sys/seal`}, {line: `PUT sys/unseal {"key":"zz"}`}, {line: `PUT sys/unseal {"key":"aabb"}`}, {line: `PUT sys/unseal {}`}, {line: `PUT sys/unseal {"reset":true}`},
			{line: `PUT sys/unseal {"key":"0000000000000000000000000000000000000000000000000000000000000000"}`, own: true}, {line: `PUT sys/unseal {"key":"$KEY"}`, as: "nobody"}, {line: `GET kv/data/a`}, {line: `GET sys/health`, as: "nobody"}, {line: `GET sys/seal`},
		}},
	}
}
