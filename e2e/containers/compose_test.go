package containers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// composed is a project of Compose, run by the real one.
type composed struct {
	t           *testing.T
	folder      string
	files, vars []string
}

// compose copies an example and returns its project; what is left of it is removed after the test.
func compose(t *testing.T, example string) *composed {
	t.Helper()
	needStandIns(t)
	c := &composed{t: t, folder: filepath.Join(t.TempDir(), filepath.Base(example)), files: []string{"compose.yaml"}}
	check(t, os.CopyFS(c.folder, os.DirFS(example)))
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := c.command("logs", "--no-color").CombinedOutput()
			t.Logf("the services said:\n%s", logs)
		}
		if _, err := c.try("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "1"); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *composed) command(args ...string) *exec.Cmd {
	line := []string{"compose", "--progress", "plain", "--project-directory", c.folder}
	for _, f := range c.files {
		line = append(line, "--file", filepath.Join(c.folder, f))
	}
	cmd := client(append(line, args...)...)
	cmd.Dir, cmd.Env = c.folder, append(cmd.Env, c.vars...)
	return cmd
}

// try returns what the command says on stdout.
func (c *composed) try(args ...string) (string, error) {
	cmd := c.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker compose %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (c *composed) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	check(c.t, err)
	return out
}

// container is the ID of a service's.
func (c *composed) container(service string) string {
	c.t.Helper()
	return c.run("ps", "--all", "--quiet", service)
}

// says waits until a service has said text n times.
func (c *composed) says(service, text string, n int) {
	c.t.Helper()
	check(c.t, poll(func() error {
		said, err := c.command("logs", "--no-color", "--no-log-prefix", service).CombinedOutput()
		if err != nil {
			return err
		}
		if got := strings.Count(string(said), text); got < n {
			return fmt.Errorf("%s has said %q %d times, not %d", service, text, got, n)
		}
		return nil
	}))
}

// freePort is one that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	check(t, err)
	return port
}

// shop is examples/compose.
type shop struct {
	*composed
	address string
}

func startShop(t *testing.T) shop {
	t.Helper()
	s := shop{composed: compose(t, "../../examples/compose")}
	port := freePort(t)
	s.address = "http://127.0.0.1:" + port
	s.vars = []string{"WEB_PORT=" + port, "VAULT_PORT=" + freePort(t)}

	check(t, os.Mkdir(filepath.Join(s.folder, ".secrets"), 0o700))
	s.put("postgres_password", "initial-"+filepath.Base(t.TempDir())+"-of-postgres")
	s.setup()
	s.run("up", "--build", "--wait", "web")
	return s
}

func (s shop) put(secret, text string) {
	s.t.Helper()
	check(s.t, os.WriteFile(filepath.Join(s.folder, ".secrets", secret), []byte(text+"\n"), 0o644))
}

// setup is the README's line.
func (s shop) setup() {
	s.t.Helper()
	token := s.run("run", "--rm", "-T", "setup")
	if !strings.HasPrefix(token, "hvs.") {
		s.t.Fatalf("setup says %q", token)
	}
	s.put("web_secret_id", token)
}

// user is the database user of the shop that answers.
func (s shop) user() (name string) {
	s.t.Helper()
	check(s.t, poll(func() (err error) { name, err = s.askUser(); return err }))
	return name
}

