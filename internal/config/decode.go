package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/spell"
	"github.com/vwrap/vwrap/signals"
)

// Problem is one thing that is wrong in a file, and where.
type Problem struct {
	File      string
	Line, Col int
	Text      string
}

// Error implements error.
func (p *Problem) Error() string { return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Text) }

// parse decodes the text of a file called name, with a profile laid over it. All that is wrong is returned
// together. No error quotes a value.
func parse(text []byte, name, profile string) (Config, error) {
	conf := Defaults()
	d := &decoder{file: name}
	root := d.document(text)
	if root == nil {
		return conf, d.err()
	}
	profiles := d.profiles(root)
	if profile != "" {
		over, ok := profiles[profile]
		if !ok {
			d.fail(root, "there is no profile %q (there %s)", profile, have(slices.Sorted(maps.Keys(profiles))))
			return conf, d.err()
		}
		if over.Kind == yaml.MappingNode { // else it is a problem already
			root = d.merge(root, over, 0)
		}
	}
	d.top(root, &conf)
	conf.Profile = profile
	return conf, d.err()
}

func have(names []string) string {
	if len(names) == 0 {
		return "are none"
	}
	return "is: " + strings.Join(names, ", ")
}

// profiles returns the profiles by name, each checked by itself: also one that is not chosen may have no mistakes.
func (d *decoder) profiles(root *yaml.Node) map[string]*yaml.Node {
	found := map[string]*yaml.Node{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "profiles" {
			continue
		}
		list := deref(root.Content[i+1])
		for j := 0; list.Kind == yaml.MappingNode && j+1 < len(list.Content); j += 2 {
			profile := deref(list.Content[j+1])
			found[list.Content[j].Value] = profile
			scratch := Defaults()
			d.section(profile, "profile "+list.Content[j].Value, topFields(d, &scratch))
		}
	}
	return found
}

// merge lays over onto base: mappings are merged, everything else is replaced.
func (d *decoder) merge(base, over *yaml.Node, depth int) *yaml.Node {
	base, over = deref(base), deref(over)
	if base.Kind != yaml.MappingNode || over.Kind != yaml.MappingNode || depth > maxDepth {
		return over
	}
	out := *base
	out.Content = slices.Clone(base.Content)
	at := map[string]int{}
	for i := 0; i+1 < len(out.Content) && d.visit(base); i += 2 {
		at[out.Content[i].Value] = i
	}
	for i := 0; i+1 < len(over.Content) && d.visit(over); i += 2 {
		if j, both := at[over.Content[i].Value]; both {
			out.Content[j+1] = d.merge(out.Content[j+1], over.Content[i+1], depth+1)
			continue
		}
		out.Content = append(out.Content, over.Content[i], over.Content[i+1])
	}
	return &out
}

const (
	maxDepth    = 20      // of nesting
	maxVisits   = 200_000 // of nodes in one file, each time that an alias leads to them counted
	maxProblems = 100     // in one file
)

// decoder collects what is wrong while nodes become values.
type decoder struct {
	file     string
	problems []error
	seen     map[string]bool // the problems' texts
	visits   int
}

func (d *decoder) err() error { return errors.Join(d.problems...) }

// fail notes a problem at n, once: a chosen profile is looked at twice.
func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	if len(d.problems) > maxProblems {
		return
	}
	if len(d.problems) == maxProblems {
		format, args = "and more: only the first %d problems are shown", []any{maxProblems}
	}
	p := &Problem{d.file, n.Line, n.Column, fmt.Sprintf(format, args...)}
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	if text := p.Error(); !d.seen[text] {
		d.seen[text] = true
		d.problems = append(d.problems, p)
	}
}

// visit counts a node, and reports whether there may be more of them: aliases can make a small file endless.
func (d *decoder) visit(n *yaml.Node) bool {
	d.visits++
	if d.visits == maxVisits+1 {
		d.fail(n, "too large: more than %d values, aliases followed", maxVisits)
	}
	return d.visits <= maxVisits
}

// document returns the top-level mapping of the only document in text.
func (d *decoder) document(text []byte) *yaml.Node {
	reader := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	var doc, more yaml.Node
	if err := reader.Decode(&doc); err != nil || len(doc.Content) == 0 {
		d.fail(&yaml.Node{Line: max(1, syntaxLine(err)), Column: 1}, "%s", syntax(err))
		return nil
	}
	switch err := reader.Decode(&more); {
	case err == nil:
		d.fail(&more, "a second document: one file, one document")
		return nil
	case !errors.Is(err, io.EOF):
		d.fail(&yaml.Node{Line: max(1, syntaxLine(err)), Column: 1}, "%s", syntax(err))
		return nil
	}
	root := deref(doc.Content[0])
	if root.Kind != yaml.MappingNode {
		d.fail(root, "want a mapping (version: 1, …), got %s", kindOf(root))
		return nil
	}
	return root
}

