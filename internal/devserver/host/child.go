package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/proc"
)

// Hidden is the argument by which vwrap knows that it is to be a host.
const Hidden = "__dev"

// The descriptors of a host that was sent out. Its orders come by the first, which ends when who sent it wants it to end, or is
// gone; by the second it says what happens.
const (
	ordersFD = 3
	wordsFD  = 4
)

// words are what a host says: one of them at a time.
type words struct {
	Tell  string   `json:"tell,omitempty"`
	Ready *Ready   `json:"ready,omitempty"`
	Over  bool     `json:"over,omitempty"`
	End   *Outcome `json:"end,omitempty"` // the last
	Error string   `json:"error,omitempty"`
}

// Serve is the host that was sent out; it returns its exit status.
func Serve() int {
	orders, say := os.NewFile(ordersFD, "orders"), os.NewFile(wordsFD, "words")
	unix.CloseOnExec(ordersFD)
	unix.CloseOnExec(wordsFD)
	_, _ = unix.Setsid() // the terminal's keys are for what is wrapped
	var o Orders
	in := json.NewDecoder(orders)
	if err := in.Decode(&o); err != nil {
		return 1 // who would have given them is gone
	}
	harden()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	go func() {
		defer cancel()
		<-stop
	}()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, io.MultiReader(in.Buffered(), orders)) // an error ends it as well as an end does
	}()
	v := &voice{out: json.NewEncoder(say)}
	outcome, err := Run(ctx, o, Hooks{
		Tell:  func(line string) { v.say(words{Tell: line}) },
		Ready: func(r Ready) { v.say(words{Ready: &r}) },
		Over:  func() { v.say(words{Over: true}) },
	})
	last := words{End: &outcome}
	if err != nil {
		last.Error = err.Error()
	}
	v.say(last)
	return 0
}

// harden keeps others of this user from reading what a host holds.
func harden() {
	_ = proc.LimitCore() // a development server is no reason to end
	_ = proc.Harden()
}

// voice says one thing after the other.
type voice struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (v *voice) say(w words) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.out.Encode(w) // nobody is there any more: then the orders have ended too
}

// Host is one that was sent out.
type Host struct {
	process *proc.Process
	orders  *os.File
	ready   chan Ready
	ended   chan struct{}
	end     words // valid once ended is closed
}

// Send sends a host out. What it tells goes to h, but for Ready, which Ready returns.
func Send(children *proc.Children, self string, o Orders, h Hooks) (*Host, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write orders: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	orders, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer orders.Close()
	in, say, err := os.Pipe()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer say.Close()
	sent := &Host{orders: out, ready: make(chan Ready, 1), ended: make(chan struct{})}
	sent.process, err = children.Start(proc.Spec{
		Path: self, Args: []string{"vwrap", Hidden}, Env: os.Environ(), Join: true, In: null,
		Files: []int{int(orders.Fd()), int(say.Fd())},
	})
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	go sent.hear(in, h)
	if _, err := out.Write(text); err != nil { // it has ended: what it said, or did not, tells why
		return sent, nil
	}
	return sent, nil
}

// hear takes what the host says until it says no more.
func (h *Host) hear(in *os.File, hooks Hooks) {
	defer close(h.ended)
	defer in.Close()
	heard := json.NewDecoder(in)
	up := false
	for h.end.End == nil {
		var w words
		if err := heard.Decode(&w); err != nil {
			w = words{End: &Outcome{}, Error: "the host of the development Vault has ended"}
		}
		switch {
		case w.Tell != "":
			hooks.Tell(w.Tell)
		case w.Ready != nil:
			up = true
			h.ready <- *w.Ready
		case w.Over:
			hooks.Over()
		case w.End != nil:
			h.end = w
		}
	}
	if up && h.end.Error != "" {
		hooks.Trouble(h.end.Error)
	}
}

// Ready waits until the server can be used.
func (h *Host) Ready(ctx context.Context) (Ready, error) {
	select {
	case r := <-h.ready:
		return r, nil
	case <-h.ended:
		return Ready{}, errors.New(h.end.Error)
	case <-ctx.Done():
		return Ready{}, ctx.Err()
	}
}

// Ended is closed when the host has ended.
func (h *Host) Ended() <-chan struct{} { return h.ended }

// endWithin is what a host is given for its end: for servers that have to be asked twice, and leases that are looked for.
const endWithin = time.Minute

// Close has the host end, waits for it, and returns the outcome of its drill.
func (h *Host) Close() Outcome {
	_ = h.orders.Close()
	late := time.AfterFunc(endWithin, h.process.Kill)
	defer late.Stop()
	<-h.ended
	<-h.process.Ended()
	return *h.end.End
}
