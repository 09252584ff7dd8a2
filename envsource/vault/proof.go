package vault

import "github.com/vwrap/vwrap/envsource/secret"

// proof is what a login is asked for with.
type proof struct {
	path   string            // behind the mount
	names  map[string]string // who asks: a role, a role_id
	secret secret.Text       // what proves it; none for a certificate
	field  string            // of the request, that the secret is sent in
	what   string            // that a refusal is about
}

// body is the request's.
func (p proof) body() map[string]any {
	body := map[string]any{}
	for name, value := range p.names {
		body[name] = value
	}
	if !p.secret.None() {
		body[p.field] = p.secret.Reveal()
	}
	return body
}
