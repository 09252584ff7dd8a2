// Package containers tries vwrap as the ENTRYPOINT of real containers, under a Docker engine of its own.
//
// The engine needs root, and no network: its images are built from scratch, of a static busybox and vwrap.
package containers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vwrap/vwrap/e2e/built"
)

// engine is the Docker engine of this run.
var engine struct{ scratch, socket string }

func TestMain(m *testing.M) {
	code, err := withEngine(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "containers:", err)
		code = 1
	}
	os.Exit(code)
}

// withEngine starts an engine, has it build the images, and ends it after do.
func withEngine(do func() int) (int, error) {
	scratch, err := os.MkdirTemp("", "vwrap-containers-")
	if err != nil {
		return 0, fmt.Errorf("make scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	engine.scratch, engine.socket = scratch, "unix://"+filepath.Join(scratch, "socket")
	log, err := os.Create(filepath.Join(scratch, "log"))
	if err != nil {
		return 0, fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	unbridge, err := bridge()
	if err != nil {
		return 0, err
	}
	defer unbridge()
	daemon := exec.Command("dockerd", "--host", engine.socket, "--data-root", filepath.Join(scratch, "data"),
		"--exec-root", filepath.Join(scratch, "exec"), "--pidfile", filepath.Join(scratch, "pid"),
		"--bridge", bridgeName, "--iptables=false", "--ip6tables=false")
	daemon.Stdout, daemon.Stderr = log, log
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the tests, which then end it
	if err := daemon.Start(); err != nil {
		return 0, fmt.Errorf("start the engine (apt-get install docker.io): %w", err)
	}
	defer func() {
		daemon.Process.Signal(syscall.SIGTERM) // it ends its containers
		daemon.Wait()
	}()
	if err := poll(func() error { _, err := docker("version"); return err }); err != nil {
		text, _ := os.ReadFile(log.Name())
		return 0, fmt.Errorf("the engine does not answer: %w\n%s", err, text)
	}
	if err := errors.Join(buildImages(), buildDevImage(), installCompose()); err != nil {
		return 0, err
	}
	return do(), nil
}

// installCompose makes it a plugin of the client.
func installCompose() error {
	compose, err := exec.LookPath("docker-compose")
	if err != nil {
		return fmt.Errorf("find Compose (.ci/install containers): %w", err)
	}
	plugins := filepath.Join(engine.scratch, "cli-plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		return err
	}
	return os.Symlink(compose, filepath.Join(plugins, "docker-compose"))
}

// bridgeName is the network of containers that publish a port; it is named so that nobody else has one of that name.
// bridgeAddress is this machine's on it.
const (
	bridgeName    = "vwrap-e2e0"
	bridgeAddress = "172.31.255.1"
)

// bridge makes it.
func bridge() (remove func(), err error) {
	ip := func(args ...string) error {
		if said, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s (apt-get install iproute2): %w\n%s", strings.Join(args, " "), err, said)
		}
		return nil
	}
	remove = func() { _ = ip("link", "delete", bridgeName) }
	remove() // what an earlier run has left
	err = ip("link", "add", bridgeName, "type", "bridge")
	if err == nil {
		err = errors.Join(ip("address", "add", bridgeAddress+"/24", "dev", bridgeName), ip("link", "set", bridgeName, "up"))
	}
	return remove, err
}

// buildImages builds "tools", busybox with vwrap as the ENTRYPOINT, and "bare", which has nothing but vwrap and one
// program: no shell, no /tmp, no users, no HOME.
func buildImages() error {
	vwrap, err := built.Vwrap(engine.scratch)
	if err != nil {
		return err
	}
	tools := "FROM scratch\nCOPY vwrap busybox /bin/\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nCOPY app /bin/\n" +
		"ENV PATH=/bin\nENTRYPOINT [\"vwrap\", \"--\"]\n"
	bare := "FROM scratch\nCOPY vwrap busybox /\nENTRYPOINT [\"/vwrap\", \"--\", \"/busybox\"]\n"
	for image, text := range map[string]string{"tools": tools, "bare": bare} {
		dir := filepath.Join(engine.scratch, image)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make build folder: %w", err)
		}
		err := errors.Join(
			copyFile(vwrap, filepath.Join(dir, "vwrap")), copyFile("/usr/bin/busybox", filepath.Join(dir, "busybox")),
			os.WriteFile(filepath.Join(dir, "app"), []byte(app), 0o755), os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644))
		if err != nil {
			return fmt.Errorf("fill build folder (apt-get install busybox-static): %w", err)
		}
		if _, err := docker("build", "-q", "-t", image, dir); err != nil {
			return err
		}
	}
	return nil
}

// app says which signals it gets. What ends it is its first argument's business: "quick" ends at once, "slow" half a
// second after, "deaf" never.
const app = `#!/bin/sh
for s in HUP INT QUIT USR1 WINCH CONT; do trap "echo got $s" $s; done
trap 'echo got TERM; case $1 in quick) exit 3;; slow) sleep 0.5; echo finished; exit 3;; esac' TERM
echo up
while :; do sleep 0.05; done
`

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// client is the docker command for this run's engine.
func client(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", append([]string{"--host", engine.socket}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0", "DOCKER_CONFIG="+engine.scratch)
	return cmd
}

// docker returns what the command says on stdout, trimmed.
func docker(args ...string) (string, error) {
	cmd := client(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

const patience = time.Minute

// poll asks until there is no error; the last one says why there was.
func poll(ask func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ask()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// container is one that was begun.
type container struct {
	t  *testing.T
	id string
}

// begin runs a container in the background: docker's flags, the image, and what follows the ENTRYPOINT.
func begin(t *testing.T, args ...string) container {
	t.Helper()
	c := container{t: t}
	c.id = c.docker(append([]string{"run", "-d", "--network", "none"}, args...)...)
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := client("logs", c.id).CombinedOutput()
			t.Logf("the container said:\n%s", logs)
		}
		docker("rm", "-f", c.id)
	})
	return c
}

func (c container) docker(args ...string) string {
	c.t.Helper()
	out, err := docker(args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// said is what the container has written to stdout and stderr.
func (c container) said() string {
	c.t.Helper()
	out, err := client("logs", c.id).CombinedOutput()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(out)
}

// says waits until it has said text.
func (c container) says(text string) {
	c.t.Helper()
	err := poll(func() error {
		if !strings.Contains(c.said(), text) {
			return fmt.Errorf("the container does not say %q", text)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for its end and compares the status.
func (c container) ends(status int) {
	c.t.Helper()
	if got := c.docker("wait", c.id); got != strconv.Itoa(status) {
		c.t.Errorf("the container ended with %s, not %d", got, status)
	}
}

// saidOnce reports an error where it has not said text exactly once.
func (c container) saidOnce(text string) {
	c.t.Helper()
	if n := strings.Count(c.said(), text); n != 1 {
		c.t.Errorf("the container said %q %d times", text, n)
	}
}
