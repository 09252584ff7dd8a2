package seed_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/devserver"
	"github.com/vwrap/vwrap/internal/devserver/admin"
	"github.com/vwrap/vwrap/internal/devserver/seed"
)

func embedded(t *testing.T) *admin.Client {
	server := httptest.NewServer(devserver.New("root"))
	t.Cleanup(server.Close)
	c := admin.New(server.URL, "root")
	t.Cleanup(c.Close)
	return c
}

func read(t *testing.T, c *admin.Client, path string) admin.Secret {
	t.Helper()
	s, err := c.Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// All that is referenced is there, and all of it changes when it is rotated, but for a fixed version.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	in := envsource.Input{Inherited: append([]string{"S=vault:db/static-creds/fix#password"}, referenced.Inherited...), Secrets: referenced.Secrets}
	p, err := seed.FromReads(needs(t, in))
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.Apply(t.Context(), c, seed.Options{Server: seed.Embedded, TTL: 10 * time.Second, MaxTTL: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	field := func(path, name string) string {
		data := read(t, c, path).Data
		if inner, ok := data["data"].(map[string]any); ok {
			data = inner
		}
		return fmt.Sprint(data[name])
	}
	paths := map[string]string{"secret/data/all": "value", "secret/data/app": "key", "team/data/x": "y", "db/creds/web": "password", "db/static-creds/fix": "password"}
	before := map[string]string{}
	for path, name := range paths {
		if before[path] = field(path, name); len(before[path]) < 8 {
			t.Errorf("%s has no %s", path, name)
		}
	}
	lease, fixed := read(t, c, "db/creds/web").LeaseID, field("secret/data/app?version=3", "key")
	if lease == "" {
		t.Fatal("no lease")
	}
	if about, err := c.Write(t.Context(), "sys/leases/lookup", map[string]any{"lease_id": lease}); err != nil || about.Data["ttl"].(float64) > 10 {
		t.Errorf("the lease is longer than asked: %v, %v", about.Data, err)
	}
	for range 12 {
		rotate(t, result)
	}
	for path, name := range paths {
		if field(path, name) == before[path] {
			t.Errorf("%s is not rotated", path)
		}
	}
	if _, err := c.Write(t.Context(), "sys/leases/lookup", map[string]any{"lease_id": lease}); err == nil {
		t.Error("the old lease is not revoked")
	}
	if field("secret/data/app?version=3", "key") != fixed {
		t.Error("a fixed version changed")
	}
}

func TestEmbeddedFromConfig(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	secret := []config.Field{{Name: "n", Value: int64(5432)}, {Name: "pw", Value: config.Generate{Length: 8, Alphabet: "hex"}}}
	p := seed.FromConfig(config.Dev{
		Engines: []config.Engine{
			{Mount: "pg", Type: "database", Config: map[string]any{"max_lease_ttl": "1h"}},
			{Mount: "a/one", Type: "kv"},
			{Mount: "two", Type: "kv", Options: map[string]any{"version": int64(2)}},
			{Mount: "secret", Type: "kv"},
		},
		Roles: []config.Write{{Path: "pg/roles/app", Data: map[string]any{"db_name": "x", "default_ttl": "1m"}}},
		KV:    []config.KV{{Path: "a/one/x", Fields: secret}, {Path: "two/x", Fields: secret}, {Path: "secret/data/x", Fields: secret}},
	}, "")
	result, err := p.Apply(t.Context(), c, seed.Options{Server: seed.Embedded, MaxTTL: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if data := read(t, c, "a/one/x").Data; fmt.Sprint(data["n"]) != "5432" || len(fmt.Sprint(data["pw"])) != 16 {
		t.Error(data)
	}
	rotate(t, result)
	for _, path := range []string{"two/metadata/x", "secret/metadata/x"} {
		if got := fmt.Sprint(read(t, c, path).Data["current_version"]); got != "2" {
			t.Errorf("%s: version %s", path, got)
		}
	}
	lease := read(t, c, "pg/creds/app").LeaseID
	about, err := c.Write(t.Context(), "sys/leases/lookup", map[string]any{"lease_id": lease})
	if ttl, _ := about.Data["ttl"].(float64); err != nil || ttl > 30 {
		t.Errorf("a lease of %v s in a drill of 30 s: %v", ttl, err)
	}
}
