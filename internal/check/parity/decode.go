package parity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/spell"
)

const (
	maxDepth    = 50        // of nesting
	maxVisits   = 4_000_000 // of nodes, each time that an alias leads to them counted
	maxSchemas  = 10_000    // with those in them
	maxProblems = 50
)

// ParseManifest decodes a manifest, YAML or JSON. name is where it is from, as the user would write it. All that is wrong is
// returned together.
func ParseManifest(text []byte, name string) (Manifest, error) {
	m := Manifest{name: nameOf(name), local: fromFile(name), fold: fold{true, true}, unlisted: unlistedDrift}
	d := &decoder{name: m.name}
	if root := d.document(text); root != nil {
		d.manifest(root, &m)
	}
	return m, errors.Join(d.problems...)
}

// decoder collects what is wrong while nodes become a manifest.
type decoder struct {
	name     string
	problems []error
	visits   int
	schemas  int
}

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	switch {
	case len(d.problems) > maxProblems:
		return
	case len(d.problems) == maxProblems:
		format, args = "and more: only the first %d problems are shown", []any{maxProblems}
	}
	d.problems = append(d.problems, fmt.Errorf("%s:%d:%d: %s", d.name, n.Line, n.Column, fmt.Sprintf(format, args...)))
}

// visit counts a node, and reports whether there may be more: aliases can make a small file endless.
func (d *decoder) visit(n *yaml.Node) bool {
	d.visits++
	if d.visits == maxVisits+1 {
		d.fail(n, "too large: more than %d values, aliases followed", maxVisits)
	}
	return d.visits <= maxVisits
}

// document returns the mapping that is the only document in text.
func (d *decoder) document(text []byte) *yaml.Node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	reader := yaml.NewDecoder(bytes.NewReader(untabbed(text)))
	var doc, more yaml.Node
	err := reader.Decode(&doc)
	if err != nil || len(doc.Content) == 0 {
		d.failSyntax(err)
		return nil
	}
	switch err := reader.Decode(&more); {
	case err == nil:
		d.fail(&more, "a second document: one file, one manifest")
		return nil
	case !errors.Is(err, io.EOF):
		d.failSyntax(err)
		return nil
	}
	return deref(doc.Content[0])
}

// untabbed returns JSON with blanks for the tabs before its lines: YAML takes it then.
func untabbed(text []byte) []byte {
	if t := bytes.TrimLeft(text, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return text
	}
	out := bytes.Clone(text)
	inText := false
	for i := 0; i < len(out); i++ {
		switch {
		case out[i] == '\\' && inText:
			i++
		case out[i] == '"':
			inText = !inText
		case out[i] == '\t' && !inText:
			out[i] = ' '
		}
	}
	return out
}

// failSyntax says what is wrong with text that is no YAML.
func (d *decoder) failSyntax(err error) {
	if err == nil || errors.Is(err, io.EOF) {
		d.fail(&yaml.Node{Line: 1, Column: 1}, "the manifest is empty: write at least: required_keys: []")
		return
	}
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(said, "line "); ok {
		digits, after, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(digits); err == nil {
			line, said = max(1, n), after
		}
	}
	d.fail(&yaml.Node{Line: line, Column: 1}, "neither YAML nor JSON: %s", said)
}

// deref follows an alias to what it stands for.
func deref(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

func (d *decoder) manifest(root *yaml.Node, m *Manifest) {
	lists := []need{required, optional, forbidden}
	known := map[string]func(*yaml.Node){"normalize": func(n *yaml.Node) { m.fold = d.fold(n) }, "unlisted": func(n *yaml.Node) {
		m.unlisted = d.choice(n, "unlisted", unlistedDrift, unlistedWarn, unlistedIgnore)
	}}
	for _, list := range lists {
		known[string(list)] = func(n *yaml.Node) { m.keys = append(m.keys, d.keys(n, list)...) }
	}
	d.section(root, "the manifest", known)
	d.contradictions(m)
}

// section decodes the mapping n. A key that begins with x- is somebody else's.
func (d *decoder) section(n *yaml.Node, where string, known map[string]func(*yaml.Node)) {
	d.pairs(n, where, func(name, value *yaml.Node) {
		decode, ok := known[name.Value]
		switch {
		case ok:
			decode(value)
		case !strings.HasPrefix(name.Value, "x-"):
			d.fail(name, "unknown key %q in %s%s", name.Value, where, nearest(name.Value, slices.Sorted(maps.Keys(known))))
		}
	})
}

func nearest(s string, known []string) string {
	if near := spell.Nearest(s, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
}

// pairs calls f for each key of the mapping n, in order.
func (d *decoder) pairs(n *yaml.Node, where string, f func(name, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s: want a mapping, got %s", where, kindOf(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content) && d.visit(n); i += 2 {
		name := n.Content[i]
		if name.Kind != yaml.ScalarNode || name.Tag == "!!merge" {
			d.fail(name, "%s: a key has to be plain text: neither an alias nor << nor a list", where)
			continue
		}
		if line, twice := first[name.Value]; twice {
			d.fail(name, "%q stands twice in %s (first in line %d)", name.Value, where, line)
			continue
		}
		first[name.Value] = name.Line
		f(name, deref(n.Content[i+1]))
	}
}

// keys decodes a list of names, or a mapping from names to rules.
func (d *decoder) keys(n *yaml.Node, list need) (all []key) {
	switch {
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			if !d.visit(item) {
				break
			}
			if k, ok := d.key(deref(item), list); ok {
				all = append(all, k)
			}
		}
	case n.Kind == yaml.MappingNode && list == forbidden:
		d.fail(n, "%s: want a list: what must not be there has no rules", list)
	case n.Kind == yaml.MappingNode:
		d.pairs(n, string(list), func(name, value *yaml.Node) {
			if k, ok := d.key(name, list); ok {
				k.rules = d.rules(value, k.name)
				all = append(all, k)
			}
		})
	case n.Tag == "!!null": // required_keys: with nothing behind it
	default:
		d.fail(n, "%s: want a list of names, or a mapping from names to rules, got %s", list, kindOf(n))
	}
	return all
}

func (d *decoder) key(n *yaml.Node, list need) (key, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		d.fail(n, "%s: want a name, got %s (one that begins with # wants quotes)", list, kindOf(n))
		return key{}, false
	}
	k := key{name: n.Value, need: list, line: n.Line}
	if k.secret, k.field, k.hasField = splitName(n.Value); k.hasField && k.field == "" || !k.hasField && k.secret == "" {
		d.fail(n, "%s: %q is no name: want SECRET, SECRET#FIELD or #FIELD", list, n.Value)
		return key{}, false
	}
	return k, true
}

