package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/wrap"
)

// controlled is a run, as those see it who come by the control socket.
type controlled struct {
	*session
	handle  *wrap.Handle
	keeper  func() vault.State // nil where nothing is kept
	started time.Time
}

// listen is the control socket, which open opens and stop closes; the run tells it of rotations. Without a place for one
// open warns, and the run goes on without.
func (s *session) listen(keeper func() vault.State) (open, stop func()) {
	var server *control.Server
	s.policy.Rotated = func(r wrap.Rotation) {
		if server != nil {
			server.Tell(control.Event{Generation: r.Generation, Variables: r.Variables, Action: string(r.Action)})
		}
	}
	run := &controlled{session: s, handle: s.policy.Handle, keeper: keeper, started: time.Now()}
	open = func() {
		var err error
		if server, err = control.Listen(os.Getenv, run); err != nil {
			server = nil
			s.log.Warn("vwrap status and vwrap rotate will not find this vwrap: " + err.Error())
		}
	}
	stop = func() {
		if server != nil {
			server.Close()
		}
	}
	return open, stop
}

// Rotate implements control.Run.
func (c *controlled) Rotate(ctx context.Context, variables []string) (uint64, error) {
	generation, err := c.handle.Rotate(ctx, variables)
	if errors.Is(err, wrap.ErrUnknown) {
		err = control.Refusal{Err: err}
	}
	return generation, err
}

// Status implements control.Run.
func (c *controlled) Status() (control.Status, error) {
	run, err := c.handle.Status()
	if err != nil {
		return control.Status{}, err
	}
	now := time.Now()
	s := control.Status{
		PID: os.Getpid(), Version: release, Command: filepath.Base(c.orders.Argv[0]), Started: c.started.UTC(), Now: now.UTC(),
		Generation: run.Generation, Running: run.Running, CommandPID: run.PID, Since: moment(run.Since), Restarts: run.Restarts,
		State: run.Doing, Problem: run.Problem, Secrets: []control.Secret{}, Lead: c.lead(), Live: c.orders.Live != "",
	}
	var kept vault.State
	if c.keeper != nil {
		kept = c.keeper()
		s.Vault = &control.Vault{Address: c.orders.Vault.Address, Outage: kept.Outage, Since: moment(kept.OutageSince)}
		t := kept.Token
		s.Token = &control.Token{Own: t.Own, Expires: moment(t.Expires), Next: t.Next, At: moment(t.At)}
	}
	for _, h := range run.Held {
		s.Secrets = append(s.Secrets, secretStatus(h, kept, run.Pending[h.Key], now))
	}
	s.Judge()
	return s, nil
}

func secretStatus(h envsource.Holding, state vault.State, pending string, now time.Time) control.Secret {
	s := control.Secret{
		Variables: h.Variables, Source: h.Read.Source, Path: h.Read.String(), Kind: string(h.Kind), Version: h.Version, Absent: h.Absent,
		Pending: pending,
	}
	kept, ok := state.Of(h)
	if !ok {
		return s
	}
	s.Granted, s.Expires, s.Next, s.At, s.Problem = kept.Granted.Seconds(), moment(kept.Expires), kept.Next, moment(kept.At), kept.Problem
	if s.Expires != nil {
		left := kept.Expires.Sub(now).Round(time.Millisecond).Seconds()
		s.Left = &left
	}
	return s
}

// moment is t for others' eyes; nil for never.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Round(time.Second)
	return &t
}
