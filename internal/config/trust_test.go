package config

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"http://127.0.0.1:8200": true, "https://127.9.9.9": true, "http://[::1]:8200": true, "http://localhost:8200": true,
		"http://LOCALHOST.:8200": true, "unix:///run/vault.sock": true, "HTTP://127.0.0.1": true, "http://[::ffff:127.0.0.1]": true,
		"http://127.0.0.1.example:8200": false, "http://localhost.example": false, "http://0x7f.1": false, "http://2130706433": false,
		"http://127.1": false, "http://user@127.0.0.1": false, "http://127.0.0.1@evil.example": false, "http://0.0.0.0:8200": false,
		"http://127.0.0.1#@evil.example": false, "http://127.0.0.1:8200?x": false, "ftp://127.0.0.1": false, "127.0.0.1:8200": false,
		"": false, "http://": false, "http:127.0.0.1": false, "http://[::1%25lo]:1": false, "http://127.0.0.1\\@evil.example": false,
		"unix://evil.example/x": false, "//127.0.0.1": false, "http://①②⑦.0.0.1": false,
	} {
		if got := Loopback(address); got != want {
			t.Errorf("Loopback(%q) = %v", address, got)
		}
	}
}

func FuzzLoopback(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1:8200", "http://127.0.0.1@x", "http://[::1]", "unix:///a", "http://localhost."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if !Loopback(address) {
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.User != nil {
			t.Fatalf("%q is taken for loopback", address)
		}
		if host := u.Hostname(); u.Scheme != "unix" && host != "" {
			if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() {
				t.Errorf("%q is taken for loopback", address)
			}
		}
	})
}

func TestTrust(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "repo", Name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	conf, user := Config{File: file}, filepath.Join(dir, "config")
	const address = "https://vault.example"
	for _, from := range []AddressFrom{FromFlag, FromEnvironment, FromDefault} {
		if err := Trusted(conf, address, from, user); err != nil {
			t.Errorf("the user's own address is refused: %v", err)
		}
	}
	err := Trusted(conf, address, FromFile, user)
	var untrusted *UntrustedError
	if !errors.Is(err, ErrUntrusted) || !errors.As(err, &untrusted) || untrusted.Address != address {
		t.Fatalf("a file's address is taken: %v", err)
	}
	if err := Approve(user, file, "HTTPS://Vault.example:443/"); err != nil {
		t.Fatal(err)
	}
	if err := Trusted(conf, address, FromFile, user); err != nil {
		t.Errorf("approved, and refused: %v", err)
	}
	for _, other := range []string{"http://vault.example", "https://vault.example:8443", "https://vault.example.evil", "https://vault.example/x"} {
		if err := Trusted(conf, other, FromFile, user); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s passes for %s: %v", other, address, err)
		}
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := Trusted(Config{File: link}, address, FromFile, user); err != nil {
		t.Errorf("the same file by another name: %v", err)
	}
	second := filepath.Join(dir, Name)
	if err := os.WriteFile(second, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Trusted(Config{File: second}, address, FromFile, user); !errors.Is(err, ErrUntrusted) {
		t.Errorf("approved for one file, taken from another: %v", err)
	}
	info, err := os.Stat(approvalsFile(user))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the list's mode: %v, %v", info.Mode(), err)
	}
	for _, damaged := range []string{"{", "null", "[]", ""} {
		if err := os.WriteFile(approvalsFile(user), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Trusted(conf, address, FromFile, user); err == nil || errors.Is(err, ErrUntrusted) {
			t.Errorf("a damaged list %q: %v", damaged, err)
		}
		if err := Approve(user, file, address); err == nil {
			t.Errorf("a damaged list %q is written over", damaged)
		}
	}
}

// Without a config folder nothing is approved, and a repository cannot bring approvals of its own along.
func TestTrustWithoutConfigFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	file, err := filepath.Abs(Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const address = "https://evil.example:443"
	if err := os.Mkdir("vwrap", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("vwrap/trust.json", []byte(`{"`+file+`": ["`+address+`"]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Trusted(Config{File: file}, address, FromFile, ""); !errors.Is(err, ErrUntrusted) {
		t.Errorf("the repository approves its own address: %v", err)
	}
	if err := Approve("", file, address); err == nil {
		t.Error("approved nowhere")
	}
}

// What the file says of its manifest's server is no more than a wish, however it is written.
func TestTrustedManifest(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, Name)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Approve(dir, file, "https://approved.example"); err != nil {
		t.Fatal(err)
	}
	for manifest, ok := range map[string]bool{
		"https://approved.example/keys.yaml?x=1": true, "HTTPS://Approved.Example:443/other": true, "http://127.0.0.1:8080/keys": true, "http://[::1]/": true,
		"https://approved.example:444/keys": false, "http://approved.example/keys": false, "https://approved.example.evil.example/": false,
		"https://approved.example@evil.example/": false, "https://evil.example/?https://approved.example": false, "https://\xfcml.example/": false,
		"https://e vil/": false, "://": false, "https:///keys": false, "http://127.0.0.1@evil.example/": false,
	} {
		conf := Config{File: file}
		conf.Check.Manifest = manifest
		if err := TrustedManifest(conf, dir); (err == nil) != ok {
			t.Errorf("%s: %v", manifest, err)
		}
	}
}
