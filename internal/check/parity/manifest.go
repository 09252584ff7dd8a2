package parity

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Manifest is what has to be there.
type Manifest struct {
	name     string // of the file, or where else it is from
	local    bool   // it is a file, so that a finding can point into it
	keys     []key  // sorted as folded
	fold     fold
	unlisted string // what it means that a key is there and not in the manifest
}

// need is whether a key has to be there.
type need string

const (
	required  need = "required_keys"
	optional  need = "optional_keys"
	forbidden need = "forbidden_keys"
)

// What unlisted can be.
const (
	unlistedDrift  = "drift"
	unlistedWarn   = "warn"
	unlistedIgnore = "ignore"
)

// key is one entry.
type key struct {
	name          string // as it is written
	secret, field string
	hasField      bool
	folded        [2]string // secret and field
	need          need
	rules         *rules // nil is none
	line          int
}

// identity orders keys; two that it does not tell apart are one.
func identity(a, b key) int {
	return cmp.Or(cmp.Compare(a.folded[0], b.folded[0]), cmp.Compare(a.folded[1], b.folded[1]))
}

// rules are what a key's value has to be like. They are answered with yes or no.
type rules struct {
	pattern      *regexp.Regexp
	minLength    int // bytes
	notOlderThan time.Duration
	oldest       string // notOlderThan as it is written
	schema       *schema
}

// ofValue reports whether the value has to be read to answer.
func (r *rules) ofValue() bool {
	return r != nil && (r.pattern != nil || r.minLength > 0 || r.schema != nil)
}

// ofAge reports whether it matters when the value was written.
func (r *rules) ofAge() bool { return r != nil && r.notOlderThan > 0 }

// String is the name that the manifest was given.
func (m Manifest) String() string { return m.name }

// NeedsValues reports whether the manifest says something of values or of fields, so that secrets have to be read.
func (m Manifest) NeedsValues() bool {
	for _, k := range m.keys {
		if k.hasField || k.rules.ofValue() {
			return true
		}
	}
	return false
}

// nameOf is where a manifest is from, without the credentials that an address may have in it.
func nameOf(where string) string {
	if where == "-" {
		return "standard input"
	}
	u, err := url.Parse(where)
	switch {
	case fromFile(where):
		return where
	case err != nil:
		return "the manifest"
	}
	return withoutCredentials(u)
}

// withoutCredentials is where u leads, without a user's part and a query.
func withoutCredentials(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// fromFile reports whether name is that of a file.
func fromFile(name string) bool { return name != "-" && !strings.Contains(name, "://") }
