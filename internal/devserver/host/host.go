// Package host is the process that has a development Vault: it starts the server, seeds it, drills what uses it, and ends
// with who asked for it. `vwrap dev` is such a process; `vwrap dev -- CMD` sends one out beside itself, since who
// supervises a command holds no value, and who seeds makes them all.
package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/devserver/admin"
	"github.com/vwrap/vwrap/internal/devserver/backend"
	"github.com/vwrap/vwrap/internal/devserver/cut"
	"github.com/vwrap/vwrap/internal/devserver/seed"
	"github.com/vwrap/vwrap/internal/proc"
)

// Orders are what is to be hosted.
type Orders struct {
	Server  backend.Options `json:"server"` // without what is not data
	Config  string          `json:"config,omitempty"`
	Profile string          `json:"profile,omitempty"` // of that vwrap.yaml, whose dev says what is put into the server
	Input   envsource.Input `json:"input"`             // what is referenced exists, where dev does not say
	Import  *Import         `json:"import,omitempty"`
	Drill   *Drill          `json:"drill,omitempty"`
}

// Ready is what those need to know who use the server.
type Ready struct {
	Kind    string `json:"kind"`
	Address string `json:"address"`
	Token   string `json:"token"` // the root's
	// Of the AppRole to log in by; "" where the root's token is to be used.
	RoleID   string `json:"role_id,omitempty"`
	SecretID string `json:"secret_id,omitempty"`
}

// Hooks are told what happens.
type Hooks struct {
	Tell    func(line string)
	Ready   func(Ready)
	Trouble func(line string) // of a host that was sent out: why it has ended, after Ready
	Over    func()            // the time of the drill is over: what is drilled is to be ended, and then the context
}

// NewToken is a root token that nobody knows yet.
func NewToken() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return "dev-" + hex.EncodeToString(random)
}

var errNothing = errors.New("there is nothing to drill: vwrap.yaml refers to no secret that was made up here and can be rotated")

// ErrGone is returned where the server has ended by itself.
var ErrGone = errors.New("the development Vault has ended by itself")

// Check refuses what cannot be hosted, before anything starts.
func (o Orders) Check() error {
	if o.Drill == nil {
		return nil
	}
	return o.Drill.Check()
}

// plan is what is put into the server.
func (o Orders) plan() (seed.Plan, config.Auth, error) {
	conf, err := config.Load(o.Config, o.Profile)
	if err != nil {
		return seed.Plan{}, conf.Vault.Auth, err
	}
	plan := seed.FromConfig(conf.Dev, filepath.Dir(conf.File))
	if !conf.Dev.Seeds() {
		wanted, err := envsource.NewPlan(o.Input)
		if err != nil {
			return plan, conf.Vault.Auth, err
		}
		if plan, err = seed.FromReads(wanted.VaultNeeds()); err != nil {
			return plan, conf.Vault.Auth, err
		}
	}
	if o.Import != nil {
		plan, err = o.Import.into(plan)
	}
	return plan, conf.Vault.Auth, err
}

// Run hosts until ctx ends; what was drilled has to be over then. The outcome is that of the drill, if there was one.
func Run(ctx context.Context, o Orders, h Hooks) (Outcome, error) {
	plan, auth, err := o.plan()
	if err != nil {
		return Outcome{}, err
	}
	front, err := o.front()
	if err != nil {
		return Outcome{}, err
	}
	if front != nil {
		defer front.Close()
	}
	o.Server.Tell, o.Server.Fits = h.Tell, plan.Fits
	server, err := backend.Start(ctx, o.Server)
	if err != nil {
		return Outcome{}, err
	}
	defer server.Close()
	root := admin.New(server.Address, o.Server.Token)
	defer root.Close()
	result, err := plan.Apply(ctx, root, o.seeding(server.Kind))
	if err != nil {
		return Outcome{}, err
	}
	if o.Drill != nil && len(result.Rotations) == 0 {
		return Outcome{}, errNothing
	}
	ready := Ready{Kind: server.Kind, Address: server.Address, Token: o.Server.Token}
	if front != nil {
		front.To(strings.TrimPrefix(server.Address, "http://"))
		ready.Address = "http://" + front.Addr()
	}
	if err := ready.login(auth, result.AppRoles); err != nil {
		return Outcome{}, err
	}
	h.Tell(announce(server, ready.Address))
	for _, made := range result.Made {
		h.Tell(strings.TrimSuffix(fmt.Sprintf("made up %s (%s)", made.Path, strings.Join(made.Fields, ", ")), " ()"))
	}
	h.Ready(ready)
	if o.Drill != nil {
		return o.Drill.drillWith(ctx, root, result.Rotations, o.Drill.makeFaults(server, root, front), h)
	}
	select {
	case <-ctx.Done():
		return Outcome{}, nil
	case <-server.Gone():
		return Outcome{}, ErrGone
	}
}

// seeding says how the plan is carried out. In a drill credentials live not much longer than the time between rotations,
// since one that was revoked is not noticed before it is to be renewed; and long enough to outlive a fault.
func (o Orders) seeding(kind string) seed.Options {
	options := seed.Options{Server: kind, Stderr: proc.Stderr{}}
	if o.Drill != nil {
		options.TTL, options.MaxTTL = o.Drill.Every*3/2, o.Drill.Every*3/2
	}
	return options
}

// login has the command's wrapper log in as it does elsewhere: by an AppRole, where vwrap.yaml says so and dev has one.
func (r *Ready) login(auth config.Auth, made []seed.AppRole) error {
	if auth.Method != "approle" || len(made) == 0 {
		return nil
	}
	i := slices.IndexFunc(made, func(a seed.AppRole) bool { return a.RoleID == auth.RoleID })
	if i < 0 && len(made) > 1 {
		return errors.New("dev.approles: none has the role_id of vault.auth, and there are several")
	}
	one := made[max(i, 0)]
	r.RoleID, r.SecretID = one.RoleID, one.SecretID
	return nil
}

// front is what stands before the server, so that it can seem to be away: where such a fault is asked for.
func (o *Orders) front() (*cut.Proxy, error) {
	if o.Drill == nil || !slices.Contains(o.Drill.Faults, outage) {
		return nil, nil
	}
	front, err := cut.Listen(o.Server.Listen)
	o.Server.Listen = "127.0.0.1:0"
	return front, err
}

// announce says which server it is, where, and what is not to be expected of it.
func announce(server *backend.Server, address string) string {
	text := fmt.Sprintf("a development Vault, %s, is at %s: in memory, gone at the end", server.What, address)
	if server.Lacks != "" {
		text += "; it lacks " + server.Lacks
	}
	return text
}
