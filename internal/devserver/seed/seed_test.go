package seed_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/devserver/admin"
	"github.com/vwrap/vwrap/internal/devserver/seed"
)

// recorder is a server that keeps what it is told in order, and knows what is mounted.
type recorder struct {
	mu     sync.Mutex
	mounts map[string]any
	said   []string                    // METHOD path
	bodies map[string][]map[string]any // by path
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := strings.TrimPrefix(q.URL.Path, "/v1/")
	if q.Method == http.MethodGet {
		data := map[string]any{"sys/mounts": r.mounts, "sys/auth": map[string]any{}, "auth/approle/role/app/role-id": map[string]any{"role_id": "web"}}[path]
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
		return
	}
	var body map[string]any
	_ = json.NewDecoder(q.Body).Decode(&body)
	r.said = append(r.said, path)
	r.bodies[path] = append(r.bodies[path], body)
	if name, ok := strings.CutPrefix(path, "sys/mounts/"); ok && !strings.HasSuffix(path, "/tune") {
		r.mounts[name+"/"] = body
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"secret_id": "s3"}})
}

func record(t *testing.T) (*recorder, *admin.Client) {
	r := &recorder{bodies: map[string][]map[string]any{}, mounts: map[string]any{
		"secret/": map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}, "sys/": map[string]any{"type": "system", "options": nil},
	}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	c := admin.New(server.URL, "root")
	t.Cleanup(c.Close)
	return r, c
}

func sh(script string) config.Command { return config.Command{Args: []string{"sh", "-c", script}} }

func TestFromConfig(t *testing.T) {
	t.Parallel()
	r, c := record(t)
	dir := t.TempDir()
	p := seed.FromConfig(config.Dev{
		Engines: []config.Engine{
			{Mount: "pg", Type: "database", Config: map[string]any{"max_lease_ttl": "24h"}},
			{Mount: "kv1", Type: "kv", Options: map[string]any{"version": int64(1)}},
			{Mount: "pki", Type: "pki"},
		},
		Policies: []config.Policy{{Name: "app", Text: "path"}},
		AppRoles: []config.AppRole{{Name: "app", RoleID: "web", Policies: []string{"app"}}},
		Roles: []config.Write{
			{Path: "pg/config/app", Data: map[string]any{"password": config.Generate{Length: 3, Alphabet: "hex"}}},
			{Path: "pg/roles/app", Data: map[string]any{"db_name": "app"}},
			{Path: "pg/static-roles/fix", Data: map[string]any{"username": "u"}},
			{Path: "pki/roles/web", Data: map[string]any{"allow_any_name": true}},
		},
		KV: []config.KV{
			{Path: "secret/data/a", Fields: []config.Field{{Name: "here", Value: sh("pwd; echo; echo to you >&2")}, {Name: "n", Value: int64(5)}}},
			{Path: "kv1/b/c", Fields: []config.Field{
				{Name: "pw", Value: config.Generate{Length: 40, Alphabet: "alnum"}},
				{Name: "deep", Value: map[string]any{"list": []any{config.Generate{Length: 4, Alphabet: "base64"}, "kept"}}},
			}},
		},
	}, dir)
	var stderr bytes.Buffer
	result, err := p.Apply(t.Context(), c, seed.Options{Server: "vault", MaxTTL: 30e9, Stderr: &stderr})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"sys/mounts/pg", "sys/mounts/kv1", "sys/mounts/pki", "sys/policies/acl/app", "sys/auth/approle", "auth/approle/role/app", "auth/approle/role/app/role-id",
		"auth/approle/role/app/secret-id", "pg/config/app", "pg/roles/app", "pg/static-roles/fix", "pki/roles/web", "secret/data/a", "kv1/b/c",
		"sys/mounts/pg/tune", "sys/mounts/pki/tune",
	}
	if !slices.Equal(r.said, want) {
		t.Errorf("got:\n%q\nwant:\n%q", r.said, want)
	}
	if got := r.bodies["secret/data/a"][0]["data"]; !reflect.DeepEqual(got, map[string]any{"here": dir + "\n", "n": 5.0}) || stderr.String() != "to you\n" {
		t.Errorf("%v, and to the user %q", got, &stderr)
	}
	if got := r.bodies["sys/mounts/pg/tune"][0]; !reflect.DeepEqual(got, map[string]any{"default_lease_ttl": "30s", "max_lease_ttl": "30s"}) {
		t.Error(got)
	}
	if got := r.bodies["sys/mounts/kv1"][0]["options"]; !reflect.DeepEqual(got, map[string]any{"version": "1"}) {
		t.Error(got)
	}
	if !reflect.DeepEqual(result.AppRoles, []seed.AppRole{{Name: "app", RoleID: "web", SecretID: "s3"}}) {
		t.Error(result.AppRoles)
	}
	if made := []seed.Made{{Path: "pg/config/app", Fields: []string{"password"}}, {Path: "kv1/b/c", Fields: []string{"/deep/list/0", "pw"}}}; !reflect.DeepEqual(result.Made, made) {
		t.Error(result.Made)
	}
	rotations := rotate(t, result)
	if want := []string{"lease pg/creds/app", "static pg/static-creds/fix", "kv kv1/b/c"}; !slices.Equal(rotations, want) {
		t.Errorf("got %q, want %q", rotations, want)
	}
	if got, want := r.said[len(want):], []string{"sys/leases/revoke-prefix/pg/creds/app", "pg/rotate-role/fix", "kv1/b/c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	old, now := r.bodies["kv1/b/c"][0], r.bodies["kv1/b/c"][1]
	if len(fmt.Sprint(old["pw"])) != 40 || old["pw"] == now["pw"] || fmt.Sprint(old["deep"]) == fmt.Sprint(now["deep"]) || !strings.Contains(fmt.Sprint(now["deep"]), " kept]") {
		t.Errorf("not rotated: %v, %v", old, now)
	}
}

