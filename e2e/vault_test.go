package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vwrap/vwrap/e2e/built"
)

// vaultServer is a Vault or an OpenBao, and the root's way to talk to it.
type vaultServer struct {
	address string // with scheme
	token   string
	process *process // nil for one that the suite did not start
	output  string   // the file of what it printed
	ca      string   // the file of the CA of a server that serves TLS
	client  *http.Client
}

// sharedVault is the one server that scripts share; each has mounts of its own in it.
var sharedVault = sync.OnceValues(func() (*vaultServer, error) {
	if address := os.Getenv("VWRAP_E2E_ADDR"); address != "" {
		v := &vaultServer{address: strings.TrimSuffix(address, "/"), token: os.Getenv("VWRAP_E2E_TOKEN")}
		return v, v.awaitReady()
	}
	v, err := startVault()
	if err == nil {
		cleanup.add(v.stop)
	}
	return v, err
})

// startVault starts a server in development mode on a free port.
func startVault(flags ...string) (*vaultServer, error) {
	binary, err := built.Server()
	if err != nil {
		return nil, err
	}
	var failure error
	for range 3 { // somebody may take the free port between the look and the listen
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		v, err := startVaultAt("127.0.0.1:"+strconv.Itoa(port), "root-"+randomHex(12), binary, flags...)
		if err == nil {
			return v, nil
		}
		failure = err
	}
	return nil, failure
}

