// Package address finds the addresses of Vault and OpenBao in the files of a repository, and says where they do not mean one
// server, or where one stands open. It reads files and asks nobody.
package address

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

	// What it means, once all files are known.
	service *service // of Compose
	named   bool     // it has the name of a service, or of several
	keys    []string // see look.keys
}

// look is one run of the check.
type look struct {
	Options
	places   []place
	unknown  int // addresses that are filled in elsewhere
	files    int
	root     string
	kinds    map[string]kind                // of the files that were looked at
	seen     map[string]bool                // places that were understood, and what was told
	env      map[string]string              // that the present file is filled in from; nil: nothing is known of it
	projects map[string]map[string]*service // of Compose: by folder, and by each name that a service has there
	besides  map[string]bool                // names of Vaults that run beside a job of a pipeline
	found    []check.Finding
}

// Check looks at the files below root. A file that cannot be read or understood is a warning.
func Check(ctx context.Context, root string, o Options) (check.Report, error) {
	if info, err := os.Stat(root); err != nil {
		return check.Report{}, fmt.Errorf("look for addresses: %w", err)
	} else if !info.IsDir() {
		return check.Report{}, fmt.Errorf("look for addresses: %s is no folder", root)
	}
	l := &look{
		Options: o, root: root, kinds: map[string]kind{}, seen: map[string]bool{}, projects: map[string]map[string]*service{}, besides: map[string]bool{},
	}
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
	if k == devcontainer {
		l.lines(name, string(l.devcontainer(name, text)), k)
		return
	}
	l.lines(name, strings.TrimPrefix(string(text), "\ufeff"), k)
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
		l.nodes(name, text)
	}
}

func (l *look) warn(name, why string) {
	l.found = append(l.found, check.Finding{Rule: "unreadable", Warning: true, File: name, Text: why + ", and is not looked at"})
}

// at adds an address: text, as it is written where f is. name is what is set to it.
func (l *look) at(f check.Finding, name, text string) {
	s, err := parse(l.expand(text))
	switch {
	case errors.Is(err, errUnknown):
		l.unknown++
	case err != nil:
		f.Rule, f.Warning, f.Subject, f.Text = "no-address", true, name, name+" is no address: "+err.Error()
		l.found = append(l.found, f)
	default:
		l.places = append(l.places, place{file: f.File, line: f.Line, column: f.Column, server: s})
	}
}
