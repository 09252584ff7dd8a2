// Package address finds the addresses of Vault and OpenBao in the files of a repository, and says where they do not mean one
// server, or where one stands open. It reads files and asks nobody.
package address

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/internal/check"
)

// largest is the greatest size of a file that is read: a larger one is no configuration.
const largest = 1 << 20

// Options say how a tree is looked at.
type Options struct {
	Aliases [][]string             // addresses that mean one server: check.address_aliases
	Tracked func(file string) bool // whether git has a file; nil: all are taken for that
}

// place is where an address stands.
type place struct {
	file         string
	line, column int
	server       server
}

// look is one run of the check.
type look struct {
	Options
	places   []place
	unknown  int // addresses that are filled in elsewhere
	files    int
	root     string
	kinds    map[string]kind   // of the files that were looked at
	seen     map[string]bool   // places that were understood
	env      map[string]string // that the present file is filled in from; nil: nothing is known of it
	services map[string]string // of Compose: a name that Vault has there, to the server that it is published as
	found    []check.Finding
}

// Check looks at the files below root. A file that cannot be read or understood is a warning.
func Check(ctx context.Context, root string, o Options) (check.Report, error) {
	if info, err := os.Stat(root); err != nil {
		return check.Report{}, fmt.Errorf("look for addresses: %w", err)
	} else if !info.IsDir() {
		return check.Report{}, fmt.Errorf("look for addresses: %s is no folder", root)
	}
	l := &look{Options: o, root: root, kinds: map[string]kind{}, seen: map[string]bool{}, services: map[string]string{}}
	var composed []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			l.warn(name, "cannot be read")
		case e.IsDir() && slices.Contains([]string{".git", "node_modules", "vendor", ".terraform", ".venv"}, e.Name()):
			return fs.SkipDir
		case e.Type().IsRegular() && kindOf(name) != none:
			if k := l.file(name); k == composeFile {
				composed = append(composed, name)
			}
		}
		return nil
	})
	if err != nil {
		return check.Report{}, fmt.Errorf("look for addresses: %w", err)
	}
	l.composed(composed)
	return l.report(), nil
}

// kind is how a file is read.
type kind int

const (
	none kind = iota
	lines
	composeFile
	devcontainer
	vwrapFile
)

func kindOf(name string) kind {
	base := path.Base(name)
	ext := path.Ext(base)
	yaml := ext == ".yml" || ext == ".yaml"
	switch {
	case base == "vwrap.yaml":
		return vwrapFile
	case yaml && (strings.HasPrefix(base, "compose") || strings.HasPrefix(base, "docker-compose")):
		return composeFile
	case base == "devcontainer.json" || base == ".devcontainer.json":
		return devcontainer
	case strings.HasPrefix(base, ".env") || base == "package.json" || yaml || ext == ".sh" || ext == ".mk",
		base == "Makefile" || base == "GNUmakefile" || strings.HasPrefix(base, "Dockerfile") || ext == ".dockerfile":
		return lines
	}
	return none
}

// file looks at a file by itself; what Compose files mean together comes after all.
func (l *look) file(name string) kind {
	info, err := os.Stat(filepath.Join(l.root, name))
	if err == nil && info.Size() > largest {
		return none
	}
	k := kindOf(name)
	if k == composeFile { // needs those beside it
		return k
	}
	text, err := os.ReadFile(filepath.Join(l.root, name))
	if err != nil {
		l.warn(name, "cannot be read")
		return none
	}
	l.text(name, text, k)
	return k
}

func (l *look) text(name string, text []byte, k kind) {
	l.files++
	l.kinds[name] = k
	if k == vwrapFile {
		l.vwrap(name, text)
		return
	}
	l.lines(name, string(text), k)
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
		l.nodes(name, text)
	}
}

func (l *look) warn(name, why string) {
	l.found = append(l.found, check.Finding{Rule: "unreadable", Warning: true, File: name, Text: why + ", and is not looked at"})
}

// at adds an address; text is as it is written there.
func (l *look) at(file string, line, column int, text string) {
	s, err := parse(l.expand(text))
	switch {
	case errors.Is(err, errUnknown):
		l.unknown++
	case err != nil:
		l.found = append(l.found, check.Finding{Rule: "no-address", Warning: true, File: file, Line: line, Column: column, Text: "is no address: " + err.Error()})
	default:
		l.places = append(l.places, place{file, line, column, s})
	}
}

// report says which places do not mean the server that most mean.
func (l *look) report() check.Report {
	r := check.Report{Check: "address", Findings: l.found}
	same := l.groups()
	count := map[string]int{}
	for _, p := range l.places {
		count[same[p.server.key]]++
	}
	most := slices.MaxFunc(append(slices.Sorted(maps.Keys(count)), ""), func(a, b string) int { return cmp.Compare(count[a], count[b]) })
	for _, p := range l.places {
		if f, ok := l.plainHTTP(p); ok {
			r.Findings = append(r.Findings, f)
		}
		if same[p.server.key] == most {
			r.Passed = append(r.Passed, fmt.Sprintf("%s:%d", p.file, p.line))
			continue
		}
		r.Findings = append(r.Findings, check.Finding{
			Rule: "another-server", Subject: p.server.text, File: p.file, Line: p.line, Column: p.column,
			Text: fmt.Sprintf("%s is another server than %s, which %d of %d places mean", p.server.text, most, count[most], len(l.places)),
			Mend: "write one address everywhere, or say under check.address_aliases in vwrap.yaml that both are one",
		})
	}
	r.Sort()
	r.Summary = fmt.Sprintf("%d files, %d addresses, %d servers", l.files, len(l.places), len(count))
	if l.unknown > 0 {
		r.Summary += fmt.Sprintf("; %d more are filled in elsewhere", l.unknown)
	}
	return r
}

// plainHTTP is what is wrong with an address that shows the token to the network.
func (l *look) plainHTTP(p place) (check.Finding, bool) {
	_, service := l.services[p.server.host]
	if p.server.scheme != "http" || p.server.here || service {
		return check.Finding{}, false
	}
	return check.Finding{
		Rule: "plain-http", Subject: p.server.text, File: p.file, Line: p.line, Column: p.column,
		Text: p.server.text + " is not this machine, and http shows the token to the network", Mend: "use https",
	}, true
}

// groups names the group of each server: aliases, and the services of Compose with the ports that they are published at, are
// one. A group has the name of the first of its servers.
func (l *look) groups() map[string]string {
	group := map[string]string{}
	var names []string
	for _, p := range l.places {
		names = append(names, p.server.key)
	}
	for service, published := range l.services {
		names = append(names, "http://"+service+":8200", published)
	}
	for _, name := range names {
		group[name] = name
	}
	join := func(a, b string) {
		from, to := group[b], cmp.Or(group[a], a)
		for name, g := range group {
			if g == from {
				group[name] = to
			}
		}
		group[a], group[b] = to, to
	}
	for _, service := range slices.Sorted(maps.Keys(l.services)) {
		join(l.services[service], "http://"+service+":8200")
	}
	for _, aliases := range l.Aliases {
		var first string
		for _, text := range aliases {
			s, err := parse(text)
			if err != nil {
				continue // the configuration's decoder does not know what is there
			}
			if group[s.key] == "" {
				group[s.key] = s.key
			}
			if first == "" {
				first = s.key
			}
			join(first, s.key)
		}
	}
	return group
}
