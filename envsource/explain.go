package envsource

import (
	"fmt"
	"slices"
	"strings"
)

// Explanation says where a variable comes from, by names alone.
type Explanation struct {
	Name    string   // "" for a whole-path secret: its variables are known once it is read
	Origin  string   // where it is set
	Sources []Ref    // what its value is made of; none for a literal text
	Whole   Read     // of a whole-path secret
	Prefix  string   // of the names that its fields become
	Hides   []string // the origins that it wins over
	Else    []string // the origins that are taken, in this order, where it is ?optional and absent
}

// Explain says what the plan injects, by name, whole-path secrets last. What the environment has and vwrap leaves alone is not
// among it.
func (p Plan) Explain() (all []Explanation) {
	for _, name := range p.names() {
		if e, ok := p.explain(name); ok {
			all = append(all, e)
		}
	}
	for _, s := range p.wholes {
		all = append(all, Explanation{Origin: s.Origin, Whole: s.Read, Prefix: s.Prefix})
	}
	return all
}

func (p Plan) explain(name string) (e Explanation, injected bool) {
	chosen := len(p.candidates(name))
	n := 0
	for level := levels - 1; level >= 0; level-- {
		s, ok := p.slots[level][name]
		if !ok {
			continue
		}
		switch n++; {
		case n == 1:
			e = Explanation{Name: name, Origin: s.origin, Sources: s.Refs()}
			injected = !s.inherited || len(e.Sources) > 0
		case n <= chosen:
			e.Else = append(e.Else, s.origin)
		default:
			e.Hides = append(e.Hides, s.origin)
		}
	}
	return e, injected
}

// Kept are the variables that the environment keeps because it was told to, sorted.
func (p Plan) Kept() (names []string) {
	for name := range p.preserve {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// String is r as it is written, in full.
func (r Ref) String() string {
	var b strings.Builder
	b.WriteString(r.Read.Source + ":" + r.Read.String())
	switch {
	case len(r.Pointer) > 0:
		b.WriteByte('#')
		for _, token := range r.Pointer {
			b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
		}
	case r.Read.Source != SourceFile:
		b.WriteString("#" + r.Field)
	}
	if r.Read.Version > 0 {
		fmt.Fprintf(&b, "#%d", r.Read.Version)
	}
	if r.Optional {
		b.WriteString("?optional")
	}
	for _, f := range r.Filters {
		b.WriteString(" | " + string(f))
	}
	return b.String()
}
