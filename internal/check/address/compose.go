package address

import (
	"cmp"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/envsource/dotenv"
)

// mostFiles is how many files are read because Compose files name them, and deepest how long a chain of extends is followed.
const (
	mostFiles = 200
	deepest   = 16
	mostTexts = 1000 // of a service's command and environment
)

// composition is the Compose files of a tree, and what they name.
type composition struct {
	look  *look
	files map[string]*yaml.Node        // by name: their services
	env   map[string]map[string]string // by folder: its .env, from which Compose fills files in
	named map[string][]string          // by name: the files that one includes
}

// composed looks at Compose files, at those that they include and extend, and at the variables that they read from files.
func (l *look) composed(files []string) {
	c := &composition{look: l, files: map[string]*yaml.Node{}, env: map[string]map[string]string{}, named: map[string][]string{}}
	for _, name := range files {
		c.read(name, "")
	}
	services := map[string]*service{} // by folder and name: those of an override file are those of the file that it is laid over
	for _, file := range slices.Sorted(maps.Keys(c.files)) {
		c.each(file, func(name string, n *yaml.Node) {
			home := path.Dir(file) + "\x00" + name
			if services[home] == nil {
				services[home] = &service{name: name, folder: path.Dir(file), published: map[string][]string{}}
			}
			c.describe(services[home], file, n)
		})
	}
	for _, file := range files {
		c.project(path.Dir(file), file, services, map[string]bool{})
	}
	l.env = nil
	l.judge(slices.SortedFunc(maps.Values(services), func(a, b *service) int {
		return cmp.Or(cmp.Compare(a.folder, b.folder), cmp.Compare(a.name, b.name))
	}))
}

// project gives the project of a folder the services of a file, and of those that it includes, by all of their names.
func (c *composition) project(folder, file string, services map[string]*service, seen map[string]bool) {
	if seen[file] {
		return
	}
	seen[file] = true
	if c.look.projects[folder] == nil {
		c.look.projects[folder] = map[string]*service{}
	}
	known := c.look.projects[folder]
	c.each(file, func(name string, _ *yaml.Node) {
		s := services[path.Dir(file)+"\x00"+name]
		for _, name := range append([]string{s.name}, s.aliases...) {
			if known[name] == nil || name == s.name {
				known[name] = s
			}
		}
	})
	for _, included := range c.named[file] {
		c.project(folder, included, services, seen)
	}
	c.each(file, func(_ string, n *yaml.Node) {
		for _, link := range paths(n, "links") { // SERVICE:ALIAS
			if name, alias, ok := strings.Cut(strings.ToLower(link), ":"); ok && known[name] != nil && known[alias] == nil {
				known[alias] = known[name]
			}
		}
	})
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
			included := path.Join(folder, c.look.expand(p))
			c.named[file] = append(c.named[file], included)
			c.read(included, file)
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

// isVault reports whether a service, or the one that it extends, has Vault's image, or one that is made of it.
func (c *composition) isVault(file string, n *yaml.Node, deep int) bool {
	c.look.env = c.variables(path.Dir(file))
	if picture := child(n, "image"); picture != nil && vaultImage().MatchString(c.look.expand(picture.Value)) {
		return true
	}
	if build := child(n, "build"); build != nil {
		return vaultImage().MatchString(c.built(file, build))
	}
	file, base := c.extended(file, n)
	return base != nil && deep > 0 && child(n, "image") == nil && c.isVault(file, base, deep-1)
}

// built is the image that a service's own is made of.
func (c *composition) built(file string, build *yaml.Node) string {
	part := func(key, otherwise string) string {
		if v := child(build, key); v != nil {
			return c.look.expand(v.Value)
		}
		return otherwise
	}
	target := part("target", "")
	if text := part("dockerfile_inline", ""); text != "" {
		return madeOf(text, target)
	}
	context := part("context", ".")
	if build.Kind == yaml.ScalarNode {
		context = c.look.expand(build.Value)
	}
	name := path.Join(path.Dir(file), context, part("dockerfile", "Dockerfile"))
	if !fs.ValidPath(name) {
		return ""
	}
	return madeOf(string(c.open(name, file, false)), target)
}

// describe adds to a service what a file says of it, and, after that, what those say that it extends.
func (c *composition) describe(s *service, file string, n *yaml.Node) {
	s.vault = s.vault || c.isVault(file, n, deepest)
	s.spans = append(s.spans, span{file, n.Line, lastLine(n)})
	s.aliases = append(s.aliases, aliases(n)...)
	for deep := range deepest {
		c.look.env = c.variables(path.Dir(file))
		for _, p := range items(child(n, "ports")) {
			s.ports = append(s.ports, c.look.port(file, p, deep > 0))
		}
		if mode := child(n, "network_mode"); mode != nil && mode.Value == "host" && s.host == nil {
			s.host, s.hostFile = mode, file
		}
		left := mostTexts
		for _, key := range []string{"command", "entrypoint", "environment"} {
			s.started += " " + c.look.expand(flat(child(n, key), &left))
		}
		if file, n = c.extended(file, n); n == nil {
			break
		}
	}
	c.look.env = c.variables(s.folder)
}

// aliases are the names that others have for a service.
func aliases(n *yaml.Node) (all []string) {
	if name := child(n, "container_name"); name != nil {
		all = append(all, name.Value)
	}
	if networks := child(n, "networks"); networks != nil && networks.Kind == yaml.MappingNode {
		for i := 1; i < len(networks.Content); i += 2 {
			all = append(all, paths(child(networks.Content[i], "aliases"), "")...)
		}
	}
	for i := range all {
		all[i] = strings.ToLower(all[i])
	}
	return all
}

// flat is the texts of n, and NAME=VALUE of a mapping.
func flat(n *yaml.Node, left *int) string {
	if *left--; n == nil || *left < 0 {
		return ""
	}
	switch n = plain(n); n.Kind {
	case yaml.ScalarNode:
		return n.Value
	case yaml.MappingNode:
		var b strings.Builder
		for i := 0; i+1 < len(n.Content); i += 2 {
			b.WriteString(n.Content[i].Value + "=" + flat(n.Content[i+1], left) + " ")
		}
		return b.String()
	}
	var b strings.Builder
	for _, c := range n.Content {
		b.WriteString(flat(c, left) + " ")
	}
	return b.String()
}

// lastLine is where n ends.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content { // and no aliases
		last = max(last, lastLine(c))
	}
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		last += strings.Count(n.Value, "\n")
	}
	return last
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
