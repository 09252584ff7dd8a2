package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const whole = `
version: 1
vault:
  address: http://127.0.0.1:8200
  namespace: team-a
  auth: {method: approle, role_id: r, secret_id_file: /run/secrets/secret_id, secret_id_wrapped: true, mount: ar, role: dev, jwt_file: /run/jwt, jwt_env: JWT, audience: a, username: u, password_file: /run/p}
  token_ttl: 60s
env:
  LOG_LEVEL: debug
  PORT: 0800
  ON: yes
  API_KEY: vault:secret/dev/api#key
secrets:
  - path: secret/dev/app
    prefix: APP_
  - path: pki/issue/web
    method: write
    data: {common_name: web.local, ttl: 1h, n: 5, list: [a, 1.5, true, null]}
    env: {TLS_CERT: certificate, TLS_KEY: private_key}
    on_rotate: signal
    poll: 10s
fallback: [.env.defaults, /abs/.env]
rotation:
  action: restart
  signal: HUP
  stop_signal: TERM
  stop_grace: 5s
  settle: 1s
  splay: 3s
  order: stop-first
  renew_at: 0.5
  poll: 15s
  on_expiry: stop
  release_after: 1m
  listen: ["tcp 127.0.0.1:3000"]
  ready: {http: "http://127.0.0.1:3000/health", timeout: 10s}
live: false
live_users: [vscode]
dev:
  server: embedded
  image: hashicorp/vault:1.21.1
  engines:
    database: {type: database, config: {max_lease_ttl: 24h}}
    kv1: {type: kv, version: 1}
  policies: {app: "path \"secret/data/dev/*\" {}"}
  approles: {app: {policies: [app], token_ttl: 20m, token_max_ttl: 1h, role_id: web}}
  roles:
    database/roles/app: {db_name: app, list: [1, {command: [sops, -d, x]}]}
    database/config/app: {password: {generate: {length: 16, alphabet: hex}}}
  kv:
    secret/dev/db: {user: app, port: 5432, password: {generate: {}}, nested: {key: {command: [cat, 1]}, generate: 1, command: 2}}
profiles:
  ci: {vault: {address: "https://vault.ci.example"}, rotation: {action: exit}, env: {LOG_LEVEL: info}}
check:
  manifest: ci/required_keys.yaml
  path: secret/dev
  min_ttl: 300s
  address_aliases: [["http://127.0.0.1:8200", "http://vault:8200"]]
`

func TestParse(t *testing.T) {
	c, err := parse([]byte(whole), "vwrap.yaml", "")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Vault: Vault{
			Address: "http://127.0.0.1:8200", Namespace: "team-a", TokenTTL: time.Minute,
			Auth: Auth{Method: "approle", Mount: "ar", RoleID: "r", SecretIDFile: "/run/secrets/secret_id", SecretIDWrapped: true, Role: "dev", JWTFile: "/run/jwt", JWTEnv: "JWT", Audience: "a", Username: "u", PasswordFile: "/run/p"},
		},
		Env: []Entry{{"LOG_LEVEL", "debug", 9}, {"PORT", "0800", 10}, {"ON", "yes", 11}, {"API_KEY", "vault:secret/dev/api#key", 12}},
		Secrets: []Secret{
			{Path: "secret/dev/app", Prefix: "APP_", Method: "read", Line: 14},
			{
				Path: "pki/issue/web", Method: "write", Line: 16, OnRotate: Signal, Poll: 10 * time.Second,
				Data: map[string]any{"common_name": "web.local", "ttl": "1h", "n": int64(5), "list": []any{"a", 1.5, true, nil}},
				Env:  []Binding{{"TLS_CERT", "certificate"}, {"TLS_KEY", "private_key"}},
			},
		},
		Fallback: []string{".env.defaults", "/abs/.env"},
		Rotation: Rotation{
			Action: Restart, ActionSet: true, Signal: "HUP", StopSignal: "TERM", StopGrace: 5 * time.Second, Settle: time.Second,
			Splay: 3 * time.Second, Order: "stop-first", RenewAt: 0.5, Poll: 15 * time.Second, OnExpiry: "stop", ReleaseAfter: time.Minute,
			Listen: []string{"tcp 127.0.0.1:3000"}, Ready: Ready{HTTP: "http://127.0.0.1:3000/health", Timeout: 10 * time.Second},
		},
		Users: []string{"vscode"},
		Dev: Dev{
			Server: "embedded", Image: "hashicorp/vault:1.21.1",
			Engines: []Engine{
				{Mount: "database", Type: "database", Config: map[string]any{"max_lease_ttl": "24h"}},
				{Mount: "kv1", Type: "kv", Options: map[string]any{"version": "1"}},
			},
			Policies: []Policy{{"app", `path "secret/data/dev/*" {}`}},
			AppRoles: []AppRole{{Name: "app", RoleID: "web", Policies: []string{"app"}, TokenTTL: 20 * time.Minute, TokenMaxTTL: time.Hour}},
			Roles: []Write{
				{"database/roles/app", map[string]any{"db_name": "app", "list": []any{int64(1), Command{[]string{"sops", "-d", "x"}}}}},
				{"database/config/app", map[string]any{"password": Generate{16, "hex"}}},
			},
			KV: []KV{{"secret/dev/db", []Field{
				{"user", "app"},
				{"port", int64(5432)},
				{"password", Generate{32, "alnum"}},
				{"nested", map[string]any{"key": Command{[]string{"cat", "1"}}, "generate": int64(1), "command": int64(2)}},
			}}},
		},
		Check: Check{
			Manifest: "ci/required_keys.yaml", Path: "secret/dev", MinTTL: 5 * time.Minute,
			Aliases: [][]string{{"http://127.0.0.1:8200", "http://vault:8200"}},
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got:\n%+v\nwant:\n%+v", c, want)
	}
	if err := Validate(c); err != nil {
		t.Error(err)
	}
}

