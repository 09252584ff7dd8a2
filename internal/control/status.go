package control

import (
	"fmt"
	"time"
)

// Status is what a running vwrap says of itself. Times are in UTC; durations are in seconds.
type Status struct {
	PID        int           `json:"pid"` // vwrap's
	Version    string        `json:"version"`
	Command    string        `json:"command"` // the program, without its arguments
	Started    time.Time     `json:"started"`
	Generation uint64        `json:"generation"`
	Running    bool          `json:"running"`
	CommandPID int           `json:"command_pid,omitempty"`
	Since      *time.Time    `json:"command_since,omitempty"`
	Restarts   int           `json:"restarts"`
	State      string        `json:"state"` // running, fetching, restarting, stopping, …
	Problem    string        `json:"problem,omitempty"`
	Healthy    bool          `json:"healthy"`
	Unhealthy  []string      `json:"unhealthy,omitempty"` // why
	Vault      *Vault        `json:"vault,omitempty"`
	Token      *Token        `json:"token,omitempty"`
	Secrets    []Secret      `json:"secrets"`
	Live       bool          `json:"live"` // there is a live channel
	Now        time.Time     `json:"now"`
	Lead       time.Duration `json:"-"` // what a rotation may take
}

// Vault is where the secrets come from.
type Vault struct {
	Address string     `json:"address"`
	Outage  string     `json:"outage,omitempty"` // in which words it cannot be had
	Since   *time.Time `json:"outage_since,omitempty"`
}

// Token is vwrap's own hold on the server.
type Token struct {
	Own     bool       `json:"own"` // vwrap logged in for it
	Expires *time.Time `json:"expires,omitempty"`
	Next    string     `json:"next,omitempty"`
	At      *time.Time `json:"next_at,omitempty"`
}

// Secret is one read, and the variables that come from it.
type Secret struct {
	Variables []string   `json:"variables"`
	Source    string     `json:"source"` // vault, file, dotenv
	Path      string     `json:"path"`
	Kind      string     `json:"kind"` // static, leased, timed, rotated, kv1, kv2
	Version   int        `json:"version,omitempty"`
	Absent    bool       `json:"absent,omitempty"` // ?optional, and not there
	Granted   float64    `json:"granted_seconds,omitempty"`
	Left      *float64   `json:"ttl_seconds,omitempty"` // until it expires; under 0 when it has
	Expires   *time.Time `json:"expires,omitempty"`
	Next      string     `json:"next,omitempty"` // renew, look, replace, expire
	At        *time.Time `json:"next_at,omitempty"`
	Pending   string     `json:"pending,omitempty"` // why it is to be replaced
	Problem   string     `json:"problem,omitempty"` // of the last request about it
}

// Expired reports whether it is dead.
func (s Secret) Expired() bool { return s.Left != nil && *s.Left <= 0 }

// Judge says whether s is healthy, and why not: where a credential is dead, or about to be while the server cannot be had, and
// where no command runs that should.
func (s *Status) Judge() {
	for _, secret := range s.Secrets {
		switch {
		case secret.Expired():
			s.Unhealthy = append(s.Unhealthy, names(secret)+" has expired")
		case secret.Left != nil && s.Vault != nil && s.Vault.Outage != "" && *secret.Left < max(s.Lead.Seconds(), secret.Granted/10):
			s.Unhealthy = append(s.Unhealthy, names(secret)+" is about to expire, and Vault cannot be had: "+s.Vault.Outage)
		}
	}
	if !s.Running && s.State != "restarting" && s.State != "stopping" {
		s.Unhealthy = append(s.Unhealthy, "the command does not run: "+s.State)
	}
	s.Healthy = len(s.Unhealthy) == 0
}

func names(s Secret) string {
	if len(s.Variables) == 0 {
		return s.Path
	}
	text := s.Variables[0]
	for _, name := range s.Variables[1:] {
		text += ", " + name
	}
	return text
}

// Event is a rotation that was done.
type Event struct {
	Generation uint64   `json:"generation"`
	Variables  []string `json:"variables"`
	Action     string   `json:"action"`
}

// Require has s count as unhealthy where anything has less left than least.
func (s *Status) Require(least time.Duration) {
	for _, secret := range s.Secrets {
		if left := secret.Left; left != nil && *left > 0 && *left < least.Seconds() {
			s.Unhealthy = append(s.Unhealthy, fmt.Sprintf("%s has %s left, less than %s", names(secret), short(time.Duration(*left*float64(time.Second))), least))
		}
	}
	s.Healthy = len(s.Unhealthy) == 0
}
