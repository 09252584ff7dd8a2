package starter

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/check/address"
	"github.com/vwrap/vwrap/internal/config"
)

// project makes a folder shop with files, and looks at it.
func project(t testing.TB, files map[string]string) Project {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "Shop")
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return look(t, dir)
}

func look(t testing.TB, dir string) Project {
	t.Helper()
	p, err := Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// planned is the plan, and the files of it by their paths.
func planned(t testing.TB, p Project, o Options) (Plan, map[string]string) {
	t.Helper()
	plan, err := p.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range plan.Files {
		files[f.Path] = string(f.New)
	}
	return plan, files
}

func untracked(string) bool { return false }

// What is written is read by vwrap as it was meant; and it has no value.
func TestConfig(t *testing.T) {
	t.Parallel()
	p := project(t, map[string]string{
		".env":         "DB_PASSWORD=tiger-1\nPORT=3000\nexport API_KEY='k #1'\nEMPTY_SECRET=\nOLD=vault:secret/other#old\nVAULT_ADDR=https://vault.example:8200\nVAULT_TOKEN=hvs.tiger\nVAULT_SKIP_VERIFY=1\n",
		".env.example": "DB_PASSWORD=\nSMTP_PASSWORD=\nno.name=\n",
		"package.json": `{"packageManager": "pnpm@9.0.0", "scripts": {"dev": "vite", "start": "node ."}}`,
	})
	plan, files := planned(t, p, Options{Tracked: func(file string) bool { return file == ".env" }})
	for path, text := range files {
		if strings.Contains(text, "tiger") || strings.Contains(text, "k #1") {
			t.Errorf("%s has a value:\n%s", path, text)
		}
	}
	if err := plan.Files[0].Write(p.Dir); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(filepath.Join(p.Dir, config.Name), "")
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, e := range c.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	if want := []string{"DB_PASSWORD=vault:secret/dev/shop#DB_PASSWORD", "API_KEY=vault:secret/dev/shop#API_KEY", "OLD=vault:secret/other#old", "SMTP_PASSWORD=vault:secret/dev/shop#SMTP_PASSWORD"}; !slices.Equal(env, want) {
		t.Errorf("env is %q, want %q", env, want)
	}
	if c.Vault.Address != "https://vault.example:8200" {
		t.Errorf("the address is %q", c.Vault.Address)
	}
	if want := ".env\n.env.local\n.env.*.local\n.vault-token\n*.before-vwrap\n"; files[".gitignore"] != want {
		t.Errorf(".gitignore is %q", files[".gitignore"])
	}
	holds(t, plan.Notes, "no.name", "VAULT_TOKEN", "git rm --cached .env")
	holds(t, plan.Next, "vwrap dev --from-env .env --path secret/dev/shop -- pnpm start", "vwrap trust", "vwrap -- pnpm start")
}

func holds(t *testing.T, lines []string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("%q is not said in %q", want, lines)
		}
	}
}

