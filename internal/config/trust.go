package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrUntrusted is wrapped where credentials would go to an address that nobody approved.
var ErrUntrusted = errors.New("not approved")

// AddressFrom says who named an address.
type AddressFrom int

// The places an address can come from. Those of the user's own are trusted; a file may be somebody else's.
const (
	FromDefault AddressFrom = iota
	FromFlag
	FromEnvironment
	FromFile
)

// UntrustedError says which address is not approved, and how to approve it.
type UntrustedError struct {
	Address, File, Profile string
	Manifest               bool // it is that of check.manifest's server
}

// Error implements error.
func (e *UntrustedError) Error() string {
	if e.Manifest {
		return fmt.Sprintf("check.manifest of %s is at %s, which is %v: the manifest's token goes to where --manifest says, a loopback address or one that you approve: %s",
			e.File, e.Address, ErrUntrusted, e.Line())
	}
	return fmt.Sprintf("vault.address %s of %s is %v: credentials go to VAULT_ADDR, --address, a loopback address or one that you approve: %s",
		e.Address, e.File, ErrUntrusted, e.Line())
}

// Line is the command that approves, for a shell: a normal address needs no quotes.
func (e *UntrustedError) Line() string {
	line := "vwrap trust"
	if here, err := Here(); err != nil || here != e.File {
		line += " --config '" + strings.ReplaceAll(e.File, "'", `'\''`) + "'"
	}
	if e.Profile != "" {
		line += " --profile '" + strings.ReplaceAll(e.Profile, "'", `'\''`) + "'"
	}
	return line + " " + e.Address
}

// Unwrap makes it ErrUntrusted.
func (e *UntrustedError) Unwrap() error { return ErrUntrusted }

// Trusted returns nil where credentials may go to address: the user named it, it is on this machine, or the user
// approved it for c's file. Else it returns an *UntrustedError. A cloned repository must not be able to send
// somebody's token to a server of its choice.
func Trusted(c Config, address string, from AddressFrom, configDir string) error {
	normal, err := NormalizeAddress(address)
	if err != nil {
		return err
	}
	if from != FromFile || Loopback(address) {
		return nil
	}
	approved, err := Approved(configDir, c.File, normal)
	if err != nil {
		return err
	}
	if !approved {
		return &UntrustedError{Address: address, File: c.File, Profile: c.Profile}
	}
	return nil
}

// ManifestServer is the address of the server that check.manifest names, as NormalizeAddress has it; "" where it names none.
func (c Config) ManifestServer() string {
	u, err := url.Parse(c.Check.Manifest)
	if err != nil || u.Host == "" {
		return ""
	}
	server, err := NormalizeAddress((&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
	if err != nil {
		return ""
	}
	return server
}

// TrustedManifest is Trusted for the server of check.manifest, which c's file names, and the token for it.
func TrustedManifest(c Config, configDir string) error {
	server := c.ManifestServer()
	if server == "" {
		return fmt.Errorf("check.manifest of %s: a server that could be approved to get the token has an address as https://HOST:PORT/PATH", c.File)
	}
	err := Trusted(c, server, FromFile, configDir)
	if e, ok := errors.AsType[*UntrustedError](err); ok {
		e.Manifest = true
	}
	return err
}

// NormalizeAddress returns address with scheme and host in lower case, its port written out, and no trailing
// slash. Schemes are http, https and unix; user names, queries and fragments are refused.
func NormalizeAddress(address string) (string, error) {
	if strings.ContainsFunc(address, strange) {
		return "", errors.New("the address of Vault is not usable: want https://HOST:PORT")
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the address of Vault is not usable: want https://HOST:PORT")
	}
	scheme := strings.ToLower(u.Scheme)
	switch {
	case scheme == "unix" && u.Host == "" && u.Path != "":
		return "unix://" + filepath.Clean(u.Path), nil
	case (scheme != "http" && scheme != "https") || u.Hostname() == "":
		return "", errors.New("the address of Vault is not usable: want https://HOST:PORT")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port) + strings.TrimRight(u.Path, "/"), nil
}

// strange reports whether c has no place in an address: nothing that a shell would obey may stand in one, since
// vwrap shows lines to paste with it.
func strange(c rune) bool {
	fits := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".:/_-[]%@", c)
	return !fits
}

// Loopback reports whether address is on this machine: a Unix socket, localhost, 127.0.0.0/8 or ::1, written as
// such. What only looks like it (127.0.0.1.example, 0x7f.1, 2130706433) is not.
func Loopback(address string) bool {
	normal, err := NormalizeAddress(address)
	if err != nil {
		return false
	}
	u, err := url.Parse(normal)
	if err != nil {
		return false
	}
	if u.Scheme == "unix" || strings.TrimSuffix(u.Hostname(), ".") == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.Zone() == "" && ip.IsLoopback()
}

// approvals is the file of what the user approved: addresses by the vwrap.yaml that names them.
type approvals map[string][]string

func approvalsFile(configDir string) string { return filepath.Join(configDir, "vwrap", "trust.json") }

func readApprovals(configDir string) (approvals, error) {
	list := approvals{}
	if configDir == "" { // else it would be a file of the working directory, which may be somebody else's
		return list, nil
	}
	text, err := os.ReadFile(approvalsFile(configDir))
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read approved addresses: %w", err)
	}
	if json.Unmarshal(text, &list) != nil || list == nil { // nil: the text is null
		return nil, fmt.Errorf("read approved addresses: %s is damaged: remove it and approve anew", approvalsFile(configDir))
	}
	return list, nil
}

// identity is file as approvals know it: symbolic links resolved.
func identity(file string) (string, error) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", file, err)
	}
	return filepath.Abs(real)
}

// Approved reports whether the user approved address for file. configDir is the user's folder of configuration.
func Approved(configDir, file, address string) (bool, error) {
	list, err := readApprovals(configDir)
	if err != nil || len(list) == 0 {
		return false, err
	}
	id, err := identity(file)
	if err != nil {
		return false, err
	}
	normal, err := NormalizeAddress(address)
	return err == nil && slices.Contains(list[id], normal), err
}

// Approve notes that address is approved for file. An address is no secret.
func Approve(configDir, file, address string) error {
	if configDir == "" {
		return errors.New("approve an address: there is no config folder to keep it in")
	}
	list, err := readApprovals(configDir)
	if err != nil {
		return err
	}
	id, err := identity(file)
	if err != nil {
		return err
	}
	normal, err := NormalizeAddress(address)
	if err != nil {
		return err
	}
	if !slices.Contains(list[id], normal) {
		list[id] = append(list[id], normal)
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("approve %s: %w", normal, err)
	}
	return replaceFile(approvalsFile(configDir), append(text, '\n'))
}

// replaceFile writes a file whole or not at all, readable for its owner alone.
func replaceFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, ".trust-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
