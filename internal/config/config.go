// Package config is vwrap.yaml as plain values: read strictly, with the place of every error, its defaults filled
// in, its profile laid over it. It also keeps the list of Vault addresses that the user trusts a vwrap.yaml with.
//
// It knows files and YAML, and neither Vault nor flags: the command line lays those over a Config by itself.
package config

import (
	"errors"
	"fmt"
	"time"
)

// Config is what vwrap.yaml and its profile say, with the defaults filled in.
type Config struct {
	File     string // the file that was read, absolute; "" where there is none
	Profile  string
	Vault    Vault
	Env      []Entry // in the file's order
	Secrets  []Secret
	Fallback []string // dotenv files; relative ones are made relative to the file's folder
	Rotation Rotation
	Live     bool
	Users    []string // live_users
	Dev      Dev
	Check    Check
}

// Vault says where the server is and how to log in.
type Vault struct {
	Address, Namespace string
	Auth               Auth
	TokenTTL           time.Duration // the dead man's switch; 0 is off
}

// Auth is vault.auth.
type Auth struct {
	Method          string // one of methods
	Mount           string // "" is the method's name
	TokenFile       string
	RoleID          string
	SecretIDFile    string
	SecretIDWrapped bool
	Role            string
	JWTFile         string
	JWTEnv          string // a variable's name
	Audience        string
	Username        string
	PasswordFile    string
}

// Entry is one line of env: a name, and a text that may be or contain references.
type Entry struct {
	Name, Value string
	Line        int
}

// Binding gives a field of a secret a variable's name.
type Binding struct{ Var, Field string }

// Secret is one entry of secrets.
type Secret struct {
	Path, Prefix string
	Method       string // "read" or "write"
	Data         map[string]any
	Env          []Binding
	OnRotate     Action        // "" inherits rotation.action
	Poll         time.Duration // 0 inherits rotation.poll
	Line         int
}

// Action is what a rotation does to the command.
type Action string

// The actions.
const (
	Restart Action = "restart"
	Signal  Action = "signal"
	Overlap Action = "overlap"
	None    Action = "none"
	Exit    Action = "exit"
)

var actions = []string{string(Restart), string(Signal), string(Overlap), string(None), string(Exit)}

// Rotation is how the command is treated when a value changes.
type Rotation struct {
	Action       Action
	ActionSet    bool   // by the file or the command line: not the default
	Signal       string // for the action signal
	StopSignal   string
	StopGrace    time.Duration
	Settle       time.Duration
	Splay        time.Duration
	Order        string  // "fetch-first" or "stop-first"
	RenewAt      float64 // the part of a granted TTL, in (0, 1)
	Poll         time.Duration
	OnExpiry     string // "keep" or "stop"
	ReleaseAfter time.Duration
	Listen       []string
	Ready        Ready
}

// Ready says when an overlapping generation serves.
type Ready struct {
	Notify         bool
	TCP, HTTP      string
	Delay, Timeout time.Duration
}

// Check is what vwrap check looks at.
type Check struct {
	Manifest, Path string
	MinTTL         time.Duration
	Aliases        [][]string // address_aliases
}

// Defaults is what a Config is where nothing is said.
func Defaults() Config {
	return Config{
		Vault: Vault{Auth: Auth{Method: "token"}},
		Rotation: Rotation{
			Action: Restart, Signal: "HUP", StopSignal: "TERM", StopGrace: 7 * time.Second, Settle: 2 * time.Second,
			Order: "fetch-first", RenewAt: 0.67, Poll: 30 * time.Second, OnExpiry: "keep",
			Ready: Ready{Timeout: 30 * time.Second},
		},
		Check: Check{MinTTL: 300 * time.Second},
	}
}

// Validate returns everything that is out of range in c, a line each. The command line calls it again after it
// has laid its flags over c.
func Validate(c Config) error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	r := c.Rotation
	bad(!oneOf(string(r.Action), actions), "rotation.action: %q is unknown (want %s)", r.Action, or(actions))
	bad(!oneOf(r.Order, orders), "rotation.order: %q is unknown (want %s)", r.Order, or(orders))
	bad(!oneOf(r.OnExpiry, expiries), "rotation.on_expiry: %q is unknown (want %s)", r.OnExpiry, or(expiries))
	bad(!(r.RenewAt > 0 && r.RenewAt < 1), // so that NaN is out of range too
		"rotation.renew_at: %v is not between 0 and 1", r.RenewAt)
	bad(r.Poll < time.Second, "rotation.poll: %s is under 1s", r.Poll)
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"rotation.stop_grace", r.StopGrace},
		{"rotation.settle", r.Settle},
		{"rotation.splay", r.Splay},
		{"rotation.release_after", r.ReleaseAfter},
		{"rotation.ready.delay", r.Ready.Delay},
		{"rotation.ready.timeout", r.Ready.Timeout},
		{"vault.token_ttl", c.Vault.TokenTTL},
		{"check.min_ttl", c.Check.MinTTL},
	} {
		bad(d.value < 0, "%s: %s is negative", d.key, d.value)
	}
	bad(c.Vault.TokenTTL > 0 && c.Vault.TokenTTL < 5*time.Second, "vault.token_ttl: %s is under 5s", c.Vault.TokenTTL)
	bad(!oneOf(c.Vault.Auth.Method, methods), "vault.auth.method: %q is unknown (want %s)", c.Vault.Auth.Method, or(methods))
	return errors.Join(errs...)
}

var (
	orders        = []string{"fetch-first", "stop-first"}
	expiries      = []string{"keep", "stop"}
	methods       = []string{"token", "approle", "kubernetes", "jwt", "userpass", "ldap", "cert"}
	secretMethods = []string{"read", "write"}
)
