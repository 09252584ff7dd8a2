package address

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/envsource/dotenv"
	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/pattern"
)

var vaultImage = pattern.Of(`(?:^|/)(?:vault|openbao)(?:[:@].*)?$`)

// mostFiles is how many files are read because Compose files name them, and deepest how long a chain of extends is followed.
const (
	mostFiles = 200
	deepest   = 16
)

// composition is the Compose files of a tree, and what they name.
type composition struct {
	look  *look
	files map[string]*yaml.Node        // by name: their services
	env   map[string]map[string]string // by folder: its .env, from which Compose fills files in
	vault map[string]bool              // names of services, by folder and name, that are Vaults in one file of several
}

// composed looks at Compose files, at those that they include and extend, and at the variables that they read from files.
func (l *look) composed(names []string) {
	c := &composition{look: l, files: map[string]*yaml.Node{}, env: map[string]map[string]string{}, vault: map[string]bool{}}
	for _, name := range names {
		c.read(name, "")
	}
	for _, file := range slices.Sorted(maps.Keys(c.files)) {
		c.each(file, func(name string, n *yaml.Node) {
			if c.isVault(file, n, deepest) {
				c.vault[path.Dir(file)+"\x00"+name] = true
			}
		})
	}
	for _, inherited := range []bool{false, true} { // a port is its own service's first
		for _, file := range slices.Sorted(maps.Keys(c.files)) {
			c.each(file, func(name string, n *yaml.Node) {
				if c.vault[path.Dir(file)+"\x00"+name] {
					c.publish(file, name, n, inherited)
				}
			})
		}
	}
	l.env = nil
}

// read reads a Compose file, and those that it names. by is the file that named it, "" where it has a name of its own.
func (c *composition) read(file, by string) {
	if _, known := c.files[file]; known || len(c.files) > mostFiles {
		return
	}
	text := c.open(file, by, true)
	if text == nil {
		return
	}
	c.files[file] = nil
	folder := path.Dir(file)
	c.look.env = c.variables(folder)
	if c.look.kinds[file] == none { // else the walk has looked at its lines
		c.look.text(file, text, composeFile)
	}
	top, ok := root(text)
	if !ok {
		c.look.warn(file, "is no YAML")
		return
	}
	c.files[file] = child(top, "services")
	for _, n := range items(child(top, "include")) {
		for _, p := range paths(n, "path") {
			c.read(path.Join(folder, c.look.expand(p)), file)
		}
		c.variablesOf(file, child(n, "env_file"))
	}
	c.each(file, func(_ string, n *yaml.Node) {
		if p := child(child(n, "extends"), "file"); p != nil {
			c.read(path.Join(folder, c.look.expand(p.Value)), file)
		}
		c.variablesOf(file, child(n, "env_file"))
	})
}

// variablesOf looks at the files of variables that n names.
func (c *composition) variablesOf(file string, n *yaml.Node) {
	for _, item := range items(n) {
		for _, p := range paths(item, "path") {
			name := path.Join(path.Dir(file), c.look.expand(p))
			if c.look.kinds[name] != none {
				continue // it is looked at anyway
			}
			if text := c.open(name, file, false); text != nil {
				c.look.text(name, text, lines)
			}
		}
	}
}

// open reads a file of the tree. One that is named and not there is told, unless it may be missing: git often has no file of variables.
func (c *composition) open(file, by string, needed bool) []byte {
	if !fs.ValidPath(file) {
		c.look.warn(by, "names "+file+", which is outside of this folder")
		return nil
	}
	tree, err := os.OpenRoot(c.look.root) // which no link leads out of
	if err != nil {
		c.look.warn(file, "cannot be read")
		return nil
	}
	defer func() { _ = tree.Close() }()
	info, err := tree.Stat(file)
	if err == nil && info.Mode().IsRegular() && info.Size() <= largest {
		if text, err := tree.ReadFile(file); err == nil {
			return text
		}
	}
	if needed {
		c.look.warn(by, "names "+file+", which is no file that can be read")
	}
	return nil
}

// variables are those of a folder's .env.
func (c *composition) variables(folder string) map[string]string {
	if known, ok := c.env[folder]; ok {
		return known
	}
	c.env[folder] = map[string]string{}
	if text, err := os.ReadFile(filepath.Join(c.look.root, folder, ".env")); err == nil && len(text) < largest {
		if values, err := dotenv.Parse(string(text)); err == nil {
			c.env[folder] = values
		}
	}
	return c.env[folder]
}