func rotate(t *testing.T, result seed.Result) (names []string) {
	t.Helper()
	for _, r := range result.Rotations {
		if err := r.Rotate(t.Context()); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		names = append(names, r.Kind+" "+r.Name)
	}
	return names
}

func needs(t *testing.T, in envsource.Input) []envsource.Need {
	t.Helper()
	p, err := envsource.NewPlan(in)
	if err != nil {
		t.Fatal(err)
	}
	return p.VaultNeeds()
}

var referenced = envsource.Input{
	Inherited: []string{
		"A=vault:secret/data/app#key", "B=vault:secret/app#/tree/leaf", "C=vault:secret/app#key?version=3", "D=${vault:team/x#y}",
		"USER=vault:db/creds/web#username", "PW=${vault:db/creds/web#password | urlencode}",
	},
	Secrets: []envsource.Secret{{Read: envsource.Read{Source: envsource.SourceVault, Path: "secret/all", Method: envsource.MethodRead}}},
}

func TestFromReads(t *testing.T) {
	t.Parallel()
	p, err := seed.FromReads(needs(t, referenced))
	if err != nil {
		t.Fatal(err)
	}
	if p.Fits(seed.Embedded) != nil || p.Fits(seed.Devvault) != nil || p.Fits("vault") == nil {
		t.Errorf("%v, %v, %v", p.Fits(seed.Embedded), p.Fits(seed.Devvault), p.Fits("vault"))
	}
	for _, tt := range []struct {
		server    string
		said      []string
		rotations []string
	}{
		{
			seed.Embedded,
			[]string{"sys/mounts/team", "sys/mounts/db", "db/roles/web", "secret/data/all", "secret/metadata/app", "secret/data/app", "secret/data/app", "secret/data/app", "team/data/x"},
			[]string{"lease db/creds/web", "kv secret/all", "kv secret/app", "kv team/x"},
		},
		{
			seed.Devvault,
			[]string{"sys/mounts/team", "sys/mounts/db", "secret/data/all", "secret/metadata/app", "secret/data/app", "secret/data/app", "secret/data/app", "team/data/x", "db/creds/web"},
			[]string{"kv secret/all", "kv secret/app", "kv team/x", "lease db/creds/web"},
		},
	} {
		r, c := record(t)
		result, err := p.Apply(t.Context(), c, seed.Options{Server: tt.server})
		if err != nil {
			t.Fatal(tt.server, err)
		}
		if !slices.Equal(r.said, tt.said) {
			t.Errorf("%s: got:\n%q\nwant:\n%q", tt.server, r.said, tt.said)
		}
		made := map[string]string{}
		for _, m := range result.Made {
			made[m.Path] = strings.Join(m.Fields, " ")
		}
		if want := map[string]string{"secret/all": "value", "secret/app": "/tree/leaf key", "team/x": "y", "db/creds/web": "password username"}; !maps.Equal(made, want) {
			t.Errorf("%s: made %v", tt.server, made)
		}
		if got := rotate(t, result); !slices.Equal(got, tt.rotations) {
			t.Errorf("%s: got %q, want %q", tt.server, got, tt.rotations)
		}
	}
}

