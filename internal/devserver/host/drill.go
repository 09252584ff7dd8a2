package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/internal/devserver/admin"
	"github.com/vwrap/vwrap/internal/devserver/backend"
	"github.com/vwrap/vwrap/internal/devserver/cut"
	"github.com/vwrap/vwrap/internal/devserver/drill"
	"github.com/vwrap/vwrap/internal/devserver/seed"
)

// Drill says how a command is drilled.
type Drill struct {
	Every      time.Duration `json:"every"`
	For        time.Duration `json:"for"` // 0: until the command ends
	Faults     []string      `json:"faults"`
	Probe      string        `json:"probe"`
	MaxGap     time.Duration `json:"max_gap"`
	JUnit      string        `json:"junit"`      // a file; "" is none
	Supervisor int           `json:"supervisor"` // the PID of who runs the command
}

// The faults that a drill can make.
const (
	outage = "outage"
	revoke = "revoke"
	seal   = "seal"
)

var faults = []string{outage, revoke, seal}

// Check refuses what cannot be drilled, before anything starts.
func (d Drill) Check() error {
	for _, name := range d.Faults {
		if !slices.Contains(faults, name) {
			return fmt.Errorf("--faults %s: want %s", name, strings.Join(faults, ", "))
		}
	}
	if d.Probe == "" {
		return nil
	}
	return drill.CheckProbe(d.Probe)
}

// Outcome is what came of a drill.
type Outcome struct {
	Report string `json:"report,omitempty"` // for people; "" where nothing was drilled
	Failed bool   `json:"failed,omitempty"`
	Over   bool   `json:"over,omitempty"` // it ended because its time was over
}

// leasesGone is how long what vwrap revoked last may take to be gone.
const leasesGone = 20 * time.Second

// drillWith drills the command until the time is over or ctx ends, waits for that, and reports.
func (d Drill) drillWith(ctx context.Context, root *admin.Client, made []seed.Rotation, faults []drill.Fault, h Hooks) (Outcome, error) {
	rotations := make([]drill.Rotation, len(made))
	for i, r := range made {
		rotations[i] = drill.Rotation(r)
	}
	report := drill.Run(ctx, drill.Options{
		Every: d.Every, For: d.For, Rotations: rotations, Faults: faults, Probe: d.Probe, MaxGap: d.MaxGap,
		Progress: d.progress, Tell: h.Tell,
	})
	outcome := Outcome{Over: ctx.Err() == nil}
	if outcome.Over {
		h.Over()
		<-ctx.Done()
	}
	leaks, err := drill.Leaks(context.Background(), root, leasesGone)
	if err != nil {
		return outcome, fmt.Errorf("look for leases that were left behind: %w", err)
	}
	report.Leaked = leaks
	var text strings.Builder
	report.Text(&text)
	outcome.Report, outcome.Failed = text.String(), len(report.Problems()) > 0
	return outcome, d.write(report)
}

func (d Drill) write(report drill.Report) error {
	if d.JUnit == "" {
		return nil
	}
	f, err := os.Create(d.JUnit)
	if err != nil {
		return fmt.Errorf("--junit %s: %w", d.JUnit, errors.Unwrap(err))
	}
	return errors.Join(report.JUnit(f), f.Close())
}

// progress asks the supervisor how the command is.
func (d Drill) progress(ctx context.Context) (drill.Progress, error) {
	socket, err := control.Choose(os.Getenv, false, d.Supervisor)
	if err != nil {
		return drill.Progress{}, err
	}
	s, err := socket.Status(ctx)
	p := drill.Progress{Generation: s.Generation, Restarts: s.Restarts, Running: s.Running, Versions: map[string]int{}}
	for _, secret := range s.Secrets {
		if secret.Version > 0 {
			p.Versions[secret.Path] = secret.Version
		}
	}
	return p, err
}

// makeFaults are the faults that d names.
func (d Drill) makeFaults(server *backend.Server, root *admin.Client, front *cut.Proxy) (all []drill.Fault) {
	for _, name := range d.Faults {
		f := drill.Fault{Name: name}
		switch name {
		case outage:
			f.Begin = func(context.Context) error { front.Cut(); return nil }
			f.End = func(context.Context) error { front.Mend(); return nil }
		case seal:
			f.Begin = func(ctx context.Context) error { _, err := root.Write(ctx, "sys/seal", nil); return err }
			f.End = server.Unseal
		case revoke:
			f.Begin = func(ctx context.Context) error { return revokeAll(ctx, root) }
		}
		all = append(all, f)
	}
	return all
}

// revokeAll revokes every lease, those of logins' tokens too: what vwrap works under is gone then.
func revokeAll(ctx context.Context, root *admin.Client) error {
	mounts, err := root.List(ctx, "sys/leases/lookup")
	if err != nil {
		return err
	}
	var errs []error
	for _, mount := range mounts {
		_, err := root.Write(ctx, "sys/leases/revoke-prefix/"+strings.Trim(mount, "/"), nil)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
