package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/devserver/admin"
)

// Options say how a plan is carried out.
type Options struct {
	Server      string        // what kind it is, as config.Dev has it
	TTL, MaxTTL time.Duration // of made-up users of databases; 0 is an hour, and a day
	Stderr      io.Writer     // of commands
}

// Made is a secret that was made up. It has names alone.
type Made struct {
	Path   string
	Fields []string // none where they are the server's matter
}

// AppRole is a login that was made.
type AppRole struct{ Name, RoleID, SecretID string }

// Result is what was done.
type Result struct {
	Made      []Made
	AppRoles  []AppRole
	Rotations []Rotation
}

// Apply puts p into the server that c asks. A MaxTTL bounds what every engine with leases hands out. An error names the path,
// and never has a value. Nothing is written where a command fails, or where a server of this kind cannot be given p.
func (p Plan) Apply(ctx context.Context, c *admin.Client, o Options) (Result, error) {
	if err := p.Fits(o.Server); err != nil {
		return Result{}, err
	}
	d := p.on(o)
	a := applier{client: c, result: Result{Made: p.byServer(o)}, versions: p.versions}
	var err error
	if a.writes, a.secrets, err = fillAll(ctx, d, commands{p.dir, o.Stderr}); err != nil {
		return Result{}, err
	}
	for _, step := range []func() error{
		func() error { return a.look(ctx) },
		func() error { return a.engines(ctx, d.Engines) },
		func() error { return each(ctx, d.Policies, a.policy) },
		func() error { return a.appRoles(ctx, d.AppRoles) },
		func() error { return each(ctx, a.writes, a.write) },
		func() error { return each(ctx, a.secrets, a.secret) },
		func() error { return a.bound(ctx, d.Engines, o) },
	} {
		if err := step(); err != nil {
			return a.result, err
		}
	}
	return a.result, nil
}

// byServer is what the server makes up, rather than this package.
func (p Plan) byServer(o Options) (all []Made) {
	for _, u := range p.users {
		if o.Server == Embedded {
			all = append(all, Made{u.path(), []string{"password", "username"}})
		}
	}
	for _, path := range p.issued {
		all = append(all, Made{Path: path})
	}
	return all
}

// fillAll runs the commands of d.
func fillAll(ctx context.Context, d config.Dev, c commands) (writes []config.Write, secrets []secret, err error) {
	var errs []error
	fill := func(path string, fields map[string]any) map[string]any {
		filled, err := c.fill(ctx, fields, path)
		errs = append(errs, err)
		out, _ := filled.(map[string]any)
		return out
	}
	for _, w := range d.Roles {
		writes = append(writes, config.Write{Path: w.Path, Data: fill(w.Path, w.Data)})
	}
	for _, s := range d.KV {
		fields := map[string]any{}
		for _, f := range s.Fields {
			fields[f.Name] = f.Value
		}
		secrets = append(secrets, secret{path: s.Path, fields: fill(s.Path, fields)})
	}
	return writes, secrets, errors.Join(errs...)
}

