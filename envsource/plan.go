package envsource

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Level orders the places a variable can come from; a higher one wins.
type Level int

// The levels, low to high.
const (
	LevelFallback Level = iota
	LevelInherited
	LevelConfig
	LevelFlag
	levels
)

// ErrClash is wrapped where two sources of one level set one variable.
var ErrClash = errors.New("clash")

// ErrName is wrapped where a name cannot be the name of an environment variable (empty, with "=" or NUL).
var ErrName = errors.New("bad variable name")

// Var is one variable as it was written: its text may be or contain references.
type Var struct {
	Name   string
	Text   string
	Level  Level
	Origin string // for messages: "-e", "vwrap.yaml:12"
	Dir    string // what relative paths of file: and dotenv: are relative to; "" is the working directory
}

// Binding gives one field of a Secret a variable's name.
type Binding struct {
	Var   string
	Field string
}

// Secret is a read whose fields become variables: the bound ones, or, with no binding, every field.
type Secret struct {
	Read     Read
	Prefix   string
	Env      []Binding
	Level    Level
	Origin   string
	OnRotate string        // "" inherits the command's rotation action
	Poll     time.Duration // 0 inherits
}

// Input is everything an environment is made of, as written: no value that had to be fetched.
type Input struct {
	Inherited []string // NAME=VALUE; vwrap's own login credentials are already taken out
	Vars      []Var
	Secrets   []Secret
	Fallback  []string // dotenv files, the later one wins
	Preserve  []string // the inherited value wins for these
	Pristine  bool     // only named variables, and pristineKeeps
	Namespace string
}

// pristineKeeps is what --pristine leaves of the inherited environment.
var pristineKeeps = []string{"PATH", "HOME", "TERM", "LANG", "TZ", "USER", "SHELL"}

// slot is the source of one variable at one level.
type slot struct {
	Template
	origin    string
	inherited bool // text that came by the environment: passed on as it is where it holds no reference
}

// Plan is what Input means: which variable comes from where, and which reads that takes. It is immutable.
type Plan struct {
	slots    [levels]map[string]slot
	wholes   []Secret // secrets without bindings: their variables are known once they are read
	preserve map[string]bool
	secrets  []Secret
	reads    []Read // distinct ones, as written
}

// NewPlan parses in. All that is wrong with it is returned together (errors.Join), a line an error, each with the
// variable's name; they wrap ErrReference, ErrName or ErrClash.
func NewPlan(in Input) (Plan, error) {
	p := Plan{preserve: map[string]bool{}}
	for i := range p.slots {
		p.slots[i] = map[string]slot{}
	}
	var errs []error
	errs = append(errs, p.addInherited(in)...)
	for _, v := range in.Vars {
		errs = append(errs, p.addVar(v, in.Namespace))
	}
	for _, s := range in.Secrets {
		errs = append(errs, p.addSecret(s, in.Namespace)...)
	}
	for _, file := range in.Fallback {
		p.wholes = append(p.wholes, Secret{
			Read: Read{Source: SourceDotenv, Path: file, Method: MethodRead}, Level: LevelFallback, Origin: file,
		})
	}
	for _, w := range p.wants() {
		p.reads = append(p.reads, w.read)
	}
	return p, errors.Join(errs...)
}

func (p *Plan) addInherited(in Input) (errs []error) {
	for _, entry := range in.Inherited {
		name, text, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			continue // Windows-style drive entries and broken environments: nothing a child could use
		}
		preserved := slices.Contains(in.Preserve, name)
		if preserved {
			p.preserve[name] = true
		}
		reference := IsInheritedReference(text)
		if in.Pristine && !reference && !preserved && !slices.Contains(pristineKeeps, name) {
			continue
		}
		t := Template{[]part{{text: text}}}
		if reference {
			var err error
			if t, err = ParseInherited(text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w (inherited)", name, err))
				continue
			}
			t.inNamespace(in.Namespace)
		}
		p.slots[LevelInherited][name] = slot{Template: t, origin: "environment", inherited: true}
	}
	return errs
}

func (p *Plan) addVar(v Var, namespace string) error {
	if err := checkName(v.Name); err != nil {
		return fmt.Errorf("%s: %w", v.Origin, err)
	}
	if p.preserve[v.Name] {
		return nil
	}
	t, err := ParseTemplate(v.Text)
	if err != nil {
		return fmt.Errorf("%s: %w (%s)", v.Name, err, v.Origin)
	}
	t.inNamespace(namespace)
	t.inFolder(v.Dir)
	return p.put(v.Name, v.Level, slot{Template: t, origin: v.Origin})
}

func (p *Plan) addSecret(s Secret, namespace string) (errs []error) {
	s.Read = s.Read.in(namespace)
	p.secrets = append(p.secrets, s)
	if len(s.Env) == 0 {
		p.wholes = append(p.wholes, s)
		return nil
	}
	for _, b := range s.Env {
		if err := checkName(b.Var); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Origin, err))
			continue
		}
		if p.preserve[b.Var] {
			continue
		}
		ref := Ref{Read: s.Read, Field: b.Field}
		errs = append(errs, p.put(b.Var, s.Level, slot{Template: Template{[]part{{ref: &ref}}}, origin: s.Origin}))
	}
	return errs
}

