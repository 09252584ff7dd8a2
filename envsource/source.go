// Package envsource is where an environment comes from: it parses references, groups them into reads, makes each
// read once, side by side, and composes one environment.
//
// It knows no process and no server: a Source answers the reads. Values pass through this package only in the
// courier, a process that becomes the user's command; Plan and Holding, which the supervisor sees, have none.
package envsource

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The sources a reference can name.
const (
	SourceVault  = "vault"
	SourceFile   = "file"
	SourceDotenv = "dotenv"
)

// The methods of a read. A write is a read too: one that a server answers with a secret (pki/issue, …).
const (
	MethodRead  = "read"
	MethodWrite = "write"
)

// FileField is the one field that a file read answers with.
const FileField = "content"

// Errors that a Source wraps, so that the caller knows what to do about them.
var (
	// ErrUnavailable: no answer could be had (refused, timed out, sealed, 429, 5xx). Worth another try.
	ErrUnavailable = errors.New("unavailable")
	// ErrMissing: there is an answer, and it is that nothing is there. Ends a ?optional at its fallback.
	ErrMissing = errors.New("missing")
	// ErrDenied: the server knows who asks and refuses.
	ErrDenied = errors.New("denied")
)

// Mark returns an error that reads as err and is kind besides (errors.Is), as well as what err is.
func Mark(err, kind error) error { return marked{err, kind} }

type marked struct {
	error
	kind error
}

func (m marked) Unwrap() []error { return []error{m.error, m.kind} }

// Read is one question to a source. Two references with the same Read share one answer.
type Read struct {
	Source    string
	Namespace string
	Path      string // as written, or, once located, as the server has it
	Method    string
	Version   int             // KV v2: a fixed version; 0 is the latest
	Data      json.RawMessage // of a write: compact JSON, keys sorted
	Mount     string          // once located: the mount's path, with its closing slash
	Kind      Kind            // once located: what the mount is known to hold
}

// Key is the identity of r: all of it.
func (r Read) Key() string {
	var key []byte
	for _, part := range []string{r.Source, r.Namespace, r.Path, r.Method, r.Mount, string(r.Kind)} {
		key = strconv.AppendQuote(key, part)
	}
	key = strconv.AppendInt(key, int64(r.Version), 10)
	return string(append(key, r.Data...))
}

// String is r as a person names it: the path as Vault's own kv command takes it, after its namespace.
func (r Read) String() string {
	path := r.Path
	if rest, ok := strings.CutPrefix(path, r.Mount+"data/"); ok && r.Kind == KindKV2 {
		path = r.Mount + rest
	}
	return strings.TrimPrefix(r.Namespace+"/"+path, "/")
}

// Kind says how the end of what was read is known, and so how it is kept.
type Kind string

const (
	// KindStatic is read once: files, fixed versions, answers of which no end is known.
	KindStatic Kind = "static"
	// KindLeased has a lease ID: renewed, replaced, revoked.
	KindLeased Kind = "leased"
	// KindTimed has an end, but no lease (a certificate, a signed token): it is read anew before that.
	KindTimed Kind = "timed"
	// KindRotated is changed by the server when its time has come (a static role): read again by a probe then.
	KindRotated Kind = "rotated"
	// KindKV1 has no lease and no version: polled by a probe.
	KindKV1 Kind = "kv1"
	// KindKV2 has a version: polled through its metadata.
	KindKV2 Kind = "kv2"
)

// Answer is what a source says to a Read. It holds values: it lives in the courier alone.
type Answer struct {
	Fields    map[string]json.RawMessage
	Kind      Kind
	LeaseID   string
	TTL       time.Duration // of the lease, as granted, or to the end that is known; 0 where there is none
	Renewable bool
	Version   int       // KV v2: the version that was read
	Stamp     string    // KV v2: what tells that version from every other
	Asked     time.Time // just before the request was sent: a TTL counts from here
	Warnings  []string  // what the server said besides, without values
}

// Source answers reads. Both methods are called side by side.
//
// Locate returns r with the path as the server has it (secret/dev/db → secret/data/dev/db on KV v2), so that two
// spellings of one secret are read once. Read answers a located Read. An error wraps ErrUnavailable, ErrMissing
// or ErrDenied where one of them is true, and never contains a value.
type Source interface {
	Locate(ctx context.Context, r Read) (Read, error)
	Read(ctx context.Context, r Read) (Answer, error)
}

// Holding is what a generation holds of one read: what the supervisor may know. It has no value in it.
type Holding struct {
	Key       string // Read.Key of the located read
	Read      Read
	Written   []string // Read.Key of the reads as written that it answers
	Kind      Kind
	LeaseID   string
	TTL       time.Duration // in nanoseconds
	Renewable bool
	Version   int
	Stamp     string        // what tells that version from every other
	Age       time.Duration // from the request to the report
	Asked     time.Time     `wire:"-"` // set by who receives the report: receipt − Age
	Epoch     int           `wire:"-"` // which token it was read with: set by who sent the orders
	Digest    string        // keyed HMAC of the fields in use; "" where the secret is absent
	Variables []string      // the names that come from it
	Absent    bool
}

// Notice is what the keeper of a generation's holdings tells the wrapper: one of them needs it.
type Notice struct {
	Key     string    // of the holding
	Reason  string    // for the log; no value
	Confirm bool      // the value may be the same still: compare before anything is stopped
	Probe   bool      // there is no telling without a probe
	Expired bool      // it is dead already
	By      time.Time // when it ends; zero where that is not known
}
