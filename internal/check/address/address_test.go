package address_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/check/address"
)

func found(t *testing.T, root string, o address.Options) (check.Report, string) {
	t.Helper()
	r, err := address.Check(t.Context(), root, o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := check.Write(&b, "text", false, r); err != nil {
		t.Fatal(err)
	}
	return r, b.String()
}

// TestTheGuide: each fault of a set-up that is often copied is found where it is.
func TestTheGuide(t *testing.T) {
	t.Parallel()
	_, got := found(t, "testdata/guide", address.Options{Tracked: func(string) bool { return true }})
	const want = `.devcontainer/devcontainer.json:5:6: drift: DB_PASSWORD is handed into the container in clear, where docker inspect shows it
  write a reference (vault:PATH#FIELD), and start terminals by vwrap exec
.devcontainer/devcontainer.json:9:47: drift: https://vault.example.com is another server than http://127.0.0.1:8200, which 8 of 11 places mean
  write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one
.env:3:13: drift: a token stands in a file that git has
  take it out: vault login, or a token file; what was committed has to be revoked
.env.ci:1:12: drift: http://10.0.0.7:8200 is another server than http://127.0.0.1:8200, which 8 of 11 places mean
  write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one
.env.ci:1:12: drift: http://10.0.0.7:8200 is not this machine, and http shows the token to the network
  use https
.env.ci:2:19: drift: VAULT_SKIP_VERIFY: whoever is between here and Vault can read the token and every secret
  trust the server's CA: VAULT_CACERT
Dockerfile:1:6: drift: hashicorp/vault without a version: it is another one tomorrow
  name one, such as hashicorp/vault:1.21.1
docker-compose.yml:3:12: drift: hashicorp/vault without a version: it is another one tomorrow
  name one, such as hashicorp/vault:1.21.1
docker-compose.yml:5:9: drift: vault is published at every address of this machine: the network reaches it
  publish it here alone: "127.0.0.1:8200:8200"
docker-compose.yml:7:32: drift: the root token of a development Vault stands in a file that git has
  let it be random (vwrap dev), or fill it in from outside: ${VAULT_DEV_ROOT_TOKEN_ID:?}
scripts/rotate.sh:2:19: drift: http://127.0.0.1:8201 is another server than http://127.0.0.1:8200, which 8 of 11 places mean
  write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one
address: drift: 10 files, 11 addresses, 4 servers; 3 more filled in elsewhere
`
	if got != want {
		t.Errorf("found is\n%s", got)
	}
	if strings.Contains(got, "CAESIJ") || strings.Contains(got, "local-dev-token") {
		t.Error("a token is shown")
	}
}

// archive parts a text into files, each after a line "-- NAME --", as txtar does.
func archive(text string) map[string]string {
	files := map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(n, " --") {
			name = strings.TrimSuffix(n, " --")
			continue
		}
		if name != "" {
			files[name] += line
		}
	}
	return files
}

// cases are the texts of testdata/cases, by name.
func cases(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("there are no cases", err)
	}
	all := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	}
	return all
}

// TestCases: each text of testdata/cases says what is found in its files.
func TestCases(t *testing.T) {
	t.Parallel()
	for path, text := range cases(t) {
		files := archive(text)
		want := files["want"]
		delete(files, "want")
		dir := t.TempDir()
		for name, text := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, got := found(t, dir, address.Options{}); got != want {
			t.Errorf("%s: found is\n%s", path, got)
		} else if strings.Contains(got, "0123456789") {
			t.Errorf("%s: a token is shown", path)
		}
	}
}

// TestComposed: what Compose files include, extend and read is looked at, and filled in as Compose does it.
func TestComposed(t *testing.T) {
	t.Parallel()
	_, got := found(t, "testdata/composed", address.Options{})
	const want = `compose.override.yaml:3:13: drift: keys is published at every address of this machine: the network reaches it
  publish it here alone: "127.0.0.1:8400:8200"
compose.yaml:6:15: drift: http://10.1.1.1:8200 is another server than http://127.0.0.1:8300, which 3 of 7 places mean
  write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one
compose.yaml:6:15: drift: http://10.1.1.1:8200 is not this machine, and http shows the token to the network
  use https
infra/base.yml:5:9: drift: store is published at every address of this machine: the network reaches it
  publish it here alone: "127.0.0.1:8201:8200"
infra/include.vars:1:10: drift: https://else.example is another server than http://127.0.0.1:8300, which 3 of 7 places mean
  write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one
infra/more.yml: warning: names ../outside.yml, which is outside of this folder, and is not looked at
infra/more.yml: warning: names infra/nowhere.yml, which is no file that can be read, and is not looked at
k8s/pod.yaml:7:39: drift: https://k8s.example is another server than http://127.0.0.1:8300, which 3 of 7 places mean
  write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one
k8s/pod.yaml:9:18: drift: https://reversed.example is another server than http://127.0.0.1:8300, which 3 of 7 places mean
  write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one
k8s/pod.yaml:13:18: drift: VAULT_SKIP_VERIFY: whoever is between here and Vault can read the token and every secret
  trust the server's CA: VAULT_CACERT
address: drift: 10 files, 7 addresses, 5 servers
`
	if got != want {
		t.Errorf("found is\n%s", got)
	}
}