func each[T any](ctx context.Context, all []T, f func(context.Context, T) error) error {
	for _, one := range all {
		if err := f(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// mount is what the server says of an engine.
type mount struct{ engine, version string }

// applier carries out a plan.
type applier struct {
	client   *admin.Client
	mounts   map[string]mount // by their paths, with the closing slash
	writes   []config.Write
	secrets  []secret
	versions map[string]int
	written  []string // KV paths, as the server has them
	result   Result
}

// look asks what is mounted.
func (a *applier) look(ctx context.Context) error {
	answer, err := a.client.Read(ctx, "sys/mounts")
	if err != nil {
		return err
	}
	a.mounts = map[string]mount{}
	for path, about := range answer.Data {
		about, _ := about.(map[string]any)
		options, _ := about["options"].(map[string]any)
		engine, _ := about["type"].(string)
		version, _ := options["version"].(string)
		a.mounts[path] = mount{engine, version}
	}
	return nil
}

// in splits path into its mount, with the closing slash, and the rest.
func (a *applier) in(path string) (at string, m mount, rest string) {
	for name := range a.mounts {
		if strings.HasPrefix(path, name) && len(name) > len(at) {
			at = name
		}
	}
	return at, a.mounts[at], strings.TrimPrefix(path, at)
}

// engines mounts all that are not there, and looks again.
func (a *applier) engines(ctx context.Context, all []config.Engine) error {
	if err := each(ctx, all, a.engine); err != nil || len(all) == 0 {
		return err
	}
	return a.look(ctx)
}

func (a *applier) engine(ctx context.Context, e config.Engine) error {
	body, options := map[string]any{"type": e.Type}, map[string]any{}
	for name, v := range e.Options {
		options[name] = fmt.Sprint(v) // Vault takes texts alone
	}
	if len(options) > 0 {
		body["options"] = options
	}
	if len(e.Config) > 0 {
		body["config"] = e.Config
	}
	there, mounted := a.mounts[e.Mount+"/"]
	switch version, _ := options["version"].(string); {
	case !mounted:
		_, err := a.client.Write(ctx, "sys/mounts/"+e.Mount, body)
		return err
	case there.engine != e.Type || version != "" && version != there.version:
		return fmt.Errorf("%s: the server has an engine there already, of type %s %s: take another name", e.Mount, there.engine, there.version)
	case len(e.Config) > 0:
		_, err := a.client.Write(ctx, "sys/mounts/"+e.Mount+"/tune", e.Config)
		return err
	}
	return nil
}

func (a *applier) policy(ctx context.Context, p config.Policy) error {
	_, err := a.client.Write(ctx, "sys/policies/acl/"+p.Name, map[string]any{"policy": p.Text})
	return err
}

func (a *applier) appRoles(ctx context.Context, all []config.AppRole) error {
	if len(all) == 0 {
		return nil
	}
	methods, err := a.client.Read(ctx, "sys/auth")
	if err != nil {
		return err
	}
	if methods.Data["approle/"] == nil {
		if _, err := a.client.Write(ctx, "sys/auth/approle", map[string]any{"type": "approle"}); err != nil {
			return err
		}
	}
	return each(ctx, all, a.appRole)
}

func (a *applier) appRole(ctx context.Context, r config.AppRole) error {
	path := "auth/approle/role/" + r.Name
	_, err := a.client.Write(ctx, path, map[string]any{
		"token_policies": r.Policies, "token_ttl": r.TokenTTL.String(), "token_max_ttl": r.TokenMaxTTL.String(),
	})
	if err == nil && r.RoleID != "" {
		_, err = a.client.Write(ctx, path+"/role-id", map[string]any{"role_id": r.RoleID})
	}
	if err != nil {
		return err
	}
	id, err := a.client.Read(ctx, path+"/role-id")
	if err != nil {
		return err
	}
	made, err := a.client.Write(ctx, path+"/secret-id", nil)
	if err != nil {
		return err
	}
	role := AppRole{Name: r.Name}
	role.RoleID, _ = id.Data["role_id"].(string)
	role.SecretID, _ = made.Data["secret_id"].(string)
	a.result.AppRoles = append(a.result.AppRoles, role)
	return nil
}

// write tells an engine what stands under roles.
func (a *applier) write(ctx context.Context, w config.Write) error {
	if _, err := a.client.Write(ctx, w.Path, freshFields(w.Data)); err != nil {
		return err
	}
	if names := madeUp(w.Data); len(names) > 0 {
		a.result.Made = append(a.result.Made, Made{w.Path, names})
	}
	a.rotateRole(w.Path)
	return nil
}

// bound has the engines of the plan that hand out leases give none for longer than MaxTTL.
func (a *applier) bound(ctx context.Context, engines []config.Engine, o Options) error {
	if o.MaxTTL == 0 {
		return nil
	}
	ttl, most := o.ttls()
	for _, e := range engines {
		if e.Type == "kv" || e.Type == "transit" {
			continue
		}
		body := map[string]any{"default_lease_ttl": ttl.String(), "max_lease_ttl": most.String()}
		if _, err := a.client.Write(ctx, "sys/mounts/"+e.Mount+"/tune", body); err != nil {
			return err
		}
	}
	return nil
}