func startVaultAt(address, token, binary string, flags ...string) (*vaultServer, error) {
	dir, err := os.MkdirTemp(scratch, "vault-")
	if err != nil {
		return nil, fmt.Errorf("make Vault's folder: %w", err)
	}
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return nil, fmt.Errorf("make Vault's folder: %w", err)
	}
	defer output.Close()
	cmd := exec.Command(binary, append([]string{
		"server", "-dev", "-dev-no-store-token",
		"-dev-root-token-id=" + token, "-dev-listen-address=" + address, "-dev-tls-cert-dir=" + dir,
	}, flags...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = output, output
	p, err := startProcess(cmd, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	v := &vaultServer{address: "http://" + address, token: token, process: p, output: output.Name(), client: http.DefaultClient}
	if slices.Contains(flags, "-dev-tls") {
		v.address, v.ca = "https://"+address, filepath.Join(dir, "vault-ca.pem")
		v.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // our own, on loopback
	}
	if err := v.awaitReady(); err != nil {
		v.stop()
		said, _ := os.ReadFile(v.output)
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return v, nil
}

// awaitReady returns when the server is unsealed and serves.
func (v *vaultServer) awaitReady() error {
	err := poll(time.Minute, 20*time.Millisecond, func() error {
		if v.process != nil && !v.process.running() {
			return nil // asked once more below
		}
		_, err := v.do(http.MethodGet, "sys/health", nil)
		return err
	})
	if err == nil {
		_, err = v.do(http.MethodGet, "sys/health", nil)
	}
	if err != nil {
		return fmt.Errorf("wait for Vault at %s: %w", v.address, err)
	}
	return nil
}

func (v *vaultServer) stop() {
	if v.process != nil {
		v.process.stop(syscall.SIGTERM)
	}
}

var unsealKeyLine = regexp.MustCompile(`Unseal Key: (\S+)`)

// unsealKey is what a server in development mode prints at its start.
func (v *vaultServer) unsealKey() (string, error) {
	said, err := os.ReadFile(v.output)
	if err != nil {
		return "", fmt.Errorf("read Vault's output: %w", err)
	}
	match := unsealKeyLine.FindSubmatch(said)
	if match == nil {
		return "", errors.New("read Vault's output: it names no unseal key")
	}
	return string(match[1]), nil
}

// answer is what Vault says to a request, as far as scripts look at it.
type answer struct {
	LeaseID       string         `json:"lease_id"`
	LeaseDuration int            `json:"lease_duration"`
	Renewable     bool           `json:"renewable"`
	Data          map[string]any `json:"data"`
	Auth          map[string]any `json:"auth"`
	WrapInfo      map[string]any `json:"wrap_info"`
	Errors        []string       `json:"errors"`
}

// field looks a name up where the real client looks: in the wrapping, the login, the data, and the answer itself.
func (a answer) field(name string) (string, error) {
	places := []map[string]any{a.Auth, a.Data, {"lease_id": a.LeaseID}}
	switch name {
	case "wrapping_token":
		name, places = "token", []map[string]any{a.WrapInfo}
	case "token":
		name, places = "client_token", []map[string]any{a.Auth}
	}
	for _, place := range places {
		if value, ok := place[name]; ok {
			return plain(value)
		}
	}
	return "", fmt.Errorf("the answer has no field %q", name)
}

// plain is a string as it is, and anything else as JSON.
func plain(value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	encoded, err := json.Marshal(value)
	return string(encoded), err
}

// vaultError is an answer that is not a success.
type vaultError struct {
	status int
	path   string
	errors []string
}

func (e *vaultError) Error() string {
	return fmt.Sprintf("vault %s: status %d: %s", e.path, e.status, strings.Join(e.errors, "; "))
}

// do sends one request as root. Headers are pairs.
func (v *vaultServer) do(method, path string, body any, headers ...string) (answer, error) {
	var reply answer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return reply, fmt.Errorf("encode request: %w", err)
		}
		payload = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, v.address+"/v1/"+path, payload)
	if err != nil {
		return reply, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("X-Vault-Token", v.token)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := cmp.Or(v.client, http.DefaultClient).Do(request)
	if err != nil {
		return reply, fmt.Errorf("ask Vault: %w", err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return reply, fmt.Errorf("read Vault's answer: %w", err)
	}
	if len(content) > 0 {
		if err := json.Unmarshal(content, &reply); err != nil {
			return reply, fmt.Errorf("decode Vault's answer: %w", err)
		}
	}
	if response.StatusCode >= 300 {
		return reply, &vaultError{status: response.StatusCode, path: path, errors: reply.Errors}
	}
	return reply, nil
}

// tenant is one test's own part of a server: mounts that no other test uses.
type tenant struct {
	vault           *vaultServer
	tag             string // in every name that is the test's own
	kv, kv1, db     string // mount paths; db is mounted by its first role
	databaseMounted bool
}

func newTenant(v *vaultServer) (*tenant, error) {
	tag := randomHex(3)
	t := &tenant{tag: tag, kv: "kv2-" + tag, kv1: "kv1-" + tag, db: "database-" + tag}
	return t, t.moveTo(v)
}

// moveTo makes the tenant's mounts, by the same names, in another server.
func (t *tenant) moveTo(v *vaultServer) error {
	t.vault, t.databaseMounted = v, false
	if err := t.mount(t.kv, map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}); err != nil {
		return err
	}
	if err := t.mount(t.kv1, map[string]any{"type": "kv", "options": map[string]string{"version": "1"}}); err != nil {
		return err
	}
	// A new mount of version 2 answers 400 until it has set itself up.
	return poll(30*time.Second, 10*time.Millisecond, func() error {
		_, err := v.do(http.MethodGet, t.kv+"/config", nil)
		return err
	})
}

func (t *tenant) mount(path string, config map[string]any) error {
	_, err := t.vault.do(http.MethodPost, "sys/mounts/"+path, config)
	return err
}

// leave takes the tenant's mounts, and so its leases, away. What is gone already is as good.
func (t *tenant) leave() {
	for _, path := range []string{t.kv, t.kv1, t.db} {
		t.vault.do(http.MethodDelete, "sys/mounts/"+path, nil)
	}
}

// put writes a new version of a secret in the tenant's version 2 mount.
func (t *tenant) put(path string, fields map[string]any) error {
	_, err := t.vault.do(http.MethodPost, t.kv+"/data/"+path, map[string]any{"data": fields})
	return err
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random) // never fails
	return hex.EncodeToString(random)
}