func (p *Plan) put(name string, level Level, s slot) error {
	if other, taken := p.slots[level][name]; taken {
		return fmt.Errorf("%s: %w: set by both %s and %s", name, ErrClash, other.origin, s.origin)
	}
	p.slots[level][name] = s
	return nil
}

// inNamespace gives every Vault read of t that names none the namespace ns.
func (t Template) inNamespace(ns string) {
	for _, p := range t.parts {
		if p.ref != nil {
			p.ref.Read = p.ref.Read.in(ns)
		}
	}
}

// inFolder makes the relative paths of files in t relative to dir.
func (t Template) inFolder(dir string) {
	for _, p := range t.parts {
		if p.ref != nil && p.ref.Read.Source != SourceVault && dir != "" && !filepath.IsAbs(p.ref.Read.Path) {
			p.ref.Read.Path = filepath.Join(dir, p.ref.Read.Path)
		}
	}
}

func (r Read) in(ns string) Read {
	if r.Source == SourceVault && r.Namespace == "" {
		r.Namespace = strings.Trim(ns, "/")
	}
	return r
}

func checkName(name string) error {
	if name == "" || strings.ContainsAny(name, "=\x00") {
		return fmt.Errorf("%w %q (empty, or with \"=\" or NUL in it)", ErrName, name)
	}
	return nil
}

// names returns every variable's name that is known before anything is read, sorted.
func (p Plan) names() []string {
	all := map[string]bool{}
	for _, level := range p.slots {
		for name := range level {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// candidates returns the slots of name that may be its source, the first choice first: one, unless that is
// ?optional.
func (p Plan) candidates(name string) (found []slot) {
	for level := levels - 1; level >= 0; level-- {
		if s, ok := p.slots[level][name]; ok {
			found = append(found, s)
			if !s.Optional() {
				break
			}
		}
	}
	return found
}

// want is what the plan needs of one read.
type want struct {
	read      Read
	written   []string            // the keys of the reads as written that were merged into this
	variables []string            // that name it; empty for a whole-path secret before it is read
	fields    map[string][]string // the fields in use, and the variables that use them
	parts     [][]string          // what is used of them: a field, or the tokens of a JSON pointer
	whole     bool                // every field
	required  bool                // some use of it is not ?optional
}

// wants groups the plan's references: one want for each distinct Read as written, in a stable order.
func (p Plan) wants() []*want {
	byKey := map[string]*want{}
	at := func(r Read) *want {
		w, ok := byKey[r.Key()]
		if !ok {
			w = &want{read: r, fields: map[string][]string{}}
			byKey[r.Key()] = w
		}
		return w
	}
	for _, name := range p.names() {
		for _, s := range p.candidates(name) {
			for _, ref := range s.Refs() {
				at(ref.Read).use(name, ref)
			}
		}
	}
	for _, s := range p.wholes {
		w := at(s.Read)
		w.whole, w.required = true, true
	}
	var all []*want
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		all = append(all, byKey[key])
	}
	return all
}

func (w *want) use(name string, ref Ref) {
	if !slices.Contains(w.variables, name) {
		w.variables = append(w.variables, name)
	}
	part := ref.Pointer
	if len(part) == 0 {
		part = []string{ref.Field}
	}
	if !slices.ContainsFunc(w.parts, func(p []string) bool { return slices.Equal(p, part) }) {
		w.parts = append(w.parts, part)
	}
	w.fields[part[0]] = append(w.fields[part[0]], name)
	w.required = w.required || !ref.Optional
}

// Reads returns the distinct reads of the plan, as written.
func (p Plan) Reads() []Read { return slices.Clone(p.reads) }

// Need is what a plan wants of one read, by names alone.
type Need struct {
	Read      Read       // as written
	Parts     [][]string // what is used of it: each a field, or the tokens of a JSON pointer
	Whole     bool       // every field
	Variables []string   // that are made of it; none for a whole-path secret
	Optional  bool       // every use of it is
}

// VaultNeeds returns what the plan wants of Vault, a Need for each distinct read.
func (p Plan) VaultNeeds() (needs []Need) {
	for _, w := range p.wants() {
		if w.read.Source == SourceVault {
			needs = append(needs, Need{w.read, w.parts, w.whole, w.variables, !w.required})
		}
	}
	return needs
}

// NeedsVault reports whether any read of the plan goes to Vault: with none, no token and no address are needed.
func (p Plan) NeedsVault() bool {
	return slices.ContainsFunc(p.reads, func(r Read) bool { return r.Source == SourceVault })
}

// CanDoWithout reports whether every use of the source named is ?optional: then its absence stops nothing.
func (p Plan) CanDoWithout(source string) bool {
	return !slices.ContainsFunc(p.wants(), func(w *want) bool { return w.required && w.read.Source == source })
}

// SecretsFor returns the secrets of the plan that h answers.
func (p Plan) SecretsFor(h Holding) (found []Secret) {
	for _, s := range p.secrets {
		if slices.Contains(h.Written, s.Read.Key()) {
			found = append(found, s)
		}
	}
	return found
}
