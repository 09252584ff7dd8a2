package config

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// top decodes the whole file.
func (d *decoder) top(root *yaml.Node, c *Config) {
	versioned := false
	known := topFields(d, c)
	known["version"] = func(n *yaml.Node) {
		versioned = true
		if n.Value != "1" {
			d.fail(n, "version: this vwrap knows version 1")
		}
	}
	known["profiles"] = func(n *yaml.Node) {
		d.pairs(n, "profiles", func(*yaml.Node, *yaml.Node) {}) // each is checked by itself
	}
	d.section(root, "the top level", known)
	if !versioned {
		d.fail(root, "version is missing: write: version: 1")
	}
}

// topFields are the keys that a profile has too.
func topFields(d *decoder, c *Config) fields {
	return fields{
		"vault":      func(n *yaml.Node) { d.section(n, "vault", vaultFields(d, &c.Vault)) },
		"env":        func(n *yaml.Node) { c.Env = d.env(n) },
		"secrets":    func(n *yaml.Node) { c.Secrets = d.secrets(n) },
		"fallback":   d.texts(&c.Fallback, "fallback"),
		"rotation":   func(n *yaml.Node) { d.section(n, "rotation", rotationFields(d, &c.Rotation)) },
		"live":       d.flag(&c.Live, "live"),
		"live_users": d.texts(&c.Users, "live_users"),
		"dev":        func(n *yaml.Node) { d.section(n, "dev", devFields(d, &c.Dev)) },
		"check":      func(n *yaml.Node) { d.section(n, "check", checkFields(d, &c.Check)) },
	}
}

func vaultFields(d *decoder, v *Vault) fields {
	return fields{
		"address":   d.address(&v.Address, "vault.address"),
		"namespace": d.text(&v.Namespace, "vault.namespace"),
		"token_ttl": d.duration(&v.TokenTTL, "vault.token_ttl"),
		"auth":      func(n *yaml.Node) { d.section(n, "vault.auth", authFields(d, &v.Auth)) },
		"token": func(n *yaml.Node) {
			d.fail(n, "vault.token would be a credential on disk: use VAULT_TOKEN or a token file")
		},
	}
}

func authFields(d *decoder, a *Auth) fields {
	return fields{
		"method":            d.choice(&a.Method, "vault.auth.method", methods),
		"mount":             d.text(&a.Mount, "vault.auth.mount"),
		"token_file":        d.text(&a.TokenFile, "vault.auth.token_file"),
		"role_id":           d.text(&a.RoleID, "vault.auth.role_id"),
		"secret_id_file":    d.text(&a.SecretIDFile, "vault.auth.secret_id_file"),
		"secret_id_wrapped": d.flag(&a.SecretIDWrapped, "vault.auth.secret_id_wrapped"),
		"role":              d.text(&a.Role, "vault.auth.role"),
		"jwt_file":          d.text(&a.JWTFile, "vault.auth.jwt_file"),
		"jwt_env":           d.text(&a.JWTEnv, "vault.auth.jwt_env"),
		"audience":          d.text(&a.Audience, "vault.auth.audience"),
		"username":          d.text(&a.Username, "vault.auth.username"),
		"password_file":     d.text(&a.PasswordFile, "vault.auth.password_file"),
		"password": func(n *yaml.Node) {
			d.fail(n, "vault.auth.password would be a credential on disk: use password_file or VAULT_PASSWORD")
		},
		"jwt": func(n *yaml.Node) {
			d.fail(n, "vault.auth.jwt would be a credential on disk: use jwt_file or jwt_env")
		},
		"secret_id": func(n *yaml.Node) {
			d.fail(n, "vault.auth.secret_id would be a credential on disk: use secret_id_file or VAULT_SECRET_ID")
		},
	}
}

