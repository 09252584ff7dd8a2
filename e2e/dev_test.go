package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vwrap/vwrap/e2e/built"
)

// madeUp refers to what a development server can make up by itself, and described to what one has to be told: a real
// one has no users of databases that are not there.
const (
	madeUp = `version: 1
rotation: {poll: 1s, settle: 100ms}
env: {KEY: "vault:secret/dev/api#key", LEASED: "vault:database/creds/app#username"}
`
	described = `version: 1
rotation: {poll: 1s, settle: 100ms}
vault: {auth: {method: approle, role_id: app}}
env: {KEY: "vault:secret/dev/api#key"}
secrets:
  - {path: pki/issue/web, method: write, data: {common_name: web.dev.local}, env: {LEASED: serial_number}}
dev:
  engines: {pki: {type: pki, config: {max_lease_ttl: 1h}}}
  policies:
    app: |
      path "secret/*" { capabilities = ["read"] }
      path "pki/issue/web" { capabilities = ["update"] }
      path "sys/leases/revoke" { capabilities = ["update"] }
  approles: {app: {policies: [app], role_id: app, token_ttl: 10m}}
  roles:
    pki/root/generate/internal: {common_name: dev.local, key_type: ec, key_bits: 256, ttl: 1h}
    pki/roles/web: {allowed_domains: dev.local, allow_subdomains: true, key_type: ec, key_bits: 256, ttl: 10m, generate_lease: true}
  kv:
    secret/dev/api: {key: {generate: {length: 24}}, host: localhost}
`
)

// TestDevMainJob: the main job on each server that vwrap dev starts: the command starts with what vwrap.yaml refers to, is
// restarted for a new value, a lease is had anew, and at the end nothing is left, nor the server.
func TestDevMainJob(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		server, config string
		same           bool // a new lease is of the same user
	}{
		"embedded": {"embedded", madeUp, false}, "devvault": {"devvault", madeUp, true},
		"vault": {"vault", described, false}, "devvault, described": {"devvault", described, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := startDev(t, d.server, d.config)
			first := v.generation(1)
			v.writes("secret/data/dev/api", `{"data":{"key":"second"}}`)
			second := v.generation(2)
			if len(first["KEY"]) < 20 || second["KEY"] != "second" || second["LEASED"] != first["LEASED"] {
				t.Errorf("after a new version of the key: %v, then %v", first, second) // what a test made up
			}
			v.rotate("LEASED")
			third := v.generation(3)
			if third["KEY"] != "second" || (third["LEASED"] == first["LEASED"]) != d.same || third["LEASED"] == "" {
				t.Errorf("after a rotation of the lease: %v, then %v", second, third)
			}
			check(t, poll(patience, patience/100, func() error {
				if n := v.leases(); n != 1 {
					return fmt.Errorf("there are %d leases", n)
				}
				return nil
			}))
			for _, value := range []string{first["KEY"], first["LEASED"], third["LEASED"]} {
				if found := mustScan(t, v.pid(), value); found > 0 {
					t.Errorf("the supervisor holds %d copies of a value that was made up beside it", found)
				}
			}
			if found := mustScan(t, number(t, third["pid"]), third["LEASED"]); found == 0 {
				t.Error("the scanner does not find a value in the command, where it is")
			}
			check(t, v.signal(syscall.SIGTERM))
			v.expectStatus(0)
			if answer, err := http.Get(v.address + "/v1/sys/health"); err == nil {
				answer.Body.Close()
				t.Errorf("the server is still there: %s", answer.Status)
			}
		})
	}
}

// dev is a vwrap dev around a command that shows its variables.
type dev struct {
	*background
	folder, address, token string
}

func startDev(t *testing.T, server, config string, flags ...string) *dev {
	t.Helper()
	folder, err := os.MkdirTemp("", "v") // a socket's path must be short
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	file, token := filepath.Join(folder, "vwrap.yaml"), filepath.Join(folder, "token")
	check(t, os.WriteFile(file, []byte(config), 0o600))
	argv := append([]string{"dev", "--server", server, "--config", file, "--token-file", token}, flags...)
	v := &dev{background: startBackground(t, vwrap(append(argv, "--", filepath.Join(programs, "show-env"), "VAULT_ADDR", "KEY", "LEASED")...),
		"PATH="+devServers(t)+":"+os.Getenv("PATH"), "CI=", "VWRAP_RUNTIME_DIR="+filepath.Join(folder, "run")), folder: folder}
	v.address = v.generation(1)["VAULT_ADDR"]
	text, err := os.ReadFile(token)
	check(t, err)
	v.token = string(text)
	return v
}