func TestFromReadsSaysAllThatItCannotTell(t *testing.T) {
	t.Parallel()
	in := envsource.Input{Inherited: []string{
		"A=vault:secret#x", "B=vault:aws/sts/x#y", "C=vault:a/b#c?namespace=n", "D=vault:d/creds/x#access_key", "E=vault:e/creds/x#username", "F=vault:e/f#g", "G=vault:g/h#i?version=101",
	}}
	_, err := seed.FromReads(needs(t, in))
	want := `secret: what this is cannot be told from its path: say it under dev in vwrap.yaml (engines, roles)
g/h: version 101: at most 100 versions are made up
aws/sts/x: what this is cannot be told from its path: say it under dev in vwrap.yaml (engines, roles)
d/creds/x: a user of a database has no "access_key": if this is something else, say it under dev in vwrap.yaml (engines, roles)
e/f: e cannot be both database and kv: say under dev in vwrap.yaml what it is
n/a/b: a development Vault has no namespaces`
	if err == nil || !slices.Equal(sorted(err.Error()), sorted(want)) {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func sorted(lines string) []string {
	all := strings.Split(lines, "\n")
	slices.Sort(all)
	return all
}

func TestIssue(t *testing.T) {
	t.Parallel()
	p, err := seed.FromReads([]envsource.Need{{Read: envsource.Read{Source: envsource.SourceVault, Path: "pki/issue/web", Method: envsource.MethodWrite}}})
	if err != nil || p.Fits(seed.Embedded) == nil || p.Fits("bao") != nil {
		t.Fatalf("%v, %v, %v", err, p.Fits(seed.Embedded), p.Fits("bao"))
	}
	r, c := record(t)
	result, err := p.Apply(t.Context(), c, seed.Options{Server: "bao"})
	if want := []string{"sys/mounts/pki", "pki/root/generate/internal", "pki/roles/web"}; err != nil || !slices.Equal(r.said, want) || len(result.Rotations) > 0 {
		t.Errorf("%v, %q, %v", err, r.said, result.Rotations)
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	static, err := seed.FromReads(needs(t, envsource.Input{Inherited: []string{"A=vault:db/static-creds/x#password"}}))
	if err != nil || static.Fits(seed.Embedded) != nil || static.Fits(seed.Devvault) == nil || static.Fits("docker") == nil {
		t.Errorf("%v: %v", err, static.Fits(seed.Devvault))
	}
	p := seed.FromConfig(config.Dev{
		Engines: []config.Engine{{Mount: "db", Type: "database"}, {Mount: "t", Type: "transit"}}, Policies: []config.Policy{{}}, AppRoles: []config.AppRole{{}},
		Roles: []config.Write{{Path: "db/config/app"}},
	}, "")
	want := "t: an engine of type transit%[1]s\npolicies%[1]s\napproles%[1]s\ndb/config/app: a real database%[1]s"
	want = fmt.Sprintf(want, ": the embedded server has none: take --server devvault, vault, bao or docker")
	if err := p.Fits(seed.Embedded); err == nil || err.Error() != want || p.Fits("docker") != nil {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if _, err := p.Apply(context.Background(), nil, seed.Options{Server: seed.Embedded}); err == nil {
		t.Error("applied to a server that cannot take it")
	}
}

func TestNothingIsWrittenWhereACommandFails(t *testing.T) {
	t.Parallel()
	const marker = "s3cr3t-marker"
	kv := func(v any) []config.KV {
		return []config.KV{{Path: "secret/a", Fields: []config.Field{{Name: "f", Value: v}}}}
	}
	for _, tt := range []struct {
		value any
		want  string
	}{
		{sh("echo " + marker + "; exit 3"), "secret/a.f: run sh: exit status 3"},
		{[]any{sh("printf '\\377'")}, "secret/a.f: sh prints what is not UTF-8 text: have it encode that, in base64 say"},
		{map[string]any{"g": sh("yes " + marker)}, "secret/a.f.g: sh prints more than 512 KiB"},
		{config.Command{Args: []string{"vwrap-none-such"}}, `secret/a.f: run vwrap-none-such: exec: "vwrap-none-such": executable file not found in $PATH`},
	} {
		r, c := record(t)
		_, err := seed.FromConfig(config.Dev{KV: kv(tt.value)}, t.TempDir()).Apply(t.Context(), c, seed.Options{})
		if err == nil || err.Error() != tt.want || strings.Contains(err.Error(), marker) || len(r.said) > 0 {
			t.Errorf("got %v, want %s; written: %q", err, tt.want, r.said)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	field := []config.Field{{Name: "f", Value: "v"}}
	for want, d := range map[string]config.Dev{
		"none/a: the server has no KV there: name its mount under dev.engines in vwrap.yaml":        {KV: []config.KV{{Path: "none/a", Fields: field}}},
		"secret/data/a: stands twice under dev.kv: secret/data/NAME is secret/NAME":                 {KV: []config.KV{{Path: "secret/a", Fields: field}, {Path: "secret/data/a", Fields: field}}},
		"secret: the server has an engine there already, of type kv 2: take another name":           {Engines: []config.Engine{{Mount: "secret", Type: "pki"}}},
		"secret: the server has an engine there already, of type kv 2: take another name\x00the v1": {Engines: []config.Engine{{Mount: "secret", Type: "kv", Options: map[string]any{"version": 1}}}},
	} {
		_, c := record(t)
		want, _, _ = strings.Cut(want, "\x00")
		if _, err := seed.FromConfig(d, "").Apply(t.Context(), c, seed.Options{}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWithKV(t *testing.T) {
	t.Parallel()
	first, err := seed.FromReads(needs(t, envsource.Input{Inherited: []string{"A=vault:secret/app#a", "B=vault:secret/app#b"}}))
	if err != nil {
		t.Fatal(err)
	}
	p := first.WithKV("secret/data/app", map[string]any{"a": "given", "c": "more"}).WithKV("secret/other", map[string]any{"d": 1})
	r, c := record(t)
	result, err := p.Apply(t.Context(), c, seed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := r.bodies["secret/data/app"][0]["data"].(map[string]any)
	if got["a"] != "given" || got["c"] != "more" || len(fmt.Sprint(got["b"])) != 32 || len(r.bodies["secret/data/other"]) != 1 {
		t.Errorf("%v", r.bodies)
	}
	if want := []seed.Made{{Path: "secret/app", Fields: []string{"b"}}}; !reflect.DeepEqual(result.Made, want) {
		t.Error(result.Made)
	}
}

func FuzzFromReads(f *testing.F) {
	for _, s := range []string{"secret/data/a", "secret", "x/creds/y", "x/static-creds/y", "pki/issue/z", "/", "a//b", "secret/data/"} {
		f.Add(s, "a/b", "a", 3)
	}
	f.Fuzz(func(t *testing.T, path, pointer, field string, version int) {
		read := func(method string) envsource.Read {
			return envsource.Read{Source: envsource.SourceVault, Path: path, Method: method, Version: version}
		}
		p, err := seed.FromReads([]envsource.Need{
			{Read: read(envsource.MethodRead), Parts: [][]string{strings.Split(pointer, "/"), {field}}},
			{Read: read(envsource.MethodWrite), Whole: true},
		})
		_, _ = p.Fits(seed.Embedded), err
	})
}
