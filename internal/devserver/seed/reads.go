package seed

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/config"
)

// generated is what a field is where nothing is known of it but its name.
var generated = config.Generate{Length: 32, Alphabet: "alnum"}

// maxVersions is how many versions of one secret are written for a reference that wants a fixed one.
const maxVersions = 100

// others are where engines stand whose secrets cannot be made up.
var others = []string{
	"auth", "aws", "azure", "consul", "cubbyhole", "gcp", "identity", "kubernetes", "ldap", "nomad", "pki", "ssh", "sys", "totp", "transit",
}

var errUnknown = errors.New("what this is cannot be told from its path: say it under dev in vwrap.yaml (engines, roles)")

// FromReads returns the plan with which everything that is referenced exists. A path says what it is: MOUNT/creds/NAME and
// MOUNT/static-creds/NAME are users of a database, a write to MOUNT/issue/ROLE is PKI, and other reads are of KV, whose mount
// is the first part of the path. What this cannot tell are errors, all of them together.
func FromReads(needs []envsource.Need) (Plan, error) {
	r := reads{engines: map[string]string{}, trees: map[string]map[string]any{}, versions: map[string]int{}}
	var errs []error
	for _, n := range needs {
		if err := r.add(n); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.Read, err))
		}
	}
	return r.planned(), errors.Join(errs...)
}

// reads is a plan in the making.
type reads struct {
	plan     Plan
	engines  map[string]string         // the type of each mount
	trees    map[string]map[string]any // the fields of each KV secret
	versions map[string]int
}

func (r *reads) add(n envsource.Need) error {
	mount, rest, _ := strings.Cut(n.Read.Path, "/")
	first, name, _ := strings.Cut(rest, "/")
	last := name != "" && !strings.Contains(name, "/")
	switch {
	case n.Read.Namespace != "":
		return errors.New("a development Vault has no namespaces")
	case n.Read.Method == envsource.MethodWrite && first == "issue" && last:
		return r.issue(mount, name, n)
	case n.Read.Method == envsource.MethodWrite, rest == "", slices.Contains(others, mount):
		return errUnknown
	case (first == "creds" || first == "static-creds") && last && mount != "secret" && mount != "kv":
		return r.user(user{mount, name, first == "static-creds"}, n)
	}
	return r.kv(mount, plain(n.Read.Path), n)
}

// is notes that mount is an engine of this type.
func (r *reads) is(mount, engine string) (first bool, err error) {
	has, known := r.engines[mount]
	if known && has != engine {
		return false, fmt.Errorf("%s cannot be both %s and %s: say under dev in vwrap.yaml what it is", mount, has, engine)
	}
	r.engines[mount] = engine
	return !known, nil
}

func (r *reads) kv(mount, path string, n envsource.Need) error {
	first, err := r.is(mount, "kv")
	switch {
	case err != nil:
		return err
	case n.Read.Version > maxVersions:
		return fmt.Errorf("version %d: at most %d versions are made up", n.Read.Version, maxVersions)
	case first && mount != "secret": // that one is there
		r.plan.dev.Engines = append(r.plan.dev.Engines, config.Engine{Mount: mount, Type: "kv", Options: map[string]any{"version": "2"}})
	}
	tree, ok := r.trees[path]
	if !ok {
		tree = map[string]any{}
		r.trees[path] = tree
	}
	for _, part := range n.Parts {
		grow(tree, part)
	}
	r.versions[path] = max(r.versions[path], n.Read.Version)
	return nil
}

// grow gives tree a made-up value at part, unless it has something there.
func grow(tree map[string]any, part []string) {
	for _, token := range part[:len(part)-1] {
		branch, ok := tree[token].(map[string]any)
		if !ok {
			branch = map[string]any{}
			tree[token] = branch
		}
		tree = branch
	}
	if leaf := part[len(part)-1]; tree[leaf] == nil {
		tree[leaf] = generated
	}
}

// user notes a user of a database; its fields are those that Vault's database engine answers with.
func (r *reads) user(u user, n envsource.Need) error {
	known := []string{"username", "password"}
	if u.static {
		known = append(known, "last_vault_rotation", "rotation_period", "ttl")
	}
	for _, part := range n.Parts {
		if !slices.Contains(known, part[0]) {
			return fmt.Errorf("a user of a database has no %q: if this is something else, say it under dev in vwrap.yaml (engines, roles)", part[0])
		}
	}
	if _, err := r.is(u.mount, "database"); err != nil {
		return err
	}
	if !slices.Contains(r.plan.users, u) {
		r.plan.users = append(r.plan.users, u)
	}
	return nil
}

// issue notes a certificate: it is issued by a root of its mount's own, and by a role that allows every name.
func (r *reads) issue(mount, role string, n envsource.Need) error {
	first, err := r.is(mount, "pki")
	if err != nil {
		return err
	}
	d := &r.plan.dev
	if first {
		d.Engines = append(d.Engines, config.Engine{Mount: mount, Type: "pki", Config: map[string]any{"max_lease_ttl": "87600h"}})
		d.Roles = append(d.Roles, config.Write{
			Path: mount + "/root/generate/internal", Data: map[string]any{"common_name": "vwrap dev", "ttl": "87600h"},
		})
	}
	path := mount + "/roles/" + role
	if !slices.ContainsFunc(d.Roles, func(w config.Write) bool { return w.Path == path }) {
		d.Roles = append(d.Roles, config.Write{Path: path, Data: map[string]any{
			"allow_any_name": true, "enforce_hostnames": false, "allowed_uri_sans": "*", "allowed_other_sans": "*", "require_cn": false,
		}})
		r.plan.issued = append(r.plan.issued, n.Read.Path)
	}
	return nil
}

// planned is the plan with the secrets that have come together; one of which no field is named gets the field value.
func (r *reads) planned() Plan {
	r.plan.versions = r.versions
	for _, path := range slices.Sorted(maps.Keys(r.trees)) {
		s := config.KV{Path: path}
		for _, name := range slices.Sorted(maps.Keys(r.trees[path])) {
			s.Fields = append(s.Fields, config.Field{Name: name, Value: r.trees[path][name]})
		}
		if len(s.Fields) == 0 {
			s.Fields = []config.Field{{Name: "value", Value: generated}}
		}
		r.plan.dev.KV = append(r.plan.dev.KV, s)
	}
	return r.plan
}