func (d *decoder) rules(n *yaml.Node, name string) *rules {
	if n.Tag == "!!null" {
		return nil
	}
	r := &rules{}
	d.section(n, name, map[string]func(*yaml.Node){
		"pattern":    func(n *yaml.Node) { r.pattern = d.pattern(n, "pattern") },
		"min_length": func(n *yaml.Node) { r.minLength = d.count(n, "min_length") },
		"not_older_than": func(n *yaml.Node) {
			var err error
			if r.notOlderThan, err = parseAge(n.Value); err != nil || n.Kind != yaml.ScalarNode {
				d.fail(n, "not_older_than: want a duration as 90d, 12h or 1d12h, got %s", kindOf(n))
			}
			r.oldest = n.Value
		},
		"json_schema": func(n *yaml.Node) { r.schema = d.schema(n, 0) },
	})
	return r
}

// parseAge reads a duration that may have days in it. It is more than nothing.
func parseAge(text string) (time.Duration, error) {
	var age time.Duration
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, errors.New("not a number of days")
		}
		age, text = time.Duration(n)*24*time.Hour, rest
	}
	if text != "" {
		more, err := time.ParseDuration(text)
		if err != nil || more < 0 || more > math.MaxInt64-age {
			return 0, errors.New("not a duration")
		}
		age += more
	}
	if age == 0 {
		return 0, errors.New("nothing")
	}
	return age, nil
}

func (d *decoder) pattern(n *yaml.Node, where string) *regexp.Regexp {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(n, "%s: want a regular expression (RE2), got %s", where, kindOf(n))
		return nil
	}
	p, err := regexp.Compile(n.Value)
	if err != nil {
		d.fail(n, "%s: %v (RE2: neither look-around nor back-references)", where, err)
	}
	return p
}

func (d *decoder) count(n *yaml.Node, where string) int {
	count, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || count < 0 {
		d.fail(n, "%s: want a whole number from 0, got %s", where, kindOf(n))
		return 0
	}
	return count
}

func (d *decoder) choice(n *yaml.Node, where string, words ...string) string {
	if n.Kind != yaml.ScalarNode || !slices.Contains(words, n.Value) {
		d.fail(n, "%s: want one of %s", where, strings.Join(words, ", "))
		return words[0]
	}
	return n.Value
}

func (d *decoder) fold(n *yaml.Node) (f fold) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "normalize: want a list of case and separators, or [] for neither, got %s", kindOf(n))
		return f
	}
	for _, item := range n.Content {
		switch d.choice(deref(item), "normalize", "case", "separators") {
		case "case":
			f.letters = true
		case "separators":
			f.separators = true
		}
	}
	return f
}

// contradictions sorts the keys, and finds what is in the manifest twice, under whatever spelling.
func (d *decoder) contradictions(m *Manifest) {
	for i := range m.keys {
		k := &m.keys[i]
		k.folded = [2]string{m.fold.of(k.secret), m.fold.of(k.field)}
	}
	slices.SortStableFunc(m.keys, identity)
	for i := 1; i < len(m.keys); i++ {
		earlier, k := m.keys[i-1], m.keys[i]
		at := &yaml.Node{Line: k.line, Column: 1}
		switch {
		case identity(earlier, k) != 0:
		case earlier.name == k.name:
			d.fail(at, "%s stands twice (first in line %d, under %s)", shown(k.name), earlier.line, earlier.need)
		default:
			d.fail(at, "%s and %s (line %d, under %s) are one key: normalize: [] would tell them apart", shown(k.name), shown(earlier.name), earlier.line, earlier.need)
		}
	}
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch {
		case n.Tag == "!!null" || n.Value == "":
			return "nothing"
		case n.Tag == "!!int" || n.Tag == "!!float":
			return "a number"
		case n.Tag == "!!bool":
			return "true or false"
		}
		return "text"
	}
	return "something else"
}
