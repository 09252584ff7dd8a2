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
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/envsource/vault"
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
	Errand Errand   `json:"errand"`
	Due    []string `json:"due,omitempty"`    // keys to read anew; all else is carried over
	Strict bool     `json:"strict,omitempty"` // what is due and cannot be read is an error: the old value is dead
}

// Heading is what a courier is told before its orders, as soon as it is known: where they will send it, so that it can be
// on its way while vwrap logs in. No credential is in it.
type Heading struct {
	Vault vault.Config `json:"vault"`
	Reads int          `json:"reads"` // how many requests it is likely to make side by side
}

// Orders are what a courier is told. They have the token in them and travel over a pipe alone.
type Orders struct {
	Task
	Input     envsource.Input `json:"input"`
	Carry     bool            `json:"carry,omitempty"` // the last generation's memory file is there
	Argv      []string        `json:"argv,omitempty"`
	Vault     vault.Config    `json:"-"`                // in the heading
	Token     secret.Text     `json:"-"`                // on the pipe alone
	Outage    string          `json:"outage,omitempty"` // why Vault cannot be asked; every use of it is ?optional then
	DigestKey []byte          `json:"digest_key"`
	Patience  time.Duration   `json:"patience"`           // in nanoseconds: how long fetching may take
	Retry     bool            `json:"retry,omitempty"`    // within that, ask an unreachable server again
	Group     int             `json:"group,omitempty"`    // the process group to join before the exec; 0: its own
	Listen    []string        `json:"listen,omitempty"`   // the names of the listening sockets, which come first among those
	Notify    string          `json:"notify,omitempty"`   // the socket at which the command says that it is ready; "": nobody listens
	Preserve  int             `json:"preserve,omitempty"` // how many descriptors of the user's come after the courier's own
	Live      string          `json:"live,omitempty"`     // the live channel's socket, for the command to know; "": there is none
	Mask      bool            `json:"mask,omitempty"`     // lay the secrets for who masks them
	Cores     bool            `json:"cores,omitempty"`    // leave the command's core limits alone
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
	Holdings []envsource.Holding `json:"holdings,omitempty"` // of what was read now; where it failed, what must be let go
	Failed   map[string]string   `json:"failed,omitempty"`   // by key: was due, could not be read, carried over
	Warnings []string            `json:"warnings,omitempty"`
	Errors   []string            `json:"errors,omitempty"` // a line each; then nothing will be executed
	Status   int                 `json:"status,omitempty"` // with Errors: the exit status that they mean
	Wait     time.Duration       `json:"wait,omitempty"`   // nanoseconds that a server asks not to be asked again (Retry-After)
	Outage   string              `json:"outage,omitempty"` // with Errors or Failed: the server could not be had, in which words
	Took     time.Duration       `json:"took"`             // fetching, in nanoseconds
	Live     Sections            `json:"live"`             // where in the memory file the live channel's answers are
}

// Sections are where the injected variables are in a memory file, in the two forms of the live channel, and the secrets among them, as
// mask.Value has them.
type Sections struct {
	JSON    Section `json:"json"`
	Dotenv  Section `json:"dotenv"`
	Secrets Section `json:"secrets"`
}

// Section is a part of a file, in bytes.
type Section struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// OK reports whether the courier did what it was sent for.
func (r Report) OK() bool { return len(r.Errors) == 0 }

// message is one line on the report pipe: perhaps what it waits for, a report, later perhaps the errno of an exec that
// failed.
type message struct {
	Waiting string  `json:"waiting,omitempty"`
	Report  *Report `json:"report,omitempty"`
	Errno   int     `json:"errno,omitempty"`
}

// Exit statuses of vwrap itself, as env(1), nohup(1) and docker run have them.
const (
	StatusFailed        = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
)

// wireOrders are what orders are on the pipe, and nowhere else: the token is in them.
type wireOrders struct {
	Orders
	Token string `json:"token,omitempty"`
}

// Format implements fmt.Formatter: what is in orders is shown by no verb.
func (Orders) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Orders) LogValue() slog.Value { return secret.Hidden }

// encode writes o for a courier that has its heading.
func (o Orders) encode(w io.Writer) error {
	return json.NewEncoder(w).Encode(wireOrders{o, o.Token.Reveal()})
}

// rehearse has package json find out what it has to know of these types. That takes longer than all the rest of reading
// and writing them, and so is done while there is something to wait for.
func rehearse(read, written any) {
	_ = json.Unmarshal([]byte("{}"), read)
	_ = json.NewEncoder(io.Discard).Encode(written)
}

// inbox is where a courier is told things: a heading, then orders.
type inbox struct{ d *json.Decoder }

func newInbox(r io.Reader) inbox { return inbox{json.NewDecoder(r)} }

// heading reads the first of the two.
func (i inbox) heading() (h Heading, err error) {
	err = i.d.Decode(&h)
	return h, err
}

// orders reads what encode wrote to a courier with that heading.
func (i inbox) orders(h Heading) (Orders, error) {
	var wire wireOrders
	if err := i.d.Decode(&wire); err != nil {
		return Orders{}, err
	}
	o := wire.Orders
	o.Vault = h.Vault
	o.Token = secret.New(wire.Token)
	return o, nil
}