func rotationFields(d *decoder, r *Rotation) fields {
	action := d.choice((*string)(&r.Action), "rotation.action", actions)
	return fields{
		"action":        func(n *yaml.Node) { r.ActionSet = true; action(n) },
		"signal":        d.signal(&r.Signal, "rotation.signal"),
		"stop_signal":   d.signal(&r.StopSignal, "rotation.stop_signal"),
		"stop_grace":    d.duration(&r.StopGrace, "rotation.stop_grace"),
		"settle":        d.duration(&r.Settle, "rotation.settle"),
		"splay":         d.duration(&r.Splay, "rotation.splay"),
		"order":         d.choice(&r.Order, "rotation.order", orders),
		"renew_at":      d.part(&r.RenewAt, "rotation.renew_at"),
		"poll":          d.interval(&r.Poll, "rotation.poll"),
		"on_expiry":     d.choice(&r.OnExpiry, "rotation.on_expiry", expiries),
		"release_after": d.duration(&r.ReleaseAfter, "rotation.release_after"),
		"listen":        d.texts(&r.Listen, "rotation.listen"),
		"ready":         func(n *yaml.Node) { d.section(n, "rotation.ready", readyFields(d, &r.Ready)) },
	}
}

func readyFields(d *decoder, r *Ready) fields {
	return fields{
		"notify":  d.flag(&r.Notify, "rotation.ready.notify"),
		"tcp":     d.text(&r.TCP, "rotation.ready.tcp"),
		"http":    d.text(&r.HTTP, "rotation.ready.http"),
		"delay":   d.duration(&r.Delay, "rotation.ready.delay"),
		"timeout": d.duration(&r.Timeout, "rotation.ready.timeout"),
	}
}

func checkFields(d *decoder, c *Check) fields {
	return fields{
		"manifest": d.text(&c.Manifest, "check.manifest"),
		"path":     d.text(&c.Path, "check.path"),
		"min_ttl":  d.duration(&c.MinTTL, "check.min_ttl"),
		"address_aliases": func(n *yaml.Node) {
			c.Aliases = nil
			d.items(n, "check.address_aliases", func(item *yaml.Node) {
				var group []string
				d.texts(&group, "check.address_aliases")(item)
				c.Aliases = append(c.Aliases, group)
			})
		},
	}
}

func secretFields(d *decoder, s *Secret) fields {
	return fields{
		"path":      d.path(&s.Path, "secrets.path"),
		"prefix":    d.text(&s.Prefix, "secrets.prefix"),
		"method":    d.choice(&s.Method, "secrets.method", secretMethods),
		"on_rotate": d.choice((*string)(&s.OnRotate), "secrets.on_rotate", actions),
		"poll":      d.interval(&s.Poll, "secrets.poll"),
		"data": func(n *yaml.Node) {
			if n.Kind != yaml.MappingNode {
				d.fail(n, "secrets.data: want a mapping, got %s", kindOf(n))
				return
			}
			s.Data, _ = d.anything(n, 0).(map[string]any)
		},
		"env": func(n *yaml.Node) {
			d.pairs(n, "secrets.env", func(key, value *yaml.Node) {
				b := Binding{Var: key.Value}
				d.text(&b.Field, "secrets.env."+key.Value)(value)
				d.variable(key)
				s.Env = append(s.Env, b)
			})
		},
	}
}

func (d *decoder) secrets(n *yaml.Node) (all []Secret) {
	d.items(n, "secrets", func(item *yaml.Node) {
		s := Secret{Method: "read", Line: item.Line}
		d.section(item, "secrets", secretFields(d, &s))
		switch {
		case s.Path == "":
			d.fail(item, "secrets: path is missing")
		case s.Data != nil && s.Method != "write":
			d.fail(item, "secrets: data goes with method: write")
		case s.Prefix != "" && len(s.Env) > 0:
			d.fail(item, "secrets: prefix is for a whole secret, env names variables one by one: take one of them")
		}
		all = append(all, s)
	})
	return all
}

// env decodes names and texts. A number or a bool is its own source text: 08 stays 08.
func (d *decoder) env(n *yaml.Node) (all []Entry) {
	d.pairs(n, "env", func(key, value *yaml.Node) {
		e := Entry{Name: key.Value, Line: key.Line}
		d.anyText(&e.Value, "env."+key.Value)(value)
		d.variable(key)
		all = append(all, e)
	})
	return all
}

// variable checks that key can be a variable's name.
func (d *decoder) variable(key *yaml.Node) {
	if key.Value == "" || strings.ContainsAny(key.Value, "=\x00") {
		d.fail(key, "%q cannot be a variable's name (empty, or with \"=\" or NUL in it)", key.Value)
	}
}
