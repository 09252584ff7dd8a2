package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Dev is what vwrap dev starts, and what it puts there.
type Dev struct {
	Server   string // one of devServers; "" is auto
	Image    string // with docker
	Engines  []Engine
	Policies []Policy
	AppRoles []AppRole
	Roles    []Write // what else engines are told, in this order
	KV       []KV
}

// Seeds reports whether d says what is put into the server.
func (d Dev) Seeds() bool {
	return len(d.Engines)+len(d.Policies)+len(d.AppRoles)+len(d.Roles)+len(d.KV) > 0
}

// Engine is a secret engine to be mounted.
type Engine struct {
	Mount, Type string
	Options     map[string]any
	Config      map[string]any
}

// Policy is an ACL policy.
type Policy struct{ Name, Text string }

// AppRole is a login for a program. RoleID "" leaves it to the server.
type AppRole struct {
	Name, RoleID          string
	Policies              []string
	TokenTTL, TokenMaxTTL time.Duration
}

// Write is data written to a path. In it, at any depth, may be a Generate or a Command.
type Write struct {
	Path string
	Data map[string]any
}

// KV is a secret of a KV engine.
type KV struct {
	Path   string
	Fields []Field
}

// Field is a field of a KV secret: a Generate, a Command, or data, in which these may be.
type Field struct {
	Name  string
	Value any
}

// Generate stands for a value that is made up. Length counts characters of alnum, and bytes that hex or base64 encode.
type Generate struct {
	Length   int
	Alphabet string // one of alphabets
}

// Command stands for what a program prints, less one trailing newline.
type Command struct{ Args []string }

// Commands are all that d has run, in the order of the file's sections.
func (d Dev) Commands() (all []Command) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case Command:
			all = append(all, v)
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name])
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	for _, e := range d.Engines {
		walk(e.Options)
		walk(e.Config)
	}
	for _, w := range d.Roles {
		walk(w.Data)
	}
	for _, kv := range d.KV {
		for _, f := range kv.Fields {
			walk(f.Value)
		}
	}
	return all
}

// maxGenerated is the greatest length of a made-up value.
const maxGenerated = 4096

var (
	devServers = []string{"auto", "embedded", "devvault", "vault", "bao", "docker"}
	alphabets  = []string{"alnum", "hex", "base64"}
)

func devFields(d *decoder, v *Dev) fields {
	return fields{
		"server":   d.choice(&v.Server, "dev.server", devServers),
		"image":    d.text(&v.Image, "dev.image"),
		"engines":  func(n *yaml.Node) { v.Engines = d.engines(n) },
		"policies": func(n *yaml.Node) { v.Policies = d.policies(n) },
		"approles": func(n *yaml.Node) { v.AppRoles = d.appRoles(n) },
		"roles":    func(n *yaml.Node) { v.Roles = d.writes(n) },
		"kv":       func(n *yaml.Node) { v.KV = d.kv(n) },
	}
}

func engineFields(d *decoder, e *Engine, where string) fields {
	data := func(out *map[string]any, key string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if n.Kind != yaml.MappingNode {
				d.fail(n, "%s.%s: want a mapping, got %s", where, key, kindOf(n))
				return
			}
			*out, _ = d.anything(n, 0).(map[string]any)
		}
	}
	return fields{
		"type":    d.text(&e.Type, where+".type"),
		"options": data(&e.Options, "options"),
		"config":  data(&e.Config, "config"),
		"version": func(n *yaml.Node) {
			if n.Value != "1" && n.Value != "2" {
				d.fail(n, "%s.version: want 1 or 2", where)
			}
			e.Options = map[string]any{"version": n.Value}
		},
	}
}

func (d *decoder) engines(n *yaml.Node) (all []Engine) {
	d.pairs(n, "dev.engines", func(key, value *yaml.Node) {
		e, where := Engine{Mount: key.Value}, "dev.engines."+key.Value
		d.place(key)
		d.section(value, where, engineFields(d, &e, where))
		switch {
		case e.Type == "" && value.Kind == yaml.MappingNode:
			d.fail(key, "%s: type is missing", where)
		case has(value, "version") && has(value, "options"):
			d.fail(key, "%s: version is short for options: take one of them", where)
		}
		all = append(all, e)
	})
	return all
}

func (d *decoder) policies(n *yaml.Node) (all []Policy) {
	d.pairs(n, "dev.policies", func(key, value *yaml.Node) {
		p := Policy{Name: key.Value}
		d.place(key)
		d.anyText(&p.Text, "dev.policies."+key.Value)(value)
		all = append(all, p)
	})
	return all
}

