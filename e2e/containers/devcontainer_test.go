package containers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vwrap/vwrap/e2e/built"
)

// ubuntuImage is what the dev containers are made of; its stand-in knows the releases of these tests.
const ubuntuImage = "ubuntu:24.04"

// releases is a server of releases at the bridge, where builds reach it: the newest is 1.2.3, and is the vwrap under test.
var releases = sync.OnceValues(func() (string, error) {
	binary, err := built.Vwrap(engine.scratch)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(engine.scratch, "release")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	archive := "vwrap_linux_" + runtime.GOARCH + ".tar.gz"
	err = errors.Join(copyFile("../../install.sh", filepath.Join(dir, "install.sh")), copyFile(binary, filepath.Join(dir, "vwrap")))
	pack := exec.Command("sh", "-c", `tar -czf "$1" vwrap && sha256sum "$1" >checksums.txt`, "sh", archive)
	pack.Dir = dir
	if said, failed := pack.CombinedOutput(); failed != nil {
		err = errors.Join(err, fmt.Errorf("pack a release: %w\n%s", failed, said))
	}
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress, "0"))
	if err != nil {
		return "", err
	}
	files, routes := http.FileServer(http.Dir(dir)), http.NewServeMux()
	for _, route := range []string{"/latest/download/", "/download/v1.2.3/"} {
		routes.Handle(route, http.StripPrefix(route, files))
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: routes}}
	server.Start() // to the end of the tests
	return server.URL, nil
})

// standInUbuntu builds the image of the dev containers, once.
var standInUbuntu = sync.OnceValue(func() error {
	from, err := releases()
	if err != nil {
		return err
	}
	r := newRoot("ubuntu")
	r.program("/bin/bash")
	r.write("etc/passwd", "root:x:0:0::/root:/bin/bash\nubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n")
	r.write("etc/group", "root:x:0:\nubuntu:x:1000:\n")
	r.folder("/root", "/home/ubuntu", "/tmp", "/var/tmp", "/usr/local/bin", "/usr/local/share")
	return r.build(ubuntuImage, "--build-arg", "RELEASES="+from)
})

// workspace is a folder with a dev container, made of an example.
type workspace struct {
	t      *testing.T
	folder string
	home   string
}

func openWorkspace(t *testing.T, example string) *workspace {
	t.Helper()
	needStandIns(t)
	check(t, standInUbuntu())
	w := &workspace{t: t, folder: filepath.Join(t.TempDir(), filepath.Base(example)), home: t.TempDir()}
	check(t, os.CopyFS(w.folder, os.DirFS(example)))
	check(t, os.CopyFS(filepath.Join(w.folder, ".devcontainer/vwrap"), os.DirFS("../../features/src/vwrap"))) // as the README says
	return w
}

// devcontainer is the real CLI.
func (w *workspace) devcontainer(args ...string) *exec.Cmd {
	cmd := exec.Command("devcontainer", args...)
	cmd.Dir = w.folder
	cmd.Env = append(client().Env, "DOCKER_HOST="+engine.socket, "HOME="+w.home)
	return cmd
}