// syntax says what is wrong with text that is not YAML, without quoting it: the one message of the library that
// quotes is that of an unknown anchor.
func syntax(err error) string {
	if err == nil || errors.Is(err, io.EOF) {
		return "the file is empty: write at least: version: 1"
	}
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(said, "line "); ok {
		_, said, _ = strings.Cut(rest, ": ")
	}
	if strings.HasPrefix(said, "unknown anchor") {
		return "not YAML: an alias (*name) without its anchor: put a text that begins with * in quotes"
	}
	return "not YAML: " + said
}

// syntaxLine is the line in "yaml: line 3: …", 0 where there is none.
func syntaxLine(err error) int {
	if err == nil {
		return 0
	}
	_, rest, ok := strings.Cut(err.Error(), "line ")
	digits, _, _ := strings.Cut(rest, ":")
	n, convErr := strconv.Atoi(digits)
	if !ok || convErr != nil {
		return 0
	}
	return n
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

// fields are the keys of a section and what decodes each.
type fields map[string]func(n *yaml.Node)

// section decodes the mapping n; where names it in messages.
func (d *decoder) section(n *yaml.Node, where string, known fields) {
	d.pairs(n, where, func(key, value *yaml.Node) {
		decode, ok := known[key.Value]
		if !ok {
			d.fail(key, "unknown key %q in %s%s", key.Value, where, nearest(key.Value, slices.Sorted(maps.Keys(known))))
			return
		}
		decode(value)
	})
}

// pairs calls f for each key of the mapping n, in order; a key that stands twice is an error.
func (d *decoder) pairs(n *yaml.Node, where string, f func(key, value *yaml.Node)) {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s: want a mapping, got %s", where, kindOf(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content) && d.visit(n); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			d.fail(key, "%s: a key has to be plain text: neither an alias nor << nor a list", where)
			continue
		}
		if !d.printable(key, where) {
			continue
		}
		if line, twice := first[key.Value]; twice {
			d.fail(key, "%q stands twice in %s (first in line %d)", key.Value, where, line)
			continue
		}
		first[key.Value] = key.Line
		f(key, deref(n.Content[i+1]))
	}
}

// items calls f for each item of the list n.
func (d *decoder) items(n *yaml.Node, where string, f func(item *yaml.Node)) {
	n = deref(n)
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "%s: want a list, got %s", where, kindOf(n))
		return
	}
	for _, item := range n.Content {
		if !d.visit(item) {
			return
		}
		f(deref(item))
	}
}

// text decodes a name, a path, an address: what is shown to a person, on a line.
func (d *decoder) text(out *string, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if d.anyText(out, where)(n); n.Kind == yaml.ScalarNode {
			d.printable(n, where)
		}
	}
}

// printable refuses what a terminal would obey in place of showing it. It reports whether n has nothing of that.
func (d *decoder) printable(n *yaml.Node, where string) bool {
	i := strings.IndexFunc(n.Value, func(c rune) bool { return !unicode.IsPrint(c) })
	if i >= 0 {
		c, _ := utf8.DecodeRuneInString(n.Value[i:])
		d.fail(n, "%s: %q cannot stand here: no terminal shows it", where, string(c))
	}
	return i < 0
}

// anyText decodes what may have several lines.
func (d *decoder) anyText(out *string, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || tagged(n) {
			d.fail(n, "%s: want text, got %s", where, kindOf(n))
			return
		}
		*out = n.Value
	}
}

func (d *decoder) texts(out *[]string, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		*out = nil
		d.items(n, where, func(item *yaml.Node) {
			var s string
			d.text(&s, where)(item)
			*out = append(*out, s)
		})
	}
}

// choice decodes one of the words in all.
func (d *decoder) choice(out *string, where string, all []string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d.text(out, where)(n)
		if n.Kind == yaml.ScalarNode && !oneOf(*out, all) {
			d.fail(n, "%s: %q is unknown (want %s)", where, *out, or(all))
		}
	}
}

