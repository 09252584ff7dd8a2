package containers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vwrap/vwrap/e2e/built"
)

// devImage stands for hashicorp/vault, which no registry gives here: Vault's own program alone, of a version that
// may be built.
const devImage = "hashicorp/vault:1.13.2"

func buildDevImage() error {
	binary, err := built.VaultCLI()
	if err != nil {
		return err
	}
	dir := filepath.Join(engine.scratch, "vault")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	text := "FROM scratch\nCOPY vault /bin/\nENV PATH=/bin\nENTRYPOINT [\"/bin/vault\"]\nCMD [\"server\", \"-dev\"]\n"
	if err := errors.Join(copyFile(binary, filepath.Join(dir, "vault")), os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644)); err != nil {
		return err
	}
	_, err = docker("build", "-q", "-t", devImage, dir)
	return err
}

// dev is a vwrap dev whose server is a container, around a command that shows its key.
type dev struct {
	t      *testing.T
	folder string
	cmd    *exec.Cmd
}

const devConfig = `version: 1
rotation: {poll: 1s, settle: 100ms}
env: {KEY: "vault:secret/dev/api#key"}
`

func startDev(t *testing.T, script string) *dev {
	t.Helper()
	d := &dev{t: t, folder: t.TempDir()}
	if err := os.WriteFile(filepath.Join(d.folder, "vwrap.yaml"), []byte(devConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := built.Vwrap(engine.scratch)
	if err != nil {
		t.Fatal(err)
	}
	d.cmd = exec.Command(binary, "dev", "--server", "docker", "--image", devImage, "--token-file", "token", "--", "sh", "-c", script)
	d.cmd.Dir = d.folder
	d.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.folder, "DOCKER_HOST=" + engine.socket, "VWRAP_RUNTIME_DIR=" + d.folder}
	out, err := os.Create(filepath.Join(d.folder, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	d.cmd.Stdout, d.cmd.Stderr = out, out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		if t.Failed() {
			t.Logf("vwrap dev said:\n%s", d.said())
		}
	})
	return d
}

func (d *dev) said() string {
	text, err := os.ReadFile(filepath.Join(d.folder, "out"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// says waits until it has said what matches, and returns the first group.
func (d *dev) says(pattern string) (found string) {
	d.t.Helper()
	err := poll(func() error {
		m := regexp.MustCompile(pattern).FindStringSubmatch(d.said())
		if m == nil {
			return fmt.Errorf("vwrap dev does not say %s", pattern)
		}
		found = m[len(m)-1]
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// servers are the containers of development Vaults.
func servers(t *testing.T) []string {
	t.Helper()
	out, err := docker("ps", "--all", "--quiet", "--no-trunc", "--filter", "label=vwrap.dev.owner")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out)
}

const showKey = `echo "VAULT_ADDR=$VAULT_ADDR"; echo "KEY=$KEY"; trap "exit 0" TERM; while :; do sleep 0.1; done`

// TestDevContainer: the main job on a server in a container, whose port nobody but this machine reaches, and which ends with
// vwrap.
func TestDevContainer(t *testing.T) {
	d := startDev(t, showKey)
	address := d.says(`(?m)^VAULT_ADDR=(http://127.0.0.1:\d+)$`)
	if key := d.says(`(?m)^KEY=(\w+)$`); len(key) < 20 {
		t.Errorf("the key is %q", key) // made up by the test's vwrap
	}
	token, err := os.ReadFile(filepath.Join(d.folder, "token"))
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, address+"/v1/secret/data/dev/api", strings.NewReader(`{"data":{"key":"second"}}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", string(token))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	d.says(`(?m)^KEY=second$`)

	ids := servers(t)
	if len(ids) != 1 {
		t.Fatalf("the servers are %v", ids)
	}
	var inspected []struct {
		Path   string
		Args   []string
		Config struct{ Env, Cmd []string }

		NetworkSettings struct {
			Ports map[string][]struct{ HostIP, HostPort string }
		}
	}
	text, err := docker("inspect", ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &inspected); err != nil || len(inspected) != 1 {
		t.Fatalf("docker inspect: %v", err)
	}
	c := inspected[0]
	ports := c.NetworkSettings.Ports["8200/tcp"]
	if len(ports) != 1 || ports[0].HostIP != "127.0.0.1" || !strings.HasSuffix(address, ":"+ports[0].HostPort) {
		t.Errorf("published are %v, and vwrap uses %s", ports, address)
	}
	if line := strings.Join(append(c.Args, c.Config.Cmd...), " "); strings.Contains(line, string(token)) {
		t.Errorf("the root token is on the command line: %s", line)
	}
	for _, entry := range c.Config.Env {
		name, value, _ := strings.Cut(entry, "=")
		if strings.Contains(name, "TOKEN") && value != string(token) {
			t.Errorf("the environment has another token, in %s", name)
		}
	}

	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("vwrap dev ends with %v", err)
	}
	if left := servers(t); len(left) > 0 {
		t.Errorf("left is %v", left)
	}
}

// TestDevContainerOfTheKilled: what a killed vwrap dev has left is removed by the next one, which leaves that of a living one
// alone.
func TestDevContainerOfTheKilled(t *testing.T) {
	killed, living := startDev(t, showKey), startDev(t, showKey)
	killed.says(`(?m)^KEY=(\w+)$`)
	living.says(`(?m)^KEY=(\w+)$`)
	if n := len(servers(t)); n != 2 {
		t.Fatalf("there are %d servers", n)
	}
	host, err := exec.Command("pgrep", "--parent", strconv.Itoa(killed.cmd.Process.Pid), "--full", "__dev").Output()
	if err != nil {
		t.Fatalf("find the host: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(host)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []int{pid, killed.cmd.Process.Pid} { // the host first: it would end its server
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	_ = killed.cmd.Wait()
	if n := len(servers(t)); n != 2 {
		t.Errorf("there are %d servers after the kill: this shows nothing", n)
	}
	next := startDev(t, "exit 3")
	if err := next.cmd.Wait(); err == nil || next.cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("the next one ends with %v", err)
	}
	if n := len(servers(t)); n != 1 {
		t.Errorf("there are %d servers after the next one", n)
	}
	if err := living.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := living.cmd.Wait(); err != nil {
		t.Errorf("the living one ends with %v", err)
	}
	if left := servers(t); len(left) > 0 {
		t.Errorf("left is %v", left)
	}
}

// TestDevContainerThatEnds: why a container does not come up is told.
func TestDevContainerThatEnds(t *testing.T) {
	d := startDev(t, "true")
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("a good one ends with %v", err)
	}
	bad := exec.Command(d.cmd.Path, "dev", "--server", "docker", "--image", "bare:latest-1", "--", "true")
	bad.Env = d.cmd.Env
	if _, err := docker("tag", "bare", "bare:latest-1"); err != nil {
		t.Fatal(err)
	}
	said, err := bad.CombinedOutput()
	if err == nil || bad.ProcessState.ExitCode() != 125 || !strings.Contains(string(said), "the container has ended: ") {
		t.Errorf("it ends with %v, and says\n%s", err, said)
	}
	if left := servers(t); len(left) > 0 {
		t.Errorf("left is %v", left)
	}
}