// each calls f for the services of a file.
func (c *composition) each(file string, f func(name string, n *yaml.Node)) {
	services := c.files[file]
	if services == nil || services.Kind != yaml.MappingNode {
		return
	}
	c.look.env = c.variables(path.Dir(file))
	for i := 0; i+1 < len(services.Content); i += 2 {
		f(strings.ToLower(services.Content[i].Value), plain(services.Content[i+1]))
	}
}

// extended is the service that another extends, and its file; nil where it extends none that is known.
func (c *composition) extended(file string, n *yaml.Node) (string, *yaml.Node) {
	e := child(n, "extends")
	if e == nil {
		return "", nil
	}
	name := e
	if e.Kind == yaml.MappingNode {
		if p := child(e, "file"); p != nil {
			file = path.Join(path.Dir(file), c.look.expand(p.Value))
		}
		name = child(e, "service")
	}
	if name == nil {
		return "", nil
	}
	return file, child(c.files[file], name.Value)
}

// isVault reports whether a service, or the one that it extends, has Vault's image.
func (c *composition) isVault(file string, n *yaml.Node, deep int) bool {
	if picture := child(n, "image"); picture != nil {
		return vaultImage().MatchString(c.look.expand(picture.Value))
	}
	file, base := c.extended(file, n)
	return base != nil && deep > 0 && c.isVault(file, base, deep-1)
}

// publish looks at which ports a Vault is published, and to whom: its own, or those of the services that it extends.
func (c *composition) publish(file, name string, n *yaml.Node, inherited bool) {
	if c.look.services[name] == "" { // published to nobody
		c.look.services[name] = "http://" + name + ":8200"
	}
	for range deepest {
		if inherited {
			file, n = c.extended(file, n)
			c.look.env = c.variables(path.Dir(file))
		}
		for _, p := range items(child(n, "ports")) {
			c.look.port(file, name, p)
		}
		if n == nil || !inherited {
			return
		}
	}
}

// items are the elements of a list, or n itself.
func items(n *yaml.Node) (all []*yaml.Node) {
	switch {
	case n == nil:
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			all = append(all, plain(item))
		}
	default:
		all = append(all, n)
	}
	return all
}

// paths are what n says, as a text, or under key, once or in a list.
func paths(n *yaml.Node, key string) (all []string) {
	if n != nil && n.Kind == yaml.MappingNode {
		n = child(n, key)
	}
	for _, item := range items(n) {
		if item.Kind == yaml.ScalarNode {
			all = append(all, item.Value)
		}
	}
	return all
}

// port looks at one entry of a Vault's ports, in the short form or the long one.
func (l *look) port(file, service string, n *yaml.Node) {
	host, published, target := "", "", ""
	if n.Kind == yaml.MappingNode {
		for key, at := range map[string]*string{"host_ip": &host, "published": &published, "target": &target} {
			if v := child(n, key); v != nil {
				*at = l.expand(v.Value)
			}
		}
	} else {
		host, published, target = splitPort(l.expand(n.Value))
	}
	if target != "8200" {
		return
	}
	if published != "" {
		l.services[service] = fmt.Sprintf("http://127.0.0.1:%s", published)
	}
	place := fmt.Sprintf("%s:%d:%d", file, n.Line, n.Column)
	if l.seen[place] {
		return // by a service that extends this one
	}
	l.seen[place] = true
	if host != "" && host != "0.0.0.0" && host != "[::]" && host != "::" {
		return
	}
	l.found = append(l.found, check.Finding{
		Rule: "published-everywhere", Subject: service, File: file, Line: n.Line, Column: n.Column,
		Text: service + " is published at every address of this machine: the network reaches it",
		Mend: fmt.Sprintf("publish it here alone: \"127.0.0.1:%s:8200\"", published),
	})
}

// splitPort reads [HOST:]PUBLISHED:TARGET[/PROTOCOL], and TARGET alone.
func splitPort(text string) (host, published, target string) {
	text, _, _ = strings.Cut(text, "/")
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return "", "", text
	}
	text, target = text[:at], text[at+1:]
	if at = strings.LastIndexByte(text, ':'); at < 0 {
		return "", text, target
	}
	return text[:at], text[at+1:], target
}