// signal decodes the name or number of a signal.
func (d *decoder) signal(out *string, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d.text(out, where)(n)
		if _, err := signals.Parse(*out); n.Kind == yaml.ScalarNode && err != nil {
			d.fail(n, "%s: %v", where, err)
		}
	}
}

// address decodes where Vault is.
func (d *decoder) address(out *string, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d.text(out, where)(n)
		if _, err := NormalizeAddress(*out); n.Kind == yaml.ScalarNode && err != nil {
			d.fail(n, "%s: %v", where, err)
		}
	}
}

// path decodes the path of a secret.
func (d *decoder) path(out *string, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d.text(out, where)(n)
		if i := strings.IndexAny(*out, "# ?"); i >= 0 {
			d.fail(n, "%s: %q cannot stand in a path (a field goes under env)", where, (*out)[i:i+1])
		}
	}
}

func (d *decoder) flag(out *bool, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, ok := boolean(n)
		if !ok {
			d.fail(n, "%s: want true or false, got %s", where, kindOf(n))
			return
		}
		*out = v
	}
}

// part decodes a part of a whole: a number between 0 and 1.
func (d *decoder) part(out *float64, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil || v != v || tagged(n) {
			d.fail(n, "%s: want a number, got %s", where, kindOf(n))
			return
		}
		if v <= 0 || v >= 1 {
			d.fail(n, "%s: %v is not between 0 and 1", where, v)
		}
		*out = v
	}
}

// interval decodes a duration of a second or more.
func (d *decoder) interval(out *time.Duration, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		before := len(d.problems)
		d.duration(out, where)(n)
		if len(d.problems) == before && *out < time.Second {
			d.fail(n, "%s: %s is under 1s", where, *out)
		}
	}
}

func (d *decoder) duration(out *time.Duration, where string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && n.Tag == "!!int" && n.Value != "0" {
			d.fail(n, "%s: want a duration with a unit, such as %ss", where, n.Value)
			return
		}
		v, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || tagged(n) {
			d.fail(n, "%s: want a duration such as 2s or 1h30m, got %s", where, kindOf(n))
			return
		}
		if v < 0 {
			d.fail(n, "%s: %s is negative", where, v)
		}
		*out = v
	}
}

// anything turns n into what encoding/json can encode.
func (d *decoder) anything(n *yaml.Node, depth int) any {
	n = deref(n)
	if depth > maxDepth {
		d.fail(n, "data: nested more than %d deep", maxDepth)
		return nil
	}
	if !d.visit(n) {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		d.pairs(n, "data", func(key, value *yaml.Node) { out[key.Value] = d.anything(value, depth+1) })
		return out
	case yaml.SequenceNode:
		out := []any{}
		d.items(n, "data", func(item *yaml.Node) { out = append(out, d.anything(item, depth+1)) })
		return out
	}
	if tagged(n) {
		d.fail(n, "data: want a plain value, got %s", kindOf(n))
		return nil
	}
	return scalar(n)
}

// scalar is a scalar as JSON has it; what is neither number nor bool nor null is text, dates included.
func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!int":
		if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return v
		}
	case "!!float":
		if v, err := strconv.ParseFloat(n.Value, 64); err == nil && v == v && v-v == 0 {
			return v
		}
	case "!!bool":
		if v, ok := boolean(n); ok {
			return v
		}
	case "!!null":
		return nil
	}
	return n.Value
}

// boolean is what n says, and whether it says it as YAML 1.2 does.
func boolean(n *yaml.Node) (v, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		return false, false
	}
	switch n.Value {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

// tagged reports whether the scalar n has a tag of its own. In A: !word YAML takes the whole word for the tag, and
// nothing for the value: a password that begins so would silently be empty.
func tagged(n *yaml.Node) bool {
	switch n.Tag {
	case "!!str":
		return false
	case "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge":
		return n.Style&yaml.TaggedStyle != 0
	}
	return true
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if tagged(n) {
			return "a YAML tag (put a text that begins with ! in quotes)"
		}
		switch n.Tag {
		case "!!null":
			return "nothing (write \"\" for an empty text)"
		case "!!int", "!!float":
			return "a number"
		case "!!bool":
			return "true or false"
		}
		return "text"
	}
	return "something else"
}

func oneOf(s string, all []string) bool { return slices.Contains(all, s) }

func or(all []string) string {
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// nearest suggests the known key that s was meant to be, or lists what there is.
func nearest(s string, known []string) string {
	if near := spell.Nearest(s, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
}

// relativeTo makes path relative to dir, unless it is absolute.
func relativeTo(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(cmp.Or(dir, "."), path)
}