func TestProfile(t *testing.T) {
	c, err := parse([]byte(whole), "vwrap.yaml", "ci")
	if err != nil {
		t.Fatal(err)
	}
	if c.Vault.Address != "https://vault.ci.example" || c.Vault.Namespace != "team-a" || c.Rotation.Action != Exit || c.Rotation.Poll != 15*time.Second {
		t.Errorf("not merged: %+v %+v", c.Vault, c.Rotation)
	}
	if c.Env[0].Value != "info" || len(c.Env) != 4 {
		t.Errorf("env: %+v", c.Env)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	if err := Validate(Defaults()); err != nil {
		t.Error(err)
	}
	c, err := parse([]byte("version: 1"), "f", "")
	if err != nil || !reflect.DeepEqual(c, Defaults()) {
		t.Errorf("an empty file is not the defaults: %+v, %v", c, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "version: 1\nrotaton: {}", `f:2:1: unknown key "rotaton" in the top level (did you mean "rotation"?)`},
		{"nested", "version: 1\nrotation:\n  setle: 2s", `f:3:3: unknown key "setle" in rotation (did you mean "settle"?)`},
		{"nothing near", "version: 1\ncheck: {zzzzzzzzzz: 1}", `f:2:9: unknown key "zzzzzzzzzz" in check (known: address_aliases, manifest, min_ttl, path)`},
		{"type", "version: 1\nrotation: {settle: [2s]}", `f:2:20: rotation.settle: want a duration such as 2s or 1h30m, got a list`},
		{"unit", "version: 1\nrotation: {settle: 2}", `f:2:20: rotation.settle: want a duration with a unit, such as 2s`},
		{"null", "version: 1\nenv:\n  A:", `f:3:5: env.A: want text, got nothing (write "" for an empty text)`},
		{"list", "version: 1\nenv: {A: [hush]}", `f:2:10: env.A: want text, got a list`},
		{"name", "version: 1\nenv: {\"A=B\": hush}", `f:2:7: "A=B" cannot be a variable's name (empty, or with "=" or NUL in it)`},
		{"twice", "version: 1\nenv: {A: hush}\nenv: {B: hush}", `f:3:1: "env" stands twice in the top level (first in line 2)`},
		{"no version", "env: {}", `f:1:1: version is missing: write: version: 1`},
		{"version 2", "version: 2", `f:1:10: version: this vwrap knows version 1`},
		{"empty", "", `f:1:1: the file is empty: write at least: version: 1`},
		{"two documents", "version: 1\n---\nversion: 1", `f:2:1: a second document: one file, one document`},
		{"no mapping", "- a", `f:1:1: want a mapping (version: 1, …), got a list`},
		{"secret_id", "version: 1\nvault: {auth: {secret_id: hush}}", `f:2:27: vault.auth.secret_id would be a credential on disk: use secret_id_file or VAULT_SECRET_ID`},
		{"token", "version: 1\nvault: {token: hush}", `f:2:16: vault.token would be a credential on disk: use VAULT_TOKEN or a token file`},
		{"profile", "version: 1\nprofiles: {ci: {rotaton: {}}}", `f:2:17: unknown key "rotaton" in profile ci (did you mean "rotation"?)`},
		{"profile of nothing", "version: 1\nprofiles: {ci: }", `f:2:16: profile ci: want a mapping, got nothing (write "" for an empty text)`},
		{"tag", "version: 1\nenv: {A: !hush }", `f:2:10: env.A: want text, got a YAML tag (put a text that begins with ! in quotes)`},
		{"tag of YAML", "version: 1\nenv: {A: !!binary aHVzaA==}", `f:2:10: env.A: want text, got a YAML tag (put a text that begins with ! in quotes)`},
		{"tag in data", "version: 1\nsecrets: [{path: p, method: write, data: {a: !hush }}]", `f:2:46: data: want a plain value, got a YAML tag (put a text that begins with ! in quotes)`},
		{"no anchor", "version: 1\nenv: {A: *hush}", `f:1:1: not YAML: an alias (*name) without its anchor: put a text that begins with * in quotes`},
		{"merge key", "version: 1\nenv:\n  <<: {A: hush}", `f:3:3: env: a key has to be plain text: neither an alias nor << nor a list`},
		{"key by alias", "version: 1\nenv:\n  A: &a hush\n  *a : b", `f:4:3: env: a key has to be plain text: neither an alias nor << nor a list`},
		{"broken second document", "version: 1\n---\n{", `f:3:1: not YAML: did not find expected node content`},
		{"nan", "version: 1\nrotation: {renew_at: nan}", `f:2:22: rotation.renew_at: want a number, got text`},
		{"deep data", "version: 1\nsecrets: [{path: p, method: write, data: {a: " + strings.Repeat("[", 21) + strings.Repeat("]", 21) + "}}]", `f:2:66: data: nested more than 20 deep`},
		{"unknown key of dev", "version: 1\ndev: {engine: {}}", `f:2:7: unknown key "engine" in dev (did you mean "engines"?)`},
		{"unknown server", "version: 1\ndev: {server: consul}", `f:2:15: dev.server: "consul" is unknown (want auto, embedded, devvault, vault, bao or docker)`},
		{"engine without a type", "version: 1\ndev: {engines: {pki: {}}}", `f:2:17: dev.engines.pki: type is missing`},
		{"version twice", "version: 1\ndev: {engines: {a: {type: kv, version: 1, options: {version: 2}}}}", `f:2:17: dev.engines.a: version is short for options: take one of them`},
		{"version 3", "version: 1\ndev: {engines: {a: {type: kv, version: 3}}}", `f:2:40: dev.engines.a.version: want 1 or 2`},
		{"policy", "version: 1\ndev: {policies: {app: {}}}", `f:2:23: dev.policies.app: want text, got a mapping`},
		{"approle", "version: 1\ndev: {approles: {app: {token_tll: 1h}}}", `f:2:24: unknown key "token_tll" in dev.approles.app (did you mean "token_ttl"?)`},
		{"length", "version: 1\ndev: {kv: {a/b: {c: {generate: {length: 4097}}}}}", `f:2:41: dev.kv.a/b.c.generate.length: want a number from 1 to 4096`},
		{"length in words", "version: 1\ndev: {kv: {a/b: {c: {generate: {length: hush}}}}}", `f:2:41: dev.kv.a/b.c.generate.length: want a number from 1 to 4096`},
		{"alphabet", "version: 1\ndev: {kv: {a/b: {c: {generate: {alphabet: abc}}}}}", `f:2:43: dev.kv.a/b.c.generate.alphabet: "abc" is unknown (want alnum, hex or base64)`},
		{"generate nothing", "version: 1\ndev: {kv: {a/b: {c: {generate: }}}}", `f:2:32: dev.kv.a/b.c.generate: want a mapping, got nothing (write "" for an empty text)`},
		{"command in a text", "version: 1\ndev: {kv: {a/b: {c: {command: sops -d hush}}}}", `f:2:31: dev.kv.a/b.c.command: want a list, got text`},
		{"no command", "version: 1\ndev: {roles: {a/b: {c: [{command: []}]}}}", `f:2:35: dev.roles.a/b.c.command: want a program, and then its arguments`},
		{"command of lists", "version: 1\ndev: {kv: {a/b: {c: {command: [a, [hush]]}}}}", `f:2:35: dev.kv.a/b.c.command: want text, got a list`},
		{"a secret that is generated", "version: 1\ndev: {kv: {a/b: {generate: {}}}}", `f:2:17: dev.kv.a/b: a secret has fields: write generate under one`},
		{"a secret without fields", "version: 1\ndev: {kv: {a/b: {}}}", `f:2:17: dev.kv.a/b: want a field at least`},
		{"a path with a field", "version: 1\ndev: {kv: {a/b#c: {d: e}}}", `f:2:12: "a/b#c" cannot be a path: it is empty, or has a space, #, ?, a / at an end or two of them in it`},
		{"deep value", "version: 1\ndev: {kv: {a/b: {c: " + strings.Repeat("[", 22) + strings.Repeat("]", 22) + "}}}", `f:2:42: dev.kv.a/b.c: nested more than 20 deep`},
		{"several", "version: 1\nlive: 3\nx: 1", "f:2:7: live: want true or false, got a number\nf:3:1: unknown key \"x\" in the top level (known: check, dev, env, fallback, live, live_users, profiles, rotation, secrets, vault, version)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse([]byte(tt.text), "f", "")
			if err == nil || err.Error() != tt.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
		})
	}
	if _, err := parse([]byte(whole), "f", "prod"); err == nil || err.Error() != `f:2:1: there is no profile "prod" (there is: ci)` {
		t.Errorf("unknown profile: %v", err)
	}
}

