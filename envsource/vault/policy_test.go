package vault

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/envsource"
)

func TestPolicyText(t *testing.T) {
	read := func(path string) envsource.Read {
		return envsource.Read{Source: envsource.SourceVault, Path: path, Method: envsource.MethodRead}
	}
	kv2 := read("kv/data/dev/api")
	kv2.Mount, kv2.Kind = "kv/", envsource.KindKV2
	kv1 := read("old/api")
	kv1.Mount, kv1.Kind = "old/", envsource.KindKV1
	db := read("database/creds/app")
	db.Mount = "database/"
	pki := read("pki/issue/web")
	pki.Method, pki.Mount = envsource.MethodWrite, "pki/"
	team := read("sys/x")
	team.Namespace = "team"
	for name, c := range map[string]struct {
		uses  []Use
		child bool
		want  string
	}{
		"nothing": {},
		"known": {[]Use{{kv2, []string{"KEY"}}, {kv1, []string{"OLD"}}}, true, `# vault.token_ttl
path "auth/token/create" { capabilities = ["update"] }
# KEY
path "kv/data/dev/api" { capabilities = ["read"] }
# new versions of it: KEY
path "kv/metadata/dev/api" { capabilities = ["read"] }
# OLD
path "old/api" { capabilities = ["read"] }
`},
		"leased": {[]Use{{db, []string{"USER", "PASS"}}, {pki, []string{"CERT"}}, {db, []string{"URL"}}}, false, `# URL; USER, PASS
path "database/creds/app" { capabilities = ["read"] }
# CERT
path "pki/issue/web" { capabilities = ["update"] }
# to keep leases
path "sys/leases/renew" { capabilities = ["update"] }
# to let them go in time, where the token is not vwrap's own
path "sys/leases/revoke" { capabilities = ["update"] }
`},
		"not known": {[]Use{{read(`secret/dev/"db`), []string{"A"}}}, false, `# A, if secret/ is KV version 2
path "secret/data/dev/\"db" { capabilities = ["read"] }
# A
path "secret/dev/\"db" { capabilities = ["read"] }
# new versions of it: A, if secret/ is KV version 2
path "secret/metadata/dev/\"db" { capabilities = ["read"] }
# to keep leases
path "sys/leases/renew" { capabilities = ["update"] }
# to let them go in time, where the token is not vwrap's own
path "sys/leases/revoke" { capabilities = ["update"] }
`},
		"namespaces": {[]Use{{team, []string{"T"}}, {kv1, []string{"OLD"}}}, false, `# OLD
path "old/api" { capabilities = ["read"] }

# In the namespace team:

# to keep leases
path "sys/leases/renew" { capabilities = ["update"] }
# to let them go in time, where the token is not vwrap's own
path "sys/leases/revoke" { capabilities = ["update"] }
# T
path "sys/x" { capabilities = ["read"] }
`},
	} {
		got, err := PolicyText(c.uses, c.child)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n%s\nwant:\n%s", name, err, got, c.want)
		}
	}
	for _, path := range []string{"secret/*", "secret/+/x"} {
		if _, err := PolicyText([]Use{{Read: read(path)}}, false); err == nil {
			t.Errorf("%s is taken for a path", path)
		}
	}
}

var policyPath = regexp.MustCompile(`(?m)^path ("(?:[^"\\]|\\.)*") \{ capabilities = \[[a-z", ]+\] \}$`)

// Whatever a path is, the policy has it as one string, once.
func FuzzPolicyText(f *testing.F) {
	for _, path := range []string{"secret/dev/db", `a"b/c`, "a/b\n}", "${x}/y", "a/data/b"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		text, err := PolicyText([]Use{{Read: envsource.Read{Path: path, Method: envsource.MethodRead}, Variables: []string{"A"}}}, false)
		if err != nil {
			return
		}
		seen, own := map[string]bool{}, false
		for _, m := range policyPath.FindAllStringSubmatch(text, -1) {
			got, err := strconv.Unquote(m[1])
			if err != nil || seen[got] {
				t.Errorf("%q: the policy has %s, %v", path, m[1], err)
			}
			seen[got] = true
			own = own || got == strings.ToValidUTF8(path, "\uFFFD") || got == path
		}
		if !own {
			t.Errorf("%q is not in\n%s", path, text)
		}
	})
}