func (s shop) askUser() (string, error) {
	answer, err := http.Get(s.address)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var got struct {
		User   string
		Orders int
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if json.Unmarshal(text, &got) != nil || got.Orders != 2 || !strings.HasPrefix(got.User, "v-") {
		return "", fmt.Errorf("the shop answers %s, %q", answer.Status, text)
	}
	return got.User, nil
}

// roles are the users that Vault has made in PostgreSQL.
func (s shop) roles() []string {
	s.t.Helper()
	return strings.Fields(s.run("exec", "-T", "postgres", "psql", "-U", "postgres", "-Atc", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%'", "shop"))
}

// environment is that of the program.
func (s shop) environment() map[string]string {
	s.t.Helper()
	text := s.run("exec", "-T", "web", "sh", "-c",
		`for p in /proc/[0-9]*; do case $(tr '\0' ' ' <$p/cmdline) in "node server.mjs "*) tr '\0' '\n' <$p/environ; exit;; esac; done`)
	env := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	return env
}

var tokens = regexp.MustCompile(`hvs\.[A-Za-z0-9_-]{24,}`)

// secretsOf are what must be nowhere: what the program has, what set the shop up, and whatever looks like a token.
func (s shop) secretsOf(env map[string]string) []*regexp.Regexp {
	s.t.Helper()
	password := regexp.MustCompile(`//[^:]+:([^@]+)@`).FindStringSubmatch(env["DATABASE_URL"])
	if password == nil || len(password[1]) < 16 || len(env["API_KEY"]) < 24 {
		s.t.Fatalf("the program has no secrets, but the names %v", slices.Collect(func(yield func(string) bool) {
			for name := range env {
				if !yield(name) {
					return
				}
			}
		}))
	}
	folder, err := docker("volume", "inspect", "--format", "{{.Mountpoint}}", "shop_vault-keys")
	check(s.t, err)
	keys, err := os.ReadFile(filepath.Join(folder, "init"))
	check(s.t, err)
	unseal := regexp.MustCompile(`Unseal Key 1: (\S+)`).FindSubmatch(keys)
	first, err := os.ReadFile(filepath.Join(s.folder, ".secrets/postgres_password"))
	check(s.t, err)
	secrets := []*regexp.Regexp{tokens}
	for _, text := range []string{password[1], env["API_KEY"], string(unseal[1]), strings.TrimSpace(string(first))} {
		secrets = append(secrets, regexp.MustCompile(regexp.QuoteMeta(text)))
	}
	return secrets
}

// shown is what Docker shows of a container; kept is what it keeps of it and its image. Who may see any of it may see all.
func shown(container string) map[string][]string {
	return map[string][]string{"inspect": {"inspect", container}, "logs": {"logs", container}, "diff": {"diff", container}}
}

func kept(t *testing.T, container string) map[string][]string {
	t.Helper()
	image := ask(t, "inspect", "--format", "{{.Image}}", container)
	return map[string][]string{
		"inspect of the image": {"inspect", image}, "history": {"history", "--no-trunc", image},
		"the container's files": {"export", container}, "the image's layers": {"save", image},
	}
}

// ask is docker, where it has to succeed.
func ask(t *testing.T, args ...string) string {
	t.Helper()
	out, err := docker(args...)
	check(t, err)
	return out
}

// leaks names the places that have one of the secrets.
func leaks(t *testing.T, places map[string][]string, secrets []*regexp.Regexp) (found []string) {
	t.Helper()
	for name, args := range places {
		out, err := client(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("docker %v: %v", args, err)
		}
		if slices.ContainsFunc(secrets, func(s *regexp.Regexp) bool { return s.Match(out) }) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// TestComposeShop: examples/compose as its README says, through a rotation and Vault's restart to its end, and then with
// Docker's init before vwrap.
func TestComposeShop(t *testing.T) {
	s := startShop(t)
	web := s.container("web")
	first, env := s.user(), s.environment()
	if who := s.run("exec", "-T", "web", "cat", "/proc/1/comm"); who != "vwrap" {
		t.Errorf("PID 1 is %s", who)
	}

	s.run("exec", "-T", "web", "vwrap", "rotate", "DATABASE_URL")
	s.says("web", "listening", 2)
	if second := s.user(); second == first {
		t.Errorf("after a rotation the user is still %s", second)
	}
	if roles := s.roles(); len(roles) != 1 {
		t.Errorf("after a rotation there are %v", roles)
	}

	s.restartVault()
	if container := s.container("web"); container != web {
		t.Errorf("the web's container is another one, %s", container)
	}
	s.nothingLeaks(env)
	s.stops(web)

	s.files = append(s.files, "compose.init.yaml")
	s.setup()
	s.run("up", "--wait", "web")
	s.user()
	web = s.container("web")
	if who := s.run("exec", "-T", "web", "cat", "/proc/1/comm"); who == "vwrap" {
		t.Errorf("with an init PID 1 is %s", who)
	}
	s.stops(web)
}

// restartVault: the shop goes on without Vault, is told of its end once, and rotates when it is back.
func (s shop) restartVault() {
	s.t.Helper()
	before := s.user()
	s.run("restart", "vault")
	s.says("web", "is sealed: unseal it: the command goes on", 1)
	if during := s.user(); during != before {
		s.t.Errorf("without Vault the user is %s, and was %s", during, before)
	}
	s.setup() // unseals
	s.says("web", "Vault answers again", 1)
	s.run("exec", "-T", "web", "vwrap", "rotate", "--all")
	s.says("web", "listening", 3)
	if after := s.user(); after == before {
		s.t.Errorf("after Vault's restart a rotation leaves %s", after)
	}
}

// nothingLeaks: and where something does it is found.
func (s shop) nothingLeaks(first map[string]string) {
	s.t.Helper()
	secrets := append(s.secretsOf(first), s.secretsOf(s.environment())...)
	for _, service := range []string{"web", "vault", "postgres"} {
		if found := leaks(s.t, shown(s.container(service)), secrets); len(found) > 0 {
			s.t.Errorf("of %s a secret is in %v", service, found)
		}
	}
	if found := leaks(s.t, kept(s.t, s.container("web")), secrets); len(found) > 0 {
		s.t.Errorf("of web a secret is in %v", found)
	}
	const mounted = "A /run\nA /run/secrets\nA /run/secrets/web_secret_id" // where the secret's file is bound
	if diff, err := docker("diff", s.container("web")); err != nil || diff != mounted {
		s.t.Errorf("of a read-only container docker diff says %q (%v)", diff, err)
	}

	image := ask(s.t, "inspect", "--format", "{{.Image}}", s.container("web"))
	control := ask(s.t, "create", "--network", "none", "--env", "KEY="+first["API_KEY"], image, "sh", "-c", `echo "$KEY" | tee /tmp/key`)
	defer docker("rm", control)
	ask(s.t, "start", "--attach", control)
	found := append(leaks(s.t, shown(control), secrets), leaks(s.t, kept(s.t, control), secrets)...)
	if want := []string{"inspect", "logs", "the container's files"}; !slices.Equal(found, want) {
		s.t.Errorf("of what does leak a secret is found in %v, not in %v", found, want)
	}
}

// stops: docker stop is a TERM that the program takes its time for, and leaves nothing at Vault.
func (s shop) stops(container string) {
	s.t.Helper()
	ask(s.t, "stop", "--time", "60", container) // the test's machine may be slow
	if status := ask(s.t, "inspect", "--format", "{{.State.ExitCode}}", container); status != "0" {
		s.t.Errorf("it ends with %s", status)
	}
	if said, err := client("logs", container).CombinedOutput(); err != nil || !strings.HasSuffix(strings.TrimSpace(string(said)), "closed") {
		s.t.Errorf("the shop does not end by itself (%v):\n%s", err, said)
	}
	if roles := s.roles(); len(roles) > 0 {
		s.t.Errorf("left in PostgreSQL are %v", roles)
	}
}
