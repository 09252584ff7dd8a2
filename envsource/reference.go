package envsource

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ErrReference is wrapped by every error that Parse and ParseReference return for text that is not a reference.
var ErrReference = errors.New("malformed reference")

// Ref is one parsed reference: which read answers it, and which part of the answer it wants.
type Ref struct {
	Read     Read
	Field    string   // the field, for the field form; the key, for dotenv
	Pointer  []string // the tokens of a JSON pointer (RFC 6901), for the #/a/b form
	Optional bool     // ?optional: the fallback's value is taken where this cannot be had at start
	Filters  []Filter // applied in order to the text of the value
}

// part is a piece of a template: fixed text or a reference.
type part struct {
	text string
	ref  *Ref
}

// Template is the parsed text of one variable.
type Template struct{ parts []part }

// Refs returns the references of t, in order.
func (t Template) Refs() []Ref {
	var refs []Ref
	for _, p := range t.parts {
		if p.ref != nil {
			refs = append(refs, *p.ref)
		}
	}
	return refs
}

// Optional reports whether any reference of t is ?optional: then the variable as a whole may be missing.
func (t Template) Optional() bool {
	for _, p := range t.parts {
		if p.ref != nil && p.ref.Optional {
			return true
		}
	}
	return false
}

const (
	inlineOpen    = "${vault:"
	schemeVault   = "vault:"
	schemeFile    = "file:"
	schemeDotenv  = "dotenv:"
	schemeLiteral = "literal:"
)

// IsInheritedReference reports whether an inherited variable's text is a reference. Only vault: and ${vault:…}
// are: DATABASE_URL=file:./dev.db is somebody's SQLite.
func IsInheritedReference(text string) bool {
	return strings.HasPrefix(text, schemeVault) && !isCiphertext(text) || strings.Contains(text, inlineOpen)
}

// isCiphertext reports whether text is what the transit engine encrypts to, vault:v1:BASE64, and so no reference.
func isCiphertext(text string) bool {
	version, ok := strings.CutPrefix(text, schemeVault+"v")
	digits, body, sep := strings.Cut(version, ":")
	return ok && sep && digits != "" && strings.Trim(digits, "0123456789") == "" && body != "" &&
		!strings.ContainsFunc(body, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' && c != '/' && c != '='
		})
}

// ParseTemplate parses the text of a variable that vwrap was given (-e, vwrap.yaml): a whole reference of any
// scheme, or text with ${vault:…} in it. Errors wrap ErrReference, tell the position (1-based, in bytes) and
// quote only what stands inside a reference.
func ParseTemplate(text string) (Template, error) {
	switch {
	case strings.HasPrefix(text, schemeLiteral):
		return Template{[]part{{text: text[len(schemeLiteral):]}}}, nil
	case strings.HasPrefix(text, schemeFile):
		return whole(parseFile(text[len(schemeFile):]))
	case strings.HasPrefix(text, schemeDotenv):
		return whole(parseDotenv(text[len(schemeDotenv):]))
	}
	return ParseInherited(text)
}

// ParseInherited parses the text of an inherited variable, where only vault: and ${vault:…} are references.
func ParseInherited(text string) (Template, error) {
	if strings.HasPrefix(text, schemeVault) && !isCiphertext(text) {
		return whole(parseVault(text[len(schemeVault):], len(schemeVault)))
	}
	var t Template
	for pos := 0; pos < len(text); {
		start := strings.Index(text[pos:], inlineOpen)
		if start < 0 {
			t.parts = append(t.parts, part{text: text[pos:]})
			break
		}
		start += pos
		if start > pos {
			t.parts = append(t.parts, part{text: text[pos:start]})
		}
		body := start + len(inlineOpen)
		end := strings.IndexByte(text[body:], '}')
		if end < 0 {
			return Template{}, malformed(start, `%q has no closing "}"`, inlineOpen)
		}
		ref, err := parseInline(text[body:body+end], body)
		if err != nil {
			return Template{}, err
		}
		t.parts = append(t.parts, part{ref: &ref})
		pos = body + end + 1
	}
	return t, nil
}

func whole(ref Ref, err error) (Template, error) {
	if err != nil {
		return Template{}, err
	}
	return Template{[]part{{ref: &ref}}}, nil
}

// malformed makes the error for the byte at offset at (0-based) of the variable's text.
func malformed(at int, format string, args ...any) error {
	return fmt.Errorf("%w at position %d: %s", ErrReference, at+1, fmt.Sprintf(format, args...))
}

// parseInline parses what stands between "${vault:" and "}": PATH#FIELD and filters after "|".
func parseInline(text string, at int) (Ref, error) {
	pieces := strings.Split(text, "|")
	ref, err := parseVault(strings.TrimRight(pieces[0], " \t"), at)
	if err != nil {
		return Ref{}, err
	}
	at += len(pieces[0]) + 1
	for _, piece := range pieces[1:] {
		name := strings.TrimSpace(piece)
		word := at + len(piece) - len(strings.TrimLeft(piece, " \t"))
		switch {
		case name == "":
			return Ref{}, malformed(word, "a filter is missing after \"|\" (known: %s)", filterNames())
		case filters[Filter(name)] == nil:
			return Ref{}, malformed(word, "unknown filter %q (known: %s)", name, filterNames())
		}
		ref.Filters = append(ref.Filters, Filter(name))
		at += len(piece) + 1
	}
	return ref, nil
}

