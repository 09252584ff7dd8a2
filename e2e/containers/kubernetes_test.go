package containers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/vwrap/vwrap/e2e/built"
)

// manifest reads examples/kubernetes/shop.yaml as the types of Kubernetes' API, and takes no field that they do not have.
func manifest(t *testing.T) (deployment *apps.Deployment, config *core.ConfigMap, account *core.ServiceAccount) {
	t.Helper()
	text, err := os.ReadFile("../../examples/kubernetes/shop.yaml")
	check(t, err)
	known := runtime.NewScheme()
	check(t, errors.Join(apps.AddToScheme(known), core.AddToScheme(known)))
	decoder := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return deployment, config, account
		}
		check(t, err)
		object, _, err := decoder.Decode(document, nil, nil)
		check(t, err)
		switch o := object.(type) {
		case *apps.Deployment:
			deployment = o
		case *core.ConfigMap:
			config = o
		case *core.ServiceAccount:
			account = o
		default:
			t.Fatalf("what is a %T for?", object)
		}
	}
}

// TestManifest: what the manifest says of itself in several places agrees.
func TestManifest(t *testing.T) {
	deployment, config, account := manifest(t)
	pod := deployment.Spec.Template
	if pod.Spec.ServiceAccountName != account.Name {
		t.Errorf("the pod runs as %s, and %s is there", pod.Spec.ServiceAccountName, account.Name)
	}
	for key, value := range deployment.Spec.Selector.MatchLabels {
		if pod.Labels[key] != value {
			t.Errorf("the pods are not selected: %s", key)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && v.Name == "vwrap-config" && v.ConfigMap.Name != config.Name {
			t.Errorf("vwrap.yaml comes from %s", v.ConfigMap.Name)
		}
	}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s mounts %s, which is not there", c.Name, m.Name)
			}
		}
	}
	if regexp.MustCompile(`stop_grace: (\d+)s`).FindStringSubmatch(config.Data["vwrap.yaml"])[1] != "20" || *pod.Spec.TerminationGracePeriodSeconds != 30 {
		t.Error("docs/kubernetes.md says 20 and 30 seconds")
	}
}

// kubelet does to one pod of the manifest, by Docker, what tells of vwrap: the containers' images, commands, environment,
// volumes, user and security context.
type kubelet struct {
	t    *testing.T
	pod  core.PodSpec
	vars map[string]string // over the manifest's environment
	dirs map[string]string // the volumes
}

func (k *kubelet) flags(c core.Container) []string {
	k.t.Helper()
	s := c.SecurityContext
	if s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || fmt.Sprint(s.Capabilities.Drop) != "[ALL]" {
		k.t.Fatalf("the security context of %s is %v", c.Name, s)
	}
	flags := []string{"--read-only", "--security-opt", "no-new-privileges", "--cap-drop", "ALL", "--user", fmt.Sprint(*k.pod.SecurityContext.RunAsUser)}
	for _, m := range c.VolumeMounts {
		mode := "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		flags = append(flags, "--volume", k.dirs[m.Name]+":"+m.MountPath+":"+mode)
	}
	for _, e := range c.Env {
		value, ours := k.vars[e.Name]
		if !ours {
			value = e.Value
		}
		flags = append(flags, "--env", e.Name+"="+value)
	}
	return append(append(flags, "--entrypoint", c.Command[0], c.Image), c.Command[1:]...)
}

// TestPod: the initContainer's vwrap runs in an image that knows nothing of it, as nobody in particular, on a root that
// cannot be written; its probes are true, and a stop is an orderly end. The login is of another test.
func TestPod(t *testing.T) {
	needStandIns(t)
	deployment, config, _ := manifest(t)
	scratch := t.TempDir()
	image := filepath.Join(scratch, "image")
	check(t, os.Mkdir(image, 0o755))
	check(t, copyFile("../../examples/node/server.mjs", filepath.Join(image, "server.mjs")))
	check(t, os.WriteFile(filepath.Join(image, "Dockerfile"), []byte("FROM "+nodeImage+"\nWORKDIR /app\nCOPY server.mjs ./\n"), 0o644))
	ask(t, "build", "-q", "-t", "shop:1", image)

	const address = bridgeAddress + ":8201"
	k := kubelet{t: t, pod: deployment.Spec.Template.Spec, dirs: map[string]string{}, vars: map[string]string{"VAULT_ADDR": "http://" + address, "VAULT_CACERT": ""}}
	for _, v := range k.pod.Volumes {
		k.dirs[v.Name] = filepath.Join(scratch, v.Name)
		check(t, os.Mkdir(k.dirs[v.Name], 0o755))
		check(t, os.Chown(k.dirs[v.Name], 1000, 1000))
	}
	text := strings.Replace(config.Data["vwrap.yaml"], "{method: kubernetes, role: shop, jwt_file: /var/run/secrets/vault/token}", "{token_file: /var/run/secrets/vault/token}", 1)
	check(t, os.WriteFile(filepath.Join(k.dirs["vwrap-config"], "vwrap.yaml"), []byte(text), 0o644))
	devVaultAt(t, address, filepath.Join(k.dirs["vwrap-config"], "vwrap.yaml"), filepath.Join(k.dirs["vault-token"], "token"))

	ask(t, append([]string{"run", "--rm", "--network", "none"}, k.flags(k.pod.InitContainers[0])...)...)
	c := container{t: t}
	main := k.pod.Containers[0]
	c.id = c.docker(append([]string{"run", "-d", "--network", "bridge"}, k.flags(main)...)...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the shop said:\n%s", c.said())
		}
		ask(t, "rm", "-f", c.id)
	})
	for _, probe := range []*core.Probe{main.StartupProbe, main.LivenessProbe} {
		check(t, poll(func() error {
			_, err := docker(append([]string{"exec", c.id}, probe.Exec.Command...)...)
			return err
		}))
	}
	port := main.Ports[0].ContainerPort
	check(t, poll(func() error {
		said, err := docker("exec", c.id, "wget", "-q", "-O", "-", fmt.Sprintf("http://127.0.0.1:%d%s", port, main.ReadinessProbe.HTTPGet.Path))
		if err == nil && !regexp.MustCompile(`^node \d+ .{20,}$`).MatchString(said) {
			err = fmt.Errorf("it answers %q", said)
		}
		return err
	}))
	c.docker("stop", "--time", "60", c.id)
	c.ends(0)
}

// devVaultAt runs vwrap dev on this machine with what config refers to, its root token in a file for the pods.
func devVaultAt(t *testing.T, address, config, token string) {
	t.Helper()
	binary, err := built.Vwrap(engine.scratch)
	check(t, err)
	server := exec.Command(binary, "dev", "--ci", "--server", "embedded", "--listen", address, "--i-know-this-is-exposed", "--config", config, "--token-file", token)
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	server.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "VWRAP_RUNTIME_DIR=" + t.TempDir()}
	check(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
		if t.Failed() {
			t.Logf("vwrap dev said:\n%s", said.String())
		}
	})
	check(t, poll(func() error { return os.Chown(token, 1000, 1000) }))
}