// YAML has three ways to write a bool, and a file that says one may not mean the other.
func TestBools(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false} {
		c, err := parse([]byte("version: 1\nlive: "+text+"\nsecrets: [{path: p, method: write, data: {a: "+text+"}}]"), "f", "")
		if err != nil || c.Live != want || c.Secrets[0].Data["a"] != want {
			t.Errorf("%s: %v, %v, %v", text, c.Live, c.Secrets, err)
		}
	}
	for _, text := range []string{"yes", "on", "1", `"true"`, "!!bool yes"} {
		if _, err := parse([]byte("version: 1\nlive: "+text), "f", ""); err == nil {
			t.Errorf("%s passes for a bool", text)
		}
	}
}

// A file of at most 1 MiB is read or refused at once, whatever it holds.
func TestSmallFilesCannotTakeLong(t *testing.T) {
	const start = "version: 1\nprofiles: {ci: {}}\n"
	many := func(n int, item string) string { return strings.Repeat(item, n) }
	var names strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&names, "a%d:,", i)
	}
	nulls := names.String()
	keys := ""
	for i := range 12 {
		keys += fmt.Sprintf("k%d: *v,", i)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"problems", start + "env: {" + nulls + "}", "and more: only the first 100 problems are shown"},
		{"merged aliases", "version: 1\ndev: &v {" + keys + "}\nprofiles: {ci: {dev: *v}}", "too large: more than 200000 values, aliases followed"},
		{"listed aliases", start + "check: {address_aliases: [&a [" + many(100_000, "x,") + "]," + many(100_000, "*a,") + "]}", "too large: more than"},
		{"aliased secrets", start + "secrets: [&s {path: p, data: {" + strings.ReplaceAll(nulls, ":,", ": 1,") + "}}," + many(10_000, "*s,") + "]", "too large: more than"},
		{"depth", many(500_000, "["), "not YAML: exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			_, err := parse([]byte(tt.text), "f", "ci")
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got %.300v", tt.want, err)
			}
		})
	}
}