func TestACleanTree(t *testing.T) {
	t.Parallel()
	r, got := found(t, "testdata/clean", address.Options{})
	if !r.Clean() || len(r.Findings) > 0 || len(r.Passed) != 5 {
		t.Errorf("found is\n%s%q", got, r.Passed)
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{".env": "VAULT_ADDR=https://vault.example.com\n", ".envrc": "export BAO_ADDR=https://bao.example.com:443/\n", "x.sh": "VAULT_ADDR=https://VAULT.example.com:443\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r, got := found(t, dir, address.Options{}); r.Clean() || len(r.Findings) != 1 || r.Findings[0].File != ".envrc" {
		t.Errorf("without aliases:\n%s", got)
	}
	aliases := [][]string{{"https://bao.example.com", "https://vault.example.com"}}
	if r, got := found(t, dir, address.Options{Aliases: aliases}); !r.Clean() {
		t.Errorf("with aliases:\n%s", got)
	}
}

// A token in a file that git does not have is its owner's matter.
func TestUntracked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("VAULT_TOKEN=hvs.x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for tracked, want := range map[bool]int{true: 1, false: 0} {
		r, _ := found(t, dir, address.Options{Tracked: func(file string) bool { return file == ".env" && tracked }})
		if len(r.Findings) != want {
			t.Errorf("tracked %v: %v", tracked, r.Findings)
		}
	}
}

func TestWhatCannotBeLookedAt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	if err := os.WriteFile(file, []byte("services: {vault: [\nVAULT_ADDR: ftp://x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, got := found(t, dir, address.Options{})
	if !r.Clean() || len(r.Findings) != 2 {
		t.Errorf("found is\n%s", got)
	}
	for _, root := range []string{file, filepath.Join(dir, "nothing")} {
		if _, err := address.Check(context.Background(), root, address.Options{}); err == nil {
			t.Errorf("%s is looked at", root)
		}
	}
}

// fuzzed are the names of files that FuzzCheck makes.
var fuzzed = []string{"compose.yaml", ".env", "Dockerfile", "devcontainer.json", "vwrap.yaml", "a.yml", "Makefile", "a.sh", "package.json", ".gitlab-ci.yml"}

// FuzzCheck: no file makes it panic, and every finding is at a line that is there. A file's name is the one that kind has the length for.
func FuzzCheck(f *testing.F) {
	for _, text := range cases(f) {
		for name, text := range archive(text) {
			for i, other := range fuzzed {
				if filepath.Base(name) == other || filepath.Ext(name) == filepath.Ext(other) {
					f.Add(strings.Repeat("x", i), text)
				}
			}
		}
	}
	for _, name := range []string{"guide/.env", "guide/Dockerfile", "clean/k8s/app.yaml", "clean/compose.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(name), string(text))
	}
	f.Fuzz(func(t *testing.T, kind, text string) {
		dir := t.TempDir()
		file := filepath.Join(dir, fuzzed[len(kind)%len(fuzzed)])
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := address.Check(t.Context(), dir, address.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range r.Findings {
			if finding.Line > 1+strings.Count(text, "\n") || finding.Column < 0 || finding.Text == "" {
				t.Errorf("%+v", finding)
			}
		}
	})
}

// FuzzCompose: whatever Compose files name each other, it comes to an end, and opens nothing outside.
func FuzzCompose(f *testing.F) {
	f.Add("include: [b.yml]\nservices: {a: {extends: {file: b.yml, service: a}}}", "include: [../a.yml, compose.yaml]\nservices: {a: {extends: a, env_file: [.env, /etc/passwd]}}", "A=${A}")
	f.Add("services: {vault: {<<: &x {image: vault, <<: *x}, ports: [\"${P}:8200\", {target: 8200}]}}", "a", "P=$$")
	f.Fuzz(func(t *testing.T, one, two, env string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"compose.yaml": one, "b.yml": two, ".env": env} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := address.Check(t.Context(), dir, address.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range r.Findings {
			if finding.File != "" && !filepath.IsLocal(finding.File) {
				t.Fatalf("%q is looked at", finding.File)
			}
		}
	})
}