// parseVault parses PATH#FIELD[#VERSION][?option&option]; at is the offset of text in the variable.
func parseVault(text string, at int) (Ref, error) {
	path, rest, found := strings.Cut(text, "#")
	if path == "" {
		return Ref{}, malformed(at, "the path is empty (want vault:PATH#FIELD)")
	}
	if err := shows(text, at); err != nil {
		return Ref{}, err
	}
	if i := strings.IndexAny(path, " ?"); i >= 0 {
		return Ref{}, malformed(at+i, "%q cannot stand in a path", path[i:i+1])
	}
	if !found || rest == "" {
		return Ref{}, malformed(at+len(path), "%q names no field (want vault:PATH#FIELD)", path)
	}
	ref := Ref{Read: Read{Source: SourceVault, Path: strings.Trim(path, "/"), Method: MethodRead}}
	if ref.Read.Path == "" {
		return Ref{}, malformed(at, "the path is empty (want vault:PATH#FIELD)")
	}
	at += len(path) + 1
	if i := strings.Index(rest, " |"); i >= 0 {
		return Ref{}, malformed(at+i+1, "filters go with the inline form: ${vault:%s#… | filter}", path)
	}
	selector, query, hasQuery := strings.Cut(rest, "?")
	if err := ref.selectField(selector, at); err != nil {
		return Ref{}, err
	}
	if hasQuery {
		return ref, ref.options(query, at+len(selector)+1)
	}
	return ref, nil
}

// shows refuses what a terminal would obey in place of showing it: references are shown, and may be somebody else's.
func shows(text string, at int) error {
	for i, c := range text {
		if !plain(c) {
			return malformed(at+i, "%q cannot stand in a reference: no terminal shows it", string(c))
		}
	}
	return nil
}

// selectField parses FIELD, FIELD#VERSION or /json/pointer.
func (r *Ref) selectField(text string, at int) error {
	field, version, hasVersion := strings.Cut(text, "#")
	if hasVersion {
		if err := r.version(version, at+len(field)+1); err != nil {
			return err
		}
	}
	if field == "" {
		return malformed(at, "the field is empty (want vault:PATH#FIELD)")
	}
	if !strings.HasPrefix(field, "/") {
		r.Field = field
		return nil
	}
	for token := range strings.SplitSeq(field[1:], "/") {
		r.Pointer = append(r.Pointer, strings.NewReplacer("~1", "/", "~0", "~").Replace(token)) // RFC 6901 §4
	}
	return nil
}

func (r *Ref) version(text string, at int) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return malformed(at, "a version is a number from 1, not %q", text)
	}
	if r.Read.Version != 0 && r.Read.Version != n {
		return malformed(at, "two versions are named")
	}
	r.Read.Version = n
	return nil
}

// options parses what follows "?": version=N, namespace=NS, optional.
func (r *Ref) options(text string, at int) error {
	for option := range strings.SplitSeq(text, "&") {
		name, value, hasValue := strings.Cut(option, "=")
		switch {
		case name == "optional" && hasValue:
			return malformed(at, "the option optional takes no value")
		case name == "optional":
			r.Optional = true
		case (name == "version" || name == "namespace") && value == "":
			return malformed(at, "the option %s needs a value (%s=…)", name, name)
		case name == "version":
			if err := r.version(value, at+len("version=")); err != nil {
				return err
			}
		case name == "namespace":
			ns, err := url.PathUnescape(value)
			if err != nil || shows(ns, at) != nil {
				return malformed(at, "the namespace is not well escaped")
			}
			r.Read.Namespace = strings.Trim(ns, "/")
		default:
			return malformed(at, "unknown option %q (known: optional, version=N, namespace=NAME)", name)
		}
		at += len(option) + 1
	}
	return nil
}

func parseFile(path string) (Ref, error) {
	if path == "" {
		return Ref{}, malformed(len(schemeFile), "the path is empty (want file:/run/secrets/NAME)")
	}
	return Ref{Read: Read{Source: SourceFile, Path: path, Method: MethodRead}, Field: FileField}, shows(path, len(schemeFile))
}

func parseDotenv(text string) (Ref, error) {
	path, key, found := strings.Cut(text, "#")
	switch {
	case path == "":
		return Ref{}, malformed(len(schemeDotenv), "the path is empty (want dotenv:FILE#KEY)")
	case !found || key == "":
		return Ref{}, malformed(len(schemeDotenv)+len(path), "%q names no key (want dotenv:FILE#KEY)", path)
	}
	return Ref{Read: Read{Source: SourceDotenv, Path: path, Method: MethodRead}, Field: key}, shows(text, len(schemeDotenv))
}