func TestNoErrorQuotesAValue(t *testing.T) {
	const marker = "s3cr3t-marker"
	for _, text := range []string{
		"version: 1\nenv: {A: [" + marker + "]}", "version: 1\nenv:\n  A: \"" + marker, "version: 1\nrotation: {settle: " + marker + "}",
		"version: 1\nvault: {auth: {secret_id: " + marker + "}}", "version: 1\nsecrets: [{path: p, data: " + marker + "}]",
		"version: 1\nrotation: {renew_at: " + marker + "}", marker, "version: 1\nenv: {A: *" + marker + "}", "a: b: " + marker,
		"version: 1\nenv: {A: !" + marker + " }", "version: 1\nenv: {A: !!" + marker + " x}", "version: 1\nenv: {A: \"\\q" + marker + "\"}",
		"version: 1\n---\nA: *" + marker, "version: 1\nenv: {A: %" + marker, "version: 1\nenv: {A: !<" + marker, "version: 1\nenv: {A: !x!" + marker + " }",
	} {
		if _, err := parse([]byte(text), "f", ""); err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAliasesAreFollowedAndBounded(t *testing.T) {
	c, err := parse([]byte("version: 1\nfallback: &f [a]\nlive_users: *f"), "f", "")
	if err != nil || !slices.Equal(c.Users, []string{"a"}) {
		t.Errorf("%v, %v", c.Users, err)
	}
	bomb := "version: 1\nsecrets:\n- path: p\n  method: write\n  data:\n    a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for i := range 8 {
		name := string(rune('a' + i))
		bomb += "    " + string(rune('b'+i)) + ": &" + string(rune('b'+i)) + " [" + strings.Repeat("*"+name+",", 9) + "*" + name + "]\n"
	}
	if _, err := parse([]byte(bomb), "f", ""); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a bomb of aliases: %v", err)
	}
}

