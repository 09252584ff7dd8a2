package address

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/pattern"
)

// child is what a mapping has under key; nil where it has nothing.
func child(n *yaml.Node, key string) *yaml.Node {
	n = plain(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case key:
			return plain(n.Content[i+1])
		case "<<":
			merged = plain(n.Content[i+1])
		}
	}
	if merged == nil || merged == n {
		return nil
	}
	if merged.Kind == yaml.SequenceNode {
		for _, m := range merged.Content {
			if v := own(plain(m), key); v != nil {
				return v
			}
		}
		return nil
	}
	return own(merged, key)
}

// own is child without what is merged in.
func own(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return plain(n.Content[i+1])
		}
	}
	return nil
}

// plain follows an alias.
func plain(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func root(text []byte) (*yaml.Node, bool) {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return nil, false
	}
	return doc.Content[0], true
}

var (
	variables = pattern.Of(`^(?:VAULT|BAO)_(ADDR|TOKEN|DEV_ROOT_TOKEN_ID|SKIP_VERIFY)$`)
	action    = pattern.Of(`^(?:hashicorp|openbao)/(?:vault|openbao|bao)-action@`)
)

// lookedFor is the variable that a key of a mapping is, or an annotation of Vault's injector; ok is false for others.
func lookedFor(key string) (v variable, ok bool) {
	if m := variables().FindStringSubmatch(key); m != nil {
		return variable{key, m[1]}, true
	}
	switch key {
	case "vault.hashicorp.com/service":
		return variable{key, "ADDR"}, true
	case "vault.hashicorp.com/tls-skip-verify":
		return variable{key, "SKIP_VERIFY"}, true
	}
	return v, false
}

// mostNodes bounds what is looked at in one file: aliases of aliases are many.
const mostNodes = 100_000

// nodes looks at all documents of a YAML file for variables that lines do not show: {name: VAULT_ADDR, value: …} on one line, or in the
// other order (Kubernetes).
func (l *look) nodes(file string, text []byte) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	left := mostNodes
	for {
		var doc yaml.Node
		if d.Decode(&doc) != nil {
			return // what is no YAML was looked at by its lines
		}
		l.walk(file, &doc, &left)
	}
}

func (l *look) walk(file string, n *yaml.Node, left *int) {
	if *left--; *left < 0 || n == nil {
		return
	}
	if n.Kind == yaml.MappingNode {
		if name, value := own(n, "name"), own(n, "value"); name != nil && value != nil {
			l.node(file, name.Value, value)
		}
		if uses := own(n, "uses"); uses != nil && action().MatchString(uses.Value) {
			l.action(file, own(n, "with"))
		}
		if services := own(n, "services"); services != nil && l.kinds[file] != composeFile {
			l.jobs(services)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			l.node(file, n.Content[i].Value, n.Content[i+1])
		}
	}
	for _, c := range n.Content { // and no aliases: what they stand for is looked at where it is
		l.walk(file, c, left)
	}
}

// node looks at what a variable is set to, unless its line was understood already.
func (l *look) node(file, name string, value *yaml.Node) {
	v, ok := lookedFor(name)
	if !ok || value.Kind != yaml.ScalarNode || value.Tag == "!!null" || l.seen[fmt.Sprintf("%s:%d", file, value.Line)] {
		return
	}
	l.value(file, value.Line, value.Column, v, value.Value)
}

// action looks at what Vault's action of GitHub is given.
func (l *look) action(file string, with *yaml.Node) {
	for _, input := range []variable{{"url", "ADDR"}, {"token", "TOKEN"}, {"tlsSkipVerify", "SKIP_VERIFY"}} {
		if value := own(with, input.name); value != nil && value.Kind == yaml.ScalarNode {
			l.value(file, value.Line, value.Column, input, value.Value)
		}
	}
}

// jobs notes the names of the Vaults that run beside a job of GitLab's or GitHub's. Each job has its own.
func (l *look) jobs(services *yaml.Node) {
	note := func(name string) { l.besides[strings.ToLower(name)] = true }
	if services.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(services.Content); i += 2 {
			if picture := child(services.Content[i+1], "image"); picture != nil && vaultImage().MatchString(picture.Value) {
				note(services.Content[i].Value)
			}
		}
		return
	}
	for _, item := range items(services) {
		picture := item
		if item.Kind == yaml.MappingNode {
			picture = child(item, "name")
		}
		if picture == nil || !vaultImage().MatchString(picture.Value) {
			continue
		}
		name := path.Dir(picture.Value) + "/" + imageName(picture.Value)
		note(strings.ReplaceAll(strings.TrimPrefix(name, "./"), "/", "-")) // as GitLab names it
		note(strings.ReplaceAll(strings.TrimPrefix(name, "./"), "/", "__"))
		if alias := child(item, "alias"); alias != nil {
			for _, name := range strings.FieldsFunc(alias.Value, func(r rune) bool { return r == ',' || r == ' ' }) {
				note(name)
			}
		}
	}
}

// vwrap looks at a vwrap.yaml, its profiles too.
func (l *look) vwrap(file string, text []byte) {
	top, ok := root(text)
	if !ok {
		l.warn(file, "is no YAML")
		return
	}
	if address := child(child(top, "vault"), "address"); address != nil {
		l.at(check.Finding{File: file, Line: address.Line, Column: address.Column}, "vault.address", address.Value)
	}
	profiles := child(top, "profiles")
	if profiles == nil || profiles.Kind != yaml.MappingNode {
		return
	}
	for i := 1; i < len(profiles.Content); i += 2 {
		if child(child(profiles.Content[i], "vault"), "address") != nil {
			l.unknown++ // a profile is for another place, and may mean another server
		}
	}
}
