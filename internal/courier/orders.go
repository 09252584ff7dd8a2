// Package courier is the process between Vault and the user's command, and the supervisor's hold on it.
//
// A courier is vwrap executed again. It gets its orders over a pipe, fetches what is due, takes the rest from the
// last generation's sealed memory file, composes the environment, seals what the next one needs into a memory file
// of its own, reports what it holds, without values, waits at the gate, and executes the user's command in place.
// So values pass through a process that is gone a moment later, and never through the supervisor.
//
// Serve is the courier's side, Launcher and Courier the supervisor's.
package courier

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/wire"
)

// Errand is what a courier is sent for.
type Errand string

const (
	// Launch fetches, waits at the gate, and becomes the command.
	Launch Errand = "launch"
	// Refresh fetches, seals and reports, and is gone: for a program that is told, not replaced.
	Refresh Errand = "refresh"
	// Probe reads what mints no lease, reports the digests, and is gone.
	Probe Errand = "probe"
)

// Task is what one courier is to do.
type Task struct {
	Errand Errand
	Due    []string // keys to read anew; all else is carried over
	Strict bool     // what is due and cannot be read is an error: the old value is dead
}

// Heading is what a courier is told before its orders, as soon as it is known: where they will send it, so that it can be
// on its way while vwrap logs in. No credential is in it.
type Heading struct {
	Vault vault.Config
	Reads int // how many requests it is likely to make side by side
}

// Orders are what a courier is told. They have the token in them and travel over a pipe alone.
type Orders struct {
	Task
	Input     envsource.Input
	Carry     bool // the last generation's memory file is there
	Argv      []string
	Vault     vault.Config `wire:"-"` // in the heading
	Token     secret.Text  `wire:"-"` // on the pipe alone
	Outage    string       // why Vault cannot be asked; every use of it is ?optional then
	DigestKey []byte
	Patience  time.Duration // in nanoseconds: how long fetching may take
	Retry     bool          // within that, ask an unreachable server again
	Group     int           // the process group to join before the exec; 0: its own
	Listen    []string      // the names of the listening sockets, which come first among those
	Notify    string        // the socket at which the command says that it is ready; "": nobody listens
	Preserve  int           // how many descriptors of the user's come after the courier's own
	Live      string        // the live channel's socket, for the command to know; "": there is none
	Mask      bool          // lay the secrets for who masks them
	Cores     bool          // leave the command's core limits alone
}

// Digest is a keyed MAC of text (HMAC-SHA256, RFC 2104), 128 bits of it. The key is new in each run, so that
// digests compare within a run and mean nothing outside.
func (o Orders) Digest(text []byte) string {
	mac := hmac.New(sha256.New, o.DigestKey)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Report is what a courier says of itself, before the gate. No value is in it.
type Report struct {
	Holdings []envsource.Holding // of what was read now; where it failed, what must be let go
	Failed   map[string]string   // by key: was due, could not be read, carried over
	Warnings []string
	Errors   []string      // a line each; then nothing will be executed
	Status   int           // with Errors: the exit status that they mean
	Wait     time.Duration // nanoseconds that a server asks not to be asked again (Retry-After)
	Outage   string        // with Errors or Failed: the server could not be had, in which words
	Took     time.Duration // fetching, in nanoseconds
	Live     Sections      // where in the memory file the live channel's answers are
}

// Sections are where the injected variables are in a memory file, in the two forms of the live channel, and the secrets among them, as
// mask.Value has them.
type Sections struct {
	JSON    Section
	Dotenv  Section
	Secrets Section
}

// Section is a part of a file, in bytes.
type Section struct {
	Offset int64
	Length int64
}

// OK reports whether the courier did what it was sent for.
func (r Report) OK() bool { return len(r.Errors) == 0 }

// message is one on the report pipe: perhaps what it waits for, a report, later perhaps the errno of an exec that
// failed.
type message struct {
	Waiting string
	Report  *Report
	Errno   int
}

// Exit statuses of vwrap itself, as env(1), nohup(1) and docker run have them.
const (
	StatusFailed        = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
)

// Format implements fmt.Formatter: what is in orders is shown by no verb.
func (Orders) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Orders) LogValue() slog.Value { return secret.Hidden }

// encode writes o for a courier that has its heading: the token apart from all else, which may be shown.
func (o Orders) encode(w io.Writer) error {
	return wire.Write(w, withToken{o, o.Token.Reveal()})
}

// withToken are orders as they are on the pipe, and nowhere else.
type withToken struct {
	Orders
	ID string // of the token
}

// inbox is where a courier is told things: a heading, then orders.
type inbox struct{ r *bufio.Reader }

func newInbox(r io.Reader) inbox { return inbox{bufio.NewReader(r)} }

// heading reads the first of the two.
func (i inbox) heading() (h Heading, err error) {
	err = wire.Read(i.r, &h)
	return h, err
}

// orders reads what encode wrote to a courier with that heading.
func (i inbox) orders(h Heading) (Orders, error) {
	var told withToken
	if err := wire.Read(i.r, &told); err != nil {
		return Orders{}, err
	}
	o := told.Orders
	o.Vault = h.Vault
	o.Token = secret.New(told.ID)
	return o, nil
}
