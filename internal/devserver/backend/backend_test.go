package backend

import (
	"net"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsHereIsTaken(t *testing.T) {
	t.Parallel()
	for want, will := range map[string][]string{
		Embedded: nil, Devvault: {Devvault}, Vault: {Devvault, Vault}, Bao: {Devvault, Vault, Bao},
	} {
		if got := choose(func(kind string) bool { return slices.Contains(will, kind) }); got != want {
			t.Errorf("%v: got %s, want %s", will, got, want)
		}
	}
}

func TestWhere(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"127.0.0.1:8300": "127.0.0.1:8300", "localhost:0": "127.0.0.1:0", "[::1]:8200": "[::1]:8200", "127.8.8.8:1": "127.8.8.8:1",
		"0.0.0.0:8200": "", ":8200": "", "192.168.1.1:8200": "", "example.com:8200": "", "8200": "", "127.0.0.1:http": "", "127.0.0.1:70000": "",
	} {
		got, err := Where(given, false, false)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", given, got, err)
		}
	}
	if got, err := Where("0.0.0.0:8200", false, true); err != nil || got != "0.0.0.0:8200" {
		t.Errorf("exposed: got %q, %v", got, err)
	}
	if got, err := Where("", false, false); err != nil || got != "127.0.0.1:0" {
		t.Errorf("nothing given: got %q, %v", got, err)
	}
	got, err := Where("", true, false)
	if err != nil || !strings.HasPrefix(got, "127.0.0.1:82") {
		t.Errorf("nothing given, 8200 first: got %q, %v", got, err)
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if _, err := startEmbedded(Options{Listen: l.Addr().String()}); err == nil || !strings.Contains(err.Error(), "take another --listen") {
		t.Errorf("got %v", err)
	}
}

func TestUnsealKey(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Unseal Key: abc=":       "abc=",
		"  Unseal Key: abc=  \r": "abc=",
		"ready VAULT_ADDR=http://127.0.0.1:1 VAULT_TOKEN=x UNSEAL_KEY=abc=": "abc=",
		"Root Token: x": "", "": "", "The unseal key and root token are displayed below": "",
	} {
		if got := unsealKey(line); got != want {
			t.Errorf("%q: got %q", line, got)
		}
	}
}

func TestImagesHaveAVersion(t *testing.T) {
	t.Parallel()
	for image, ok := range map[string]bool{
		DefaultImage: true, "localhost:5000/vault:1.2": true, "openbao/openbao:2.4.1": true, "vault:1.2-rc_1": true, "a.b/c-d__e/f:1": true,
		"hashicorp/vault@sha256:" + strings.Repeat("a1", 32): true, "v:latest@sha256:" + strings.Repeat("a1", 32): true,
		"": false, "-v:1": false, "--volume=/:/host:rw": false, "--privileged:1": false, "vault:1 --privileged": false, "vault:1\n": false,
		"/vault:1": false, "vault/:1": false, "vault:-1": false, "vault@sha256:12": false, "$(touch x):1": false, "http://vault:1": false,
		"hashicorp/vault": false, "hashicorp/vault:latest": false, "localhost:5000/vault": false, "a:": false,
	} {
		if err := CheckImage(image); (err == nil) != ok {
			t.Errorf("%s: %v", image, err)
		}
	}
}