func appRoleFields(d *decoder, a *AppRole, where string) fields {
	return fields{
		"policies":      d.texts(&a.Policies, where+".policies"),
		"token_ttl":     d.duration(&a.TokenTTL, where+".token_ttl"),
		"token_max_ttl": d.duration(&a.TokenMaxTTL, where+".token_max_ttl"),
		"role_id":       d.text(&a.RoleID, where+".role_id"),
	}
}

func (d *decoder) appRoles(n *yaml.Node) (all []AppRole) {
	d.pairs(n, "dev.approles", func(key, value *yaml.Node) {
		a, where := AppRole{Name: key.Value}, "dev.approles."+key.Value
		d.place(key)
		d.section(value, where, appRoleFields(d, &a, where))
		all = append(all, a)
	})
	return all
}

func (d *decoder) writes(n *yaml.Node) (all []Write) {
	d.pairs(n, "dev.roles", func(key, value *yaml.Node) {
		w, where := Write{Path: key.Value, Data: map[string]any{}}, "dev.roles."+key.Value
		d.place(key)
		d.pairs(value, where, func(key, value *yaml.Node) {
			w.Data[key.Value] = d.seed(value, where+"."+key.Value, 0)
		})
		all = append(all, w)
	})
	return all
}

func (d *decoder) kv(n *yaml.Node) (all []KV) {
	d.pairs(n, "dev.kv", func(key, value *yaml.Node) {
		s, where := KV{Path: key.Value}, "dev.kv."+key.Value
		d.place(key)
		if kind, _, ok := special(value); ok {
			d.fail(value, "%s: a secret has fields: write %s under one", where, kind)
			return
		}
		d.pairs(value, where, func(key, value *yaml.Node) {
			s.Fields = append(s.Fields, Field{key.Value, d.seed(value, where+"."+key.Value, 0)})
		})
		if len(s.Fields) == 0 && value.Kind == yaml.MappingNode {
			d.fail(value, "%s: want a field at least", where)
		}
		all = append(all, s)
	})
	return all
}

// place checks that key can be a mount, a name or a path.
func (d *decoder) place(key *yaml.Node) {
	if strings.ContainsAny(key.Value, "# ?") || strings.Contains("/"+key.Value+"/", "//") {
		d.fail(key, "%q cannot be a path: it is empty, or has a space, #, ?, a / at an end or two of them in it", key.Value)
	}
}

// special is what n has under generate or command, where it is a mapping of that alone.
func special(n *yaml.Node) (key string, value *yaml.Node, ok bool) {
	n = deref(n)
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", nil, false
	}
	key = n.Content[0].Value
	return key, deref(n.Content[1]), key == "generate" || key == "command"
}

func has(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// seed is anything, in which {generate: …} and {command: …} are what they say.
func (d *decoder) seed(n *yaml.Node, where string, depth int) any {
	n = deref(n)
	if depth > maxDepth {
		d.fail(n, "%s: nested more than %d deep", where, maxDepth)
		return nil
	}
	if !d.visit(n) {
		return nil
	}
	switch kind, value, _ := special(n); kind {
	case "generate":
		return d.generate(value, where+".generate")
	case "command":
		return d.command(value, where+".command")
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		d.pairs(n, where, func(key, value *yaml.Node) { out[key.Value] = d.seed(value, where+"."+key.Value, depth+1) })
		return out
	case yaml.SequenceNode:
		out := []any{}
		d.items(n, where, func(item *yaml.Node) { out = append(out, d.seed(item, where, depth+1)) })
		return out
	}
	return d.anything(n, depth)
}

func generateFields(d *decoder, g *Generate, where string) fields {
	return fields{
		"alphabet": d.choice(&g.Alphabet, where+".alphabet", alphabets),
		"length": func(n *yaml.Node) {
			v, _ := scalar(n).(int64)
			if v < 1 || v > maxGenerated {
				d.fail(n, "%s.length: want a number from 1 to %d", where, maxGenerated)
				return
			}
			g.Length = int(v)
		},
	}
}

func (d *decoder) generate(n *yaml.Node, where string) Generate {
	g := Generate{Length: 32, Alphabet: alphabets[0]}
	d.section(n, where, generateFields(d, &g, where))
	return g
}

func (d *decoder) command(n *yaml.Node, where string) (c Command) {
	d.items(n, where, func(item *yaml.Node) {
		var arg string
		d.anyText(&arg, where)(item)
		c.Args = append(c.Args, arg)
	})
	if n.Kind == yaml.SequenceNode && (len(c.Args) == 0 || c.Args[0] == "") {
		d.fail(n, "%s: want a program, and then its arguments", where)
	}
	return c
}
