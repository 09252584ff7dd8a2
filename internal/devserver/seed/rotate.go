package seed

import (
	"context"
	"strings"
)

// The kinds of a Rotation.
const (
	KindKV     = "kv"     // a new version, in which what was generated is new
	KindLease  = "lease"  // the leases are revoked
	KindStatic = "static" // the server changes the password
)

// Rotation is a secret that can be rotated.
type Rotation struct {
	Name   string // the path that it is read by
	Kind   string
	Rotate func(context.Context) error
}

// rotateKV notes that a secret can be written anew. Leases that were given for it are revoked then: they are of the old one.
func (a *applier) rotateKV(path string, m mount, put kvPut) {
	r := Rotation{path, KindKV, put.do}
	if m.engine == "kv-leased" {
		r.Kind, r.Rotate = KindLease, func(ctx context.Context) error {
			if err := put.do(ctx); err != nil {
				return err
			}
			return a.revoke(ctx, path)
		}
	}
	a.result.Rotations = append(a.result.Rotations, r)
}

// rotateRole notes that what the role at path gives can be rotated, if it gives credentials.
func (a *applier) rotateRole(path string) {
	at, m, rest := a.in(path)
	section, name, _ := strings.Cut(rest, "/")
	switch {
	case section == "roles" && m.engine != "pki" && m.engine != "transit": // whose roles give no leases
		creds := at + "creds/" + name
		a.result.Rotations = append(a.result.Rotations, Rotation{creds, KindLease, func(ctx context.Context) error { return a.revoke(ctx, creds) }})
	case section == "static-roles":
		a.result.Rotations = append(a.result.Rotations, Rotation{at + "static-creds/" + name, KindStatic, func(ctx context.Context) error {
			_, err := a.client.Write(ctx, at+"rotate-role/"+name, nil)
			return err
		}})
	}
}

func (a *applier) revoke(ctx context.Context, prefix string) error {
	_, err := a.client.Write(ctx, "sys/leases/revoke-prefix/"+prefix, nil)
	return err
}
