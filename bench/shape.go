package main

import (
	"context"
	"fmt"
)

// shape is how many variables are injected, and of how many paths they come.
type shape struct{ variables, paths int }

var (
	one    = shape{1, 1}
	shapes = []shape{{0, 0}, one, {10, 1}, {100, 1}, {50, 50}, {100, 50}}
)

func (s shape) String() string {
	switch {
	case s.variables == 0:
		return "nothing"
	case s.paths == 1:
		return fmt.Sprintf("%d of 1 path", s.variables)
	}
	return fmt.Sprintf("%d of %d paths", s.variables, s.paths)
}

// value is a variable, and the secret with a field of the same name that it is had from.
type value struct{ variable, mount, path string }

func (v value) reference() string { return "vault:" + v.mount + "/" + v.path + "#" + v.variable }

// The engines that secrets come from: versions without leases; leases that can be renewed.
const (
	kvMount    = "secret"
	leaseMount = "leased"
)

// values spreads the variables evenly over the paths.
func (s shape) values(mount string) []value {
	values := make([]value, s.variables)
	for i := range values {
		values[i] = value{
			variable: fmt.Sprintf("V%d", i), mount: mount,
			path: fmt.Sprintf("shape/%d-%d/%d", s.variables, s.paths, i%s.paths),
		}
	}
	return values
}

// fill writes what the values are had from, with fields beside them.
func (v *server) fill(ctx context.Context, values []value, beside map[string]any) error {
	secrets := map[string]map[string]any{}
	for _, one := range values {
		path := one.mount + "/" + one.path
		if one.mount == kvMount {
			path = one.mount + "/data/" + one.path
		}
		if secrets[path] == nil {
			secrets[path] = map[string]any{}
			for name, field := range beside {
				secrets[path][name] = field
			}
		}
		secrets[path][one.variable] = randomHex()
	}
	for path, fields := range secrets {
		var body any = fields
		if values[0].mount == kvMount {
			body = map[string]any{"data": fields}
		}
		if err := v.write(ctx, path, body); err != nil {
			return err
		}
	}
	return nil
}
