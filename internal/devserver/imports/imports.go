// Package imports moves the values of an old dotenv file into a secret of KV: it says what moves, and gives the file back
// with references in their place. It reads no flag and asks no server.
package imports

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/dotenv"
	"github.com/vwrap/vwrap/internal/pattern"
)

// File is a dotenv file, and what of it moves.
type File struct {
	Path  string   // of the secret, as given
	Moves []string // names, in the file's order
	Stays []string // the others: empty, references already, or not among those that were named

	text   string
	values map[string]string
	all    []dotenv.Assignment
}

var (
	paths = pattern.Of(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$`) // what no reader of dotenv files, no shell and no reference takes for more
	names = pattern.Of(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Read reads the text of a dotenv file and says what of it moves into the secret at path, each variable a field of its name: with
// only, those that it names, else all. A value that is a reference already stays, and so does an empty one, which hides
// nothing. All that is wrong is returned together; no error has a value.
func Read(text []byte, path string, only []string) (File, error) {
	f := File{Path: path, text: string(text)}
	if !paths().MatchString(path) {
		return f, fmt.Errorf("%s: want the path of a secret, such as secret/dev/app", path)
	}
	var err error
	if f.values, err = dotenv.Parse(f.text); err != nil {
		return f, err
	}
	if f.all, err = dotenv.Scan(f.text); err != nil {
		return f, err
	}
	if err := f.choose(only); err != nil {
		return f, err
	}
	return f, f.check()
}

// choose says which variables move.
func (f *File) choose(only []string) error {
	var errs []error
	lines := map[string]int{}
	for _, a := range f.all {
		first, twice := lines[a.Name]
		lines[a.Name] = a.Line
		switch chosen := len(only) == 0 || slices.Contains(only, a.Name); {
		case !chosen || f.stays(a.Name):
			if !twice {
				f.Stays = append(f.Stays, a.Name)
			}
		case twice:
			errs = append(errs, fmt.Errorf("line %d: %s stands in line %d too: which of them counts is up to the reader: remove one", a.Line, a.Name, first))
		case !names().MatchString(a.Name):
			errs = append(errs, fmt.Errorf("line %d: %q is no name that every reader takes (letters, digits and _)", a.Line, a.Name))
		default:
			f.Moves = append(f.Moves, a.Name)
		}
	}
	for _, name := range only {
		if lines[name] == 0 {
			errs = append(errs, fmt.Errorf("%s is not in the file", name))
		}
	}
	return errors.Join(errs...)
}

// stays reports whether there is nothing to move: the value is empty, or a reference.
func (f *File) stays(name string) bool {
	v := f.values[name]
	return v == "" || envsource.IsInheritedReference(v) ||
		slices.ContainsFunc([]string{"file:", "dotenv:", "literal:"}, func(scheme string) bool { return strings.HasPrefix(v, scheme) })
}

// check reads what Rewritten gives: it has to say of every variable what it said before, or its reference. One that is made of
// another, by ${NAME}, does not when that one moves alone.
func (f *File) check() error {
	after, err := dotenv.Parse(string(f.Rewritten()))
	if err != nil {
		return errors.New("the file cannot be rewritten: with references in it, it does not parse any more")
	}
	var errs []error
	for _, a := range f.all {
		want := f.values[a.Name]
		if f.moves(a.Name) {
			want = f.reference(a.Name)
		}
		if after[a.Name] != want {
			errs = append(errs, fmt.Errorf("line %d: %s would not be the same: it is made of a variable that moves: move it too, or write it as a text of its own", a.Line, a.Name))
		}
	}
	if len(after) != len(f.values) {
		errs = append(errs, errors.New("the file cannot be rewritten: its lines are not read alike before and after"))
	}
	return errors.Join(errs...)
}

func (f File) moves(name string) bool { return slices.Contains(f.Moves, name) }

func (f File) reference(name string) string { return "vault:" + f.Path + "#" + name }

// Fields are the fields of the secret, with their values.
func (f File) Fields() map[string]any {
	fields := map[string]any{}
	for _, name := range f.Moves {
		fields[name] = f.values[name]
	}
	return fields
}

// References are the lines that replace those which moved, in the file's order.
func (f File) References() (lines []string) {
	for _, name := range f.Moves {
		lines = append(lines, name+"="+f.reference(name))
	}
	return lines
}

// YAML is References for vwrap.yaml.
func (f File) YAML() string {
	var b strings.Builder
	b.WriteString("env:\n")
	for _, name := range f.Moves {
		fmt.Fprintf(&b, "  %s: %s\n", name, f.reference(name))
	}
	return b.String()
}

// Rewritten is the file's own text with references for the values that moved, in quotes where these were. All else is as it was.
func (f File) Rewritten() []byte {
	var b strings.Builder
	at := 0
	for _, a := range f.all {
		if f.moves(a.Name) {
			b.WriteString(f.text[at:a.From] + f.quoted(a))
			at = a.To
		}
	}
	b.WriteString(f.text[at:])
	return []byte(b.String())
}

func (f File) quoted(a dotenv.Assignment) string {
	quote := strings.Trim(string(a.Quote), "\x00")
	return quote + f.reference(a.Name) + quote
}

// Diff is a unified diff of the file and Rewritten, without lines around, and without any value: … stands for one, and for a
// comment after it.
func (f File) Diff(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %[1]s\n", name)
	gone := 0 // lines that the new text has less
	for _, a := range f.all {
		if !f.moves(a.Name) {
			continue
		}
		lines := 1 + strings.Count(f.text[a.From:a.To], "\n")
		start := f.text[1+strings.LastIndexByte(f.text[:a.From], '\n') : a.From]
		start = strings.TrimPrefix(start, "\ufeff")
		rest := ""
		if after, _, _ := strings.Cut(f.text[a.To:], "\n"); strings.TrimSpace(after) != "" {
			rest = " # …"
		}
		fmt.Fprintf(&b, "@@ -%s +%d @@\n-%s…%s%s\n+%s%s%s\n", span(a.Line, lines), a.Line-gone,
			start, strings.Repeat("\n-…", lines-1), rest, start, f.quoted(a), rest)
		gone += lines - 1
	}
	return b.String()
}

func span(line, lines int) string {
	if lines == 1 {
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, lines)
}