// try returns what the CLI says on stdout.
func (w *workspace) try(args ...string) (string, error) {
	cmd := w.devcontainer(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("devcontainer %s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// up starts the dev container and returns its ID.
func (w *workspace) up() string {
	w.t.Helper()
	out, err := w.try("up", "--workspace-folder", w.folder, "--buildkit", "never")
	check(w.t, err)
	var outcome struct {
		Outcome, ContainerID, ComposeProjectName string
	}
	if err := json.Unmarshal([]byte(out), &outcome); err != nil || outcome.Outcome != "success" {
		w.t.Fatalf("devcontainer up says %s (%v)", out, err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			logs, _ := client("logs", outcome.ContainerID).CombinedOutput()
			w.t.Logf("the container said:\n%s", logs)
		}
		if p := outcome.ComposeProjectName; p != "" {
			ask(w.t, "compose", "--project-name", p, "down", "--volumes", "--timeout", "1")
			return
		}
		ask(w.t, "rm", "-f", outcome.ContainerID)
	})
	return outcome.ContainerID
}

// terminal runs a line in a terminal of the dev container, as the editor does.
func (w *workspace) terminal(line string) (string, error) {
	return w.try("exec", "--workspace-folder", w.folder, "bash", "-c", line)
}

// shows waits until a line in a terminal says want.
func (w *workspace) shows(want, line string) {
	w.t.Helper()
	check(w.t, poll(func() error {
		got, err := w.terminal(line)
		if err == nil && got != want {
			err = fmt.Errorf("%s says %q, not %q", line, got, want)
		}
		return err
	}))
}

// vaultAt runs a Vault of this machine at an address, with a root token, until the test ends.
func vaultAt(t *testing.T, address, token string) {
	t.Helper()
	binary, err := built.VaultCLI()
	check(t, err)
	server := exec.Command(binary, "server", "-dev", "-dev-no-store-token", "-dev-listen-address="+address)
	server.Env = append(os.Environ(), "VAULT_DEV_ROOT_TOKEN_ID="+token)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	check(t, poll(func() error { return vault(address, token, "status") }))
}

func vault(address, token string, args ...string) error {
	binary, err := built.VaultCLI()
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "VAULT_ADDR=http://"+address, "VAULT_TOKEN="+token)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("vault %s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return nil
}

// TestDevContainerOfImage: examples/devcontainer/image. vwrap is what the container runs; terminals ask it; a new value
// reaches the next terminal; Docker shows none.
func TestDevContainerOfImage(t *testing.T) {
	w := openWorkspace(t, "../../examples/devcontainer/image")
	const address, token = bridgeAddress + ":8200", "root-of-the-dev-container"
	vaultAt(t, address, token)
	check(t, vault(address, token, "kv", "put", "secret/dev/api", "key=the first key of all"))
	folder := filepath.Join(w.home, ".config/shop")
	check(t, os.MkdirAll(folder, 0o755))
	check(t, os.WriteFile(filepath.Join(folder, "token"), []byte(token), 0o644))

	container := w.up()
	w.shows("the first key of all", `vwrap exec -- sh -c 'echo "$API_KEY"'`)
	w.shows("ubuntu", "whoami")
	check(t, vault(address, token, "kv", "put", "secret/dev/api", "key=the second key of all"))
	w.shows("the second key of all", `vwrap exec -- sh -c 'echo "$API_KEY"'`)
	w.shows("the second key of all", `vwrap -- sh -c 'echo "$API_KEY"'`) // the other way: one of the terminal's own
	if said, err := w.terminal("vwrap doctor"); err != nil || !strings.Contains(said, "address: http://host.docker.internal:8200") {
		t.Errorf("doctor says %s (%v)", said, err)
	}

	inspected := ask(t, "inspect", container)
	for _, value := range []string{"key of all", token} {
		if strings.Contains(inspected, value) {
			t.Errorf("docker inspect shows %q", value)
		}
	}
	ask(t, "stop", "--time", "60", container)
	if status := ask(t, "inspect", "--format", "{{.State.ExitCode}}", container); status == "137" {
		t.Error("docker stop had to kill")
	}
}

// TestDevContainerOfCompose: examples/devcontainer/compose, which has a Vault of its own.
func TestDevContainerOfCompose(t *testing.T) {
	w := openWorkspace(t, "../../examples/devcontainer/compose")
	container := w.up()
	w.shows("yes", `vwrap exec -- sh -c '[ ${#API_KEY} -ge 20 ] && echo yes'`)
	key, err := w.terminal(`vwrap exec -- sh -c 'echo "$API_KEY"'`)
	check(t, err)
	if inspected := ask(t, "inspect", container); strings.Contains(inspected, key) {
		t.Error("docker inspect shows the key")
	}
}

// TestFeature: the tests that the Feature brings, run by the CLI that Features are tested with.
func TestFeature(t *testing.T) {
	w := openWorkspace(t, "../../examples/devcontainer/image")
	out, err := w.devcontainer("features", "test", "--project-folder", features(t), "--base-image", ubuntuImage, "--remote-user", "ubuntu").CombinedOutput()
	if err != nil {
		t.Fatalf("devcontainer features test: %v\n%s", err, out)
	}
	for _, scenario := range []string{"vwrap", "no_entrypoint", "a_version"} {
		if !regexp.MustCompile(`Passed: +'` + scenario + `'`).Match(out) {
			t.Errorf("%s has not passed:\n%s", scenario, out)
		}
	}
}

func features(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../features")
	check(t, err)
	return dir
}