// Who knows better than the guess says what is a secret.
func TestChosenSecrets(t *testing.T) {
	t.Parallel()
	p := project(t, map[string]string{".env": "DB_PASSWORD=a\nPIN=1234\n"})
	_, files := planned(t, p, Options{Secrets: []string{"PIN", "NEW"}, Path: "kv/team/app"})
	for name, want := range map[string]bool{"PIN: \"vault:kv/team/app#PIN\"": true, "NEW: \"vault:kv/team/app#NEW\"": true, "DB_PASSWORD": false} {
		if strings.Contains(files[config.Name], name) != want {
			t.Errorf("%s: want it to be there: %v\n%s", name, want, files[config.Name])
		}
	}
	for _, bad := range []Options{{Path: "secret"}, {Path: "a/b#c"}, {Path: "a/$(b)"}, {Address: "vault:8200"}, {Secrets: []string{"A=B"}}, {Secrets: []string{"VAULT_TOKEN"}}, {Compose: true}} {
		if _, err := p.Plan(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if _, err := p.Plan(Options{Address: "https://app:tiger@vault.example"}); err == nil || strings.Contains(err.Error(), "tiger") {
		t.Errorf("an address with a password: %v", err)
	}
}

// Values that stay in files are told, and those that env_file hands to containers become references there.
func TestLeftInClear(t *testing.T) {
	t.Parallel()
	p := project(t, map[string]string{
		".env":         "DB_PASSWORD=a\n",
		"app.vars":     "API_KEY=b\nLOG=debug\n",
		"compose.yaml": "services:\n  web:\n    build: .\n    command: [web]\n    env_file: [.env, {path: app.vars}, missing.vars, ../outside]\n    environment: {DB_PASSWORD: \"${DB_PASSWORD}\"}\n",
	})
	plan, _ := planned(t, p, Options{})
	holds(t, plan.Next, ".env, app.vars has them in clear still, and docker inspect what env_file hands to containers")
	plan, files := planned(t, p, Options{Compose: true})
	holds(t, plan.Next, ".env, app.vars has them in clear still: take them out")
	holds(t, plan.Notes, "app.vars has the value of API_KEY")
	holds(t, []string{files[composePiece]}, `API_KEY: "vault:secret/dev/shop#API_KEY"`, `DB_PASSWORD: "vault:secret/dev/shop#DB_PASSWORD"`)
	if strings.Contains(files[composePiece], "LOG") {
		t.Errorf("%s has what is no secret:\n%s", composePiece, files[composePiece])
	}
	plan, _ = planned(t, project(t, map[string]string{".env": "DB_PASSWORD=vault:secret/a#b\n"}), Options{})
	if strings.Contains(strings.Join(plan.Next, "\n"), "in clear") {
		t.Errorf("references are taken for values: %q", plan.Next)
	}
}

// What is written is no drift to vwrap check address.
func TestNoDrift(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"nothing":   {},
		"there":     {"vwrap.yaml": "version: 1\nvault: {address: http://127.0.0.1:8299}\n", ".env": "A=b\n"},
		"dotenv":    {".env": "DB_PASSWORD=a\nVAULT_ADDR=http://localhost:8300\n"},
		"composed":  {"compose.yaml": composeText, ".devcontainer/devcontainer.json": `{"dockerComposeFile": "../compose.yaml", "remoteEnv": {"STRIPE_KEY": "x"}}`},
		"container": {".devcontainer.json": `{"image": "debian:bookworm", /* ours */ "containerEnv": {"PGPASS": "y"},}`, "package.json": `{"scripts": {"start": "node x"}}`},
	} {
		p := project(t, files)
		plan, err := p.Plan(Options{Compose: p.Compose() != "", Devcontainer: true, Direnv: true, Tracked: untracked})
		if err != nil {
			t.Fatal(name, err)
		}
		for _, f := range plan.Files {
			if err := f.Write(p.Dir); err != nil {
				t.Fatal(name, err)
			}
		}
		if r, err := address.Check(t.Context(), p.Dir, address.Options{Aliases: aliasesOf(t, p.Dir)}); err != nil || len(r.Findings) > 0 {
			t.Errorf("%s: %v %+v", name, err, r.Findings)
		}
	}
}

func aliasesOf(t *testing.T, dir string) [][]string {
	t.Helper()
	c, err := config.Load(filepath.Join(dir, config.Name), "")
	if err != nil {
		t.Fatal(err)
	}
	return c.Check.Aliases
}

const composeText = `
services:
  vault: {image: "hashicorp/vault:1.21", ports: ["127.0.0.1:8201:8200"]}
  db: {image: postgres:16, environment: {POSTGRES_PASSWORD: tiger}}
  web:
    build: .
    environment:
      - API_KEY=clear-1
      - FROM_OUTSIDE_TOKEN=${TOKEN}
      - LOG=debug
  worker: {image: shop/worker, command: ["node", "w.js", "--n=1", "a: b", "yes"]}
  cron: {image: shop/cron, command: "node cron.js --every '5 m'", environment: {OLD: "vault:secret/other#old"}}
  done: {image: shop/done, command: [vwrap, --, node]}
`

func TestCompose(t *testing.T) {
	t.Parallel()
	p := project(t, map[string]string{"docker-compose.yml": composeText, "package.json": `{"scripts": {"start": "node ."}}`})
	plan, files := planned(t, p, Options{Compose: true})
	var got struct {
		Services map[string]struct {
			Command     any
			Environment map[string]string
		}
	}
	if err := yaml.Unmarshal([]byte(files[composePiece]), &got); err != nil {
		t.Fatalf("%v\n%s", err, files[composePiece])
	}
	if len(got.Services) != 3 {
		t.Errorf("want web, worker and cron to be wrapped:\n%s", files[composePiece])
	}
	for name, want := range map[string]any{
		"web": []any{"vwrap", "--", "npm", "start"}, "worker": []any{"vwrap", "--", "node", "w.js", "--n=1", "a: b", "yes"}, "cron": "vwrap -- node cron.js --every '5 m'",
	} {
		if command := got.Services[name].Command; !equal(command, want) {
			t.Errorf("%s runs %q, want %q", name, command, want)
		}
	}
	env := got.Services["web"].Environment
	if env["API_KEY"] != "vault:secret/dev/shop#API_KEY" || env["VAULT_ADDR"] != "http://vault:8200" || env["FROM_OUTSIDE_TOKEN"] != "vault:secret/dev/shop#FROM_OUTSIDE_TOKEN" || got.Services["cron"].Environment["OLD"] != "vault:secret/other#old" {
		t.Errorf("the environments are %q", got.Services)
	}
	holds(t, plan.Notes, "has the value of API_KEY", "service done is left as it is")
	if notes := strings.Join(plan.Notes, "\n"); strings.Contains(notes, "clear-1") || strings.Contains(notes, "the value of FROM_OUTSIDE") {
		t.Errorf("notes: %s", notes)
	}
	if !strings.Contains(files[config.Name], "address: http://127.0.0.1:8201\n") || strings.Contains(files[config.Name], "POSTGRES") {
		t.Errorf("vwrap.yaml:\n%s", files[config.Name])
	}
}

func equal(a, b any) bool {
	x, errX := yaml.Marshal(a)
	y, errY := yaml.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// A dev container keeps its comments and its manner; what it had in clear is kept aside, and not shown.
func TestDevcontainer(t *testing.T) {
	t.Parallel()
	const before = `// ours
{
	"image": "debian:bookworm", // small
	"remoteEnv": {
		"DB_PASSWORD": "tiger",
		"HOST_TOKEN": "${localEnv:TOKEN}",
		"PLAIN": "lion" // stays
	},
	"runArgs": ["-e", "X=bear"],
	"mounts": [
		"source=/a,target=/run/secrets/vault-token,type=bind"
	], // two
}
`
	const after = `// ours
{
	"image": "debian:bookworm", // small
	"remoteEnv": {
		"DB_PASSWORD": "vault:secret/dev/shop#DB_PASSWORD",
		"HOST_TOKEN": "vault:secret/dev/shop#HOST_TOKEN",
		"PLAIN": "lion" // stays
	},
	"runArgs": ["-e", "X=bear", "--add-host=host.docker.internal:host-gateway"],
	"mounts": [
		"source=/a,target=/run/secrets/vault-token,type=bind",
		"source=${localEnv:VWRAP:/usr/local/bin/vwrap},target=/usr/local/bin/vwrap,type=bind,readonly"
	], // two
	"containerEnv": {
		"VAULT_ADDR": "http://host.docker.internal:8200",
		"VAULT_TOKEN_FILE": "/run/secrets/vault-token"
	},
	"postAttachCommand": "vwrap doctor",
}
`
	p := project(t, map[string]string{".devcontainer/devcontainer.json": before})
	plan, files := planned(t, p, Options{Devcontainer: true})
	if got := files[devcontainerFiles[0]]; got != after {
		t.Errorf("got\n%s\nwant\n%s", got, after)
	}
	for _, f := range plan.Files {
		for _, value := range []string{"tiger", "lion", "bear"} {
			if strings.Contains(f.Diff(), value) {
				t.Errorf("the diff shows %q:\n%s", value, f.Diff())
			}
		}
		if err := f.Write(p.Dir); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(filepath.Join(p.Dir, devcontainerFiles[0]+".before-vwrap"))
	if err != nil || string(kept) != before {
		t.Errorf("kept is %q, %v", kept, err)
	}
	if again, _ := planned(t, look(t, p.Dir), Options{Devcontainer: true}); len(again.Files) != 0 {
		t.Errorf("a second time changes %v", again.Files)
	}
}

// Where nothing is described, a dev container is.
func TestNewDevcontainer(t *testing.T) {
	t.Parallel()
	p := project(t, nil)
	plan, files := planned(t, p, Options{Devcontainer: true})
	for _, f := range plan.Files {
		if err := f.Write(p.Dir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.Load(filepath.Join(p.Dir, config.Name), ""); err != nil {
		t.Errorf("a vwrap.yaml without secrets: %v", err)
	}
	if at := look(t, p.Dir).Address(); at != DefaultAddress {
		t.Errorf("what a container calls this machine is taken for an address of it: %s", at)
	}
	if got := files[devcontainerFiles[0]]; !strings.Contains(got, "\n  \"image\": ") || !strings.HasSuffix(got, "\n}\n") {
		t.Errorf("got\n%s", got)
	}
	_, files = planned(t, project(t, map[string]string{"compose.yaml": composeText}), Options{Devcontainer: true, Compose: true})
	if got := files[devcontainerFiles[0]]; !strings.Contains(got, "\n    \"../compose.vwrap.yaml\"\n  ],") || !strings.Contains(got, `"VAULT_ADDR": "http://vault:8200"`) {
		t.Errorf("got\n%s", got)
	}
}

// Lines are added once, in the manner of the file, and none of the others is shown.
func TestLines(t *testing.T) {
	t.Parallel()
	p := project(t, map[string]string{".envrc": "export X=tiger", ".gitignore": "node_modules\r\n/.env\r\n.vault-token\r\n"})
	plan, files := planned(t, p, Options{Direnv: true, Tracked: untracked})
	if files[".envrc"] != "export X=tiger\nuse vwrap\n" {
		t.Errorf(".envrc is %q", files[".envrc"])
	}
	if want := "node_modules\r\n/.env\r\n.vault-token\r\n.env.local\r\n.env.*.local\r\n*.before-vwrap\r\n"; files[".gitignore"] != want {
		t.Errorf(".gitignore is %q", files[".gitignore"])
	}
	for _, f := range plan.Files {
		if strings.Contains(f.Diff(), "tiger") {
			t.Errorf("the diff shows a line that stays:\n%s", f.Diff())
		}
		if err := f.Write(p.Dir); err != nil {
			t.Fatal(err)
		}
	}
	if again, _ := planned(t, look(t, p.Dir), Options{Direnv: true, Tracked: untracked}); len(again.Files) != 0 {
		t.Errorf("a second time changes %v", again.Files)
	}
}

// A vwrap.yaml that is there is somebody's work.
func TestThere(t *testing.T) {
	t.Parallel()
	p := project(t, map[string]string{config.Name: "version: 1\nenv:\n  A_KEY: vault:secret/x#a\n", ".env": "A_KEY=1\nB_KEY=2\n", composePiece: "mine", "compose.yaml": composeText})
	plan, _ := planned(t, p, Options{Compose: true})
	if len(plan.Files) != 0 {
		t.Errorf("it would change %v", plan.Files)
	}
	holds(t, plan.Notes, "B_KEY: vault:secret/dev/shop#B_KEY", composePiece+" is there")
	if strings.Contains(strings.Join(plan.Notes, "\n"), "  A_KEY: ") {
		t.Errorf("what it names is said to be missing: %q", plan.Notes)
	}
}

// What changes between the look and the writing is somebody's work too.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	p := project(t, map[string]string{".envrc": "a\n"})
	plan, _ := planned(t, p, Options{Direnv: true})
	for _, name := range []string{".envrc", config.Name} {
		if err := os.WriteFile(filepath.Join(p.Dir, name), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range plan.Files {
		if err := f.Write(p.Dir); err == nil {
			t.Errorf("%s is written over", f.Path)
		}
	}
}

func FuzzDotenv(f *testing.F) {
	f.Add("DB_PASSWORD=x\nA_KEY='y'\n", "shop")
	f.Add("y_KEY=1\nno=vault:a/b#c\nNULL_KEY=\"\n\"\n", "A b")
	f.Add("A=vault:x y\tz/#\"\\\n", "-")
	f.Fuzz(func(t *testing.T, text, folder string) {
		p := Project{Dir: t.TempDir(), Name: slug(folder)}
		if err := os.WriteFile(filepath.Join(p.Dir, ".env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.readDotenv()
		_, files := planned(t, p, Options{Tracked: untracked})
		var c struct{ Env map[string]string }
		if err := yaml.Unmarshal([]byte(files[config.Name]), &c); err != nil {
			t.Fatalf("%q → %q: %v", text, files[config.Name], err)
		}
		for _, v := range p.Secrets {
			if want := (Options{Path: p.Path()}).reference(v); c.Env[v.Name] != want {
				t.Fatalf("%q → %q: %s is %q, want %q", text, files[config.Name], v.Name, c.Env[v.Name], want)
			}
		}
	})
}

func FuzzCompose(f *testing.F) {
	f.Add(composeText)
	f.Add("services: {a: {build: ., command: {}}, 'b\\n': {build: ., command: \"\\e[1m\"}, null: 1}")
	f.Add("services: &a\n  x: *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := Project{Dir: t.TempDir(), Name: "shop", Start: "npm start"}
		if err := os.WriteFile(filepath.Join(p.Dir, "compose.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p.readCompose(); p.compose == nil {
			return
		}
		_, files := planned(t, p, Options{Compose: true})
		var c struct{ Services map[string]any }
		if err := yaml.Unmarshal([]byte(files[composePiece]), &c); err != nil {
			t.Fatalf("%q → %q: %v", text, files[composePiece], err)
		}
	})
}

func FuzzDevcontainer(f *testing.F) {
	f.Add("{}")
	f.Add("// a\n{\"remoteEnv\": {\"A_KEY\": \"b\",}, \"mounts\": [1,], \"runArgs\": {} /* c */ }")
	f.Add("{\"containerEnv\":{\"VAULT_ADDR\":null}\r\n,\r\n\t\"x\":1//\n}")
	f.Add("{\"containerEnv\": 1, \"mounts\": [], \"runArgs\": [\n//\n]}")
	f.Fuzz(func(t *testing.T, text string) {
		p := Project{Dir: t.TempDir(), Name: "shop"}
		file := filepath.Join(p.Dir, ".devcontainer.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p.readDevcontainer(); p.devcontainer == nil {
			return
		}
		_, files := planned(t, p, Options{Devcontainer: true})
		after := files[".devcontainer.json"]
		if after == "" {
			return
		}
		if _, err := hujson.Parse([]byte(after)); err != nil {
			t.Fatalf("%q → %q: %v", text, after, err)
		}
		if err := os.WriteFile(file, []byte(after), 0o600); err != nil {
			t.Fatal(err)
		}
		p = Project{Dir: p.Dir, Name: "shop"}
		p.readDevcontainer()
		if _, files := planned(t, p, Options{Devcontainer: true}); files[".devcontainer.json"] != "" {
			t.Fatalf("%q → %q → %q", text, after, files[".devcontainer.json"])
		}
	})
}