// generation waits for the nth start of the command, and returns the variables that it had.
func (v *dev) generation(n int) map[string]string {
	v.t.Helper()
	v.expect(fmt.Sprintf(`(?s)(pid=\d+\n[^=]+=[^\n]*\n[^=]+=[^\n]*\n[^=]+=[^\n]*\n){%d}`, n))
	variables := map[string]string{}
	for line := range strings.Lines("pid=" + strings.Split(v.said(), "pid=")[n]) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		variables[name] = value
	}
	return variables
}

// ask asks the development server as its root.
func (v *dev) ask(method, path, body string) (answer struct{ Data map[string]any }, status int) {
	v.t.Helper()
	request, err := http.NewRequest(method, v.address+"/v1/"+path, strings.NewReader(body))
	check(v.t, err)
	request.Header.Set("X-Vault-Token", v.token)
	reply, err := http.DefaultClient.Do(request)
	check(v.t, err)
	defer reply.Body.Close()
	json.NewDecoder(reply.Body).Decode(&answer) // some answers have nothing in them
	return answer, reply.StatusCode
}

func (v *dev) writes(path, body string) {
	v.t.Helper()
	if _, status := v.ask(http.MethodPost, path, body); status >= 300 {
		v.t.Fatalf("%s: %d", path, status)
	}
}

// leases counts those of secrets, wherever they are.
func (v *dev) leases() (n int) {
	for _, prefix := range []string{"database/creds/app", "pki/issue/web"} {
		answer, _ := v.ask("LIST", "sys/leases/lookup/"+prefix, "")
		keys, _ := answer.Data["keys"].([]any)
		n += len(keys)
	}
	return n
}

func (v *dev) rotate(name string) {
	v.t.Helper()
	cmd := exec.Command("vwrap", "rotate", name)
	cmd.Env = []string{"VWRAP_RUNTIME_DIR=" + filepath.Join(v.folder, "run")}
	if said, err := cmd.CombinedOutput(); err != nil || !bytes.HasPrefix(said, []byte("generation ")) {
		v.t.Fatalf("vwrap rotate: %v\n%s", err, said)
	}
}

// devServers is a folder with the programs that vwrap dev can start.
func devServers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, build := range map[string]func() (string, error){"devvault": built.Devvault, "vault": built.VaultCLI} {
		binary, err := build()
		check(t, err)
		check(t, os.Symlink(binary, filepath.Join(dir, name)))
	}
	return dir
}

// TestDevInTerminal: Ctrl-C is for the command alone; the server ends after it. Without a command it is for the server.
func TestDevInTerminal(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	t.Run("a command", func(t *testing.T) {
		t.Parallel()
		w := openTerminal(t, own, vwrap("dev", "--server", "embedded", "-e", "KEY=vault:secret/dev/api#key", "--", "sh", "loop"))
		w.expect(`up \d+`)
		for n := range 3 {
			w.press(ctrlC)
			w.expect(fmt.Sprintf(`interrupted %d\r\n`, n+1))
		}
		w.expectStatus(9)
		if strings.Contains(w.text(), "has ended") {
			t.Error("the host was interrupted too")
		}
	})
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		w := openTerminal(t, own, vwrap("dev", "--server", "embedded", "--listen", "127.0.0.1:0"))
		w.expect(`export VAULT_TOKEN=`)
		w.press(ctrlC)
		w.expectStatus(0)
	})
	t.Run("a shell is stopped and continued", func(t *testing.T) {
		t.Parallel()
		w := openShell(t, own)
		w.enter("vwrap dev --server embedded -e KEY='vault:secret/dev/api#key' -- sh -c 'echo up; exec cat'")
		w.expect(`up\r\n`)
		w.press(ctrlZ)
		w.expect(`Stopped`)
		w.expect(`ready> `)
		w.enter("fg")
		w.expect(`(?s)fg\r\n.*exec cat'\r\n`)
		w.press("hello\r")
		w.expect(`hello\r\nhello\r\n`)
		w.press(ctrlD)
		w.expect(`ready> `)
		w.expectLastStatus(plainBash, "0")
		w.leave()
	})
}