func TestValidate(t *testing.T) {
	c := Defaults()
	c.Rotation.Action, c.Rotation.RenewAt, c.Rotation.Settle, c.Rotation.Poll = "explode", 1, -time.Second, time.Millisecond
	c.Rotation.Ready.Delay, c.Check.MinTTL = -1, -1
	want := `rotation.action: "explode" is unknown (want restart, signal, overlap, none or exit)
rotation.renew_at: 1 is not between 0 and 1
rotation.poll: 1ms is under 1s
rotation.settle: -1s is negative
rotation.ready.delay: -1ns is negative
check.min_ttl: -1ns is negative`
	if err := Validate(c); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestValidateRenewAt(t *testing.T) {
	for at, good := range map[float64]bool{0: false, 0.01: true, 0.99: true, 1: false, -1: false, math.NaN(): false, math.Inf(1): false} {
		c := Defaults()
		c.Rotation.RenewAt = at
		if err := Validate(c); (err == nil) != good {
			t.Errorf("%v: %v", at, err)
		}
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	home := filepath.Join(root, "home")
	deep := filepath.Join(home, "repo", "sub", "deep")
	for _, dir := range []string{deep, filepath.Join(home, "repo", ".git"), filepath.Join(home, "loose"), filepath.Join(root, "else", "where")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(dir string) string {
		t.Helper()
		file := filepath.Join(dir, Name)
		if err := os.WriteFile(file, []byte("version: 1"), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	above := put(root)
	if got := Find(deep, home); got != "" {
		t.Errorf("found %s above the repository", got)
	}
	inHome := put(home)
	if got := Find(deep, home); got != "" {
		t.Errorf("found %s above the repository", got)
	}
	for _, h := range []string{home, home + "/"} {
		if got := Find(filepath.Join(home, "loose"), h); got != inHome {
			t.Errorf("got %q, want the one in the home folder %s", got, h)
		}
	}
	inRepo := put(filepath.Join(home, "repo"))
	if got := Find(deep, home); got != inRepo {
		t.Errorf("got %q, want the repository's", got)
	}
	if near := put(filepath.Join(home, "repo", "sub")); Find(deep, home) != near {
		t.Error("the nearest one is not taken")
	}
	if got := Find(filepath.Join(root, "else", "where"), home); got != "" {
		t.Errorf("found %s outside of home and of any repository", got)
	}
	if got := Find(root, home); got != above {
		t.Errorf("got %q, want the one in the folder itself", got)
	}
}

func TestLoadMakesPathsAbsolute(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, Name)
	text := "version: 1\nfallback: [.env]\nvault: {auth: {secret_id_file: id}}"
	if err := os.WriteFile(file, []byte("\ufeff"+strings.ReplaceAll(text, "\n", "\r\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, "")
	if err != nil || c.File != file || c.Fallback[0] != filepath.Join(dir, ".env") || c.Vault.Auth.SecretIDFile != filepath.Join(dir, "id") {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml"), ""); err == nil || !strings.HasSuffix(err.Error(), "none.yaml: no such file") {
		t.Error(err)
	}
	if _, err := Load("", "ci"); err == nil {
		t.Error("a profile without a file is no error")
	}
}

// schema is as much of JSON Schema as vwrap.schema.json uses.
type schema struct {
	Properties map[string]schema `json:"properties"`
	More       json.RawMessage   `json:"additionalProperties"`
	Items      *schema           `json:"items"`
	Enum       []any             `json:"enum"`
	Ref        string            `json:"$ref"`
}

// The schema that editors use and the decoder know the same keys, both ways.
func TestSchemaAndDecoderAgree(t *testing.T) {
	text, err := os.ReadFile("../../vwrap.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	d, c := &decoder{}, Defaults()
	top := topFields(d, &c)
	top["version"], top["profiles"] = nil, nil
	vault, auth := vaultFields(d, &c.Vault), authFields(d, &c.Vault.Auth)
	delete(vault, "token") // refused by name: an editor need not know
	for _, refused := range []string{"secret_id", "password", "jwt"} {
		delete(auth, refused)
	}
	rotation := s.Properties["rotation"]
	var profile schema
	if err := json.Unmarshal(s.Properties["profiles"].More, &profile); err != nil {
		t.Fatal(err)
	}
	dev := s.Properties["dev"]
	for _, part := range []struct {
		name   string
		known  fields
		schema schema
	}{
		{"the top level", top, s},
		{"vault", vault, s.Properties["vault"]},
		{"vault.auth", auth, s.Properties["vault"].Properties["auth"]},
		{"rotation", rotationFields(d, &c.Rotation), rotation},
		{"rotation.ready", readyFields(d, &c.Rotation.Ready), rotation.Properties["ready"]},
		{"check", checkFields(d, &c.Check), s.Properties["check"]},
		{"secrets", secretFields(d, &Secret{}), *s.Properties["secrets"].Items},
		{"a profile", topFields(d, &c), profile},
		{"dev", devFields(d, &c.Dev), dev},
		{"dev.engines", engineFields(d, &Engine{}, ""), each(t, dev.Properties["engines"])},
		{"dev.approles", appRoleFields(d, &AppRole{}, ""), each(t, dev.Properties["approles"])},
	} {
		knows := slices.Sorted(maps.Keys(part.known))
		has := slices.Sorted(maps.Keys(part.schema.Properties))
		if !slices.Equal(knows, has) {
			t.Errorf("%s: the decoder knows %v, the schema has %v", part.name, knows, has)
		}
		if string(part.schema.More) != "false" {
			t.Errorf("%s: the schema lets unknown keys pass", part.name)
		}
	}
	for key, name := range profile.Properties { // a profile's keys are the top level's
		if name.Ref != "#/properties/"+key {
			t.Errorf("a profile's %s is %s", key, name.Ref)
		}
	}
	secret := s.Properties["secrets"].Items.Properties
	for _, tt := range []struct {
		key    string
		schema schema
		want   []string
	}{
		{"rotation.action", rotation.Properties["action"], actions},
		{"rotation.order", rotation.Properties["order"], orders},
		{"rotation.on_expiry", rotation.Properties["on_expiry"], expiries},
		{"vault.auth.method", s.Properties["vault"].Properties["auth"].Properties["method"], methods},
		{"dev.server", dev.Properties["server"], devServers},
		{"secrets.method", secret["method"], secretMethods},
		{"secrets.on_rotate", secret["on_rotate"], actions},
	} {
		if got := texts(tt.schema.Enum); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the schema allows %v, Validate %v", tt.key, got, tt.want)
		}
	}
}

// each is the schema of what stands under each key of s.
func each(t *testing.T, s schema) (item schema) {
	t.Helper()
	if err := json.Unmarshal(s.More, &item); err != nil {
		t.Fatal(err)
	}
	return item
}

func texts(all []any) (out []string) {
	for _, v := range all {
		s, _ := v.(string)
		out = append(out, s)
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{whole, "version: 1", "", "a: &a [*a]", "version: 1\nprofiles: {x: &x {vault: *x}}", "{", "version: 1\nenv: {<<: *b}", "version: 1\nenv: {A: !b}", "version: 1\n---\n{"} {
		f.Add([]byte(seed), "ci")
	}
	f.Fuzz(func(_ *testing.T, text []byte, profile string) {
		if c, err := parse(text, "f", profile); err == nil {
			_ = Validate(c)
		}
	})
}
