package envsource

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Compose is Resolve of a plan that needs nothing read.
func (p Plan) Compose() (Result, error) {
	var r Result
	err := p.compose(&r)
	return r, err
}

// compose lays the levels over each other and fills r.Environ from r.Carry.
func (p Plan) compose(r *Result) error {
	var errs []error
	environ := map[string]string{}
	r.Injected, r.Literal = map[string]string{}, map[string]bool{}
	whole := p.spread(r, &errs)
	names := map[string]bool{}
	for _, name := range p.names() {
		names[name] = true
	}
	for _, level := range whole {
		for name := range level {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		value, from, err := p.value(name, whole, r)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		} else if from != nowhere {
			environ[name] = value
		}
		if err == nil && from >= literal {
			r.Injected[name] = value
			r.Literal[name] = from == literal
		}
	}
	var nul []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		value := environ[name]
		if strings.IndexByte(value, 0) >= 0 {
			nul = append(nul, curt(name))
		}
		r.Environ = append(r.Environ, name+"="+value)
	}
	slices.Sort(r.Environ)
	if len(nul) > 0 {
		errs = append(errs, fmt.Errorf("%s: the value has a NUL byte in it, which no environment can hold", few(nul)))
	}
	return errors.Join(errs...)
}

// field is one field of a whole-path secret, on its way to a variable.
type field struct {
	value  string
	origin string
	key    string // of the located read
}

// spread turns the whole-path secrets into variables, by level.
func (p Plan) spread(r *Result, errs *[]error) [levels]map[string]field {
	var all [levels]map[string]field
	for i := range all {
		all[i] = map[string]field{}
	}
	for _, s := range p.wholes {
		key := r.Carry.Located[s.Read.Key()]
		kept := r.Carry.Answers[key]
		var warnings []string
		var wrong []error
		for _, name := range slices.Sorted(maps.Keys(kept.Fields)) {
			variable := variableName(s, name)
			switch _, named := p.slots[s.Level][variable]; {
			case p.preserve[variable]:
			case forbidden(variable):
				if !named {
					warnings = append(warnings, fmt.Sprintf(
						"%s: field %q would set %s, which a whole secret may not: name %s in vwrap.yaml to allow it",
						s.Read, cut(name), cut(variable), cut(variable)))
				}
			case named:
				wrong = append(wrong, fmt.Errorf("%s: %w: set by both %s and field %q of %s",
					cut(variable), ErrClash, p.slots[s.Level][variable].origin, cut(name), s.Read))
			case s.Level != LevelFallback && all[s.Level][variable].origin != "":
				wrong = append(wrong, fmt.Errorf("%s: %w: set by both %s and field %q of %s",
					cut(variable), ErrClash, all[s.Level][variable].origin, cut(name), s.Read))
			default:
				if err := checkName(variable); err != nil {
					wrong = append(wrong, fmt.Errorf("%s: %w", s.Read, err))
					continue
				}
				all[s.Level][variable] = field{text(kept.Fields[name]), fmt.Sprintf("field %q of %s", cut(name), s.Read), key}
			}
		}
		r.Warnings = append(r.Warnings, firstOf(warnings, s.Read.String())...)
		if n := len(wrong) - fewNames; n > 0 {
			wrong = append(wrong[:fewNames], fmt.Errorf("%s: and %d more like these", s.Read, n))
		}
		*errs = append(*errs, wrong...)
	}
	return all
}

// whence says where a value comes from.
type whence int

const (
	nowhere  whence = iota
	own             // the environment, as it is
	literal         // vwrap, but it is no secret: a text, or of a fallback file
	injected        // vwrap: also a reference that stands in the environment
)

// value finds name's value: the highest level that has one.
func (p Plan) value(name string, whole [levels]map[string]field, r *Result) (string, whence, error) {
	for level := levels - 1; level >= 0; level-- {
		if f, ok := whole[level][name]; ok {
			if level == LevelFallback {
				return f.value, literal, nil
			}
			return f.value, injected, nil
		}
		s, ok := p.slots[level][name]
		if !ok {
			continue
		}
		value, err := s.render(r.Carry)
		if err == nil {
			return value, s.whence(), nil
		}
		if !s.Optional() || !forgivable(err) {
			return "", nowhere, err
		}
	}
	return "", nowhere, nil
}

func (s slot) whence() whence {
	switch {
	case len(s.Refs()) > 0:
		return injected
	case s.inherited:
		return own
	}
	return literal
}

// Secrets are the values that are to be kept from sight, sorted: what was injected, less what is literal, and what was
// read for it, which may be a part alone.
func (r Result) Secrets() []string { return slices.Sorted(maps.Keys(r.SecretNames())) }

// SecretNames are Secrets, each with a name: that of a variable, or path#field for what is a part of one alone.
func (r Result) SecretNames() map[string]string {
	names := map[string]string{}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(r.Injected))) {
		if !r.Literal[name] {
			names[r.Injected[name]] = name
		}
	}
	for _, kept := range r.Carry.Answers {
		for field, raw := range kept.Fields {
			if value := text(raw); kept.Read.Source != SourceDotenv && names[value] == "" {
				names[value] = kept.Read.String() + "#" + field
			}
		}
	}
	return names
}

// Lasting are the secrets that are the same when they are fetched again, so that they may lie somewhere: variables, and
// fields of which only a part of a variable is made, by path#field. What has a lease is new each time.
func (r Result) Lasting() map[string]string {
	found, named := map[string]string{}, map[string]bool{}
	leased := map[string]bool{}
	for _, h := range r.Holdings {
		for _, name := range h.Variables {
			leased[name] = leased[name] || h.LeaseID != ""
		}
	}
	for name, value := range r.Injected {
		if !r.Literal[name] && !leased[name] {
			found[name], named[value] = value, true
		}
	}
	for _, h := range r.Holdings {
		kept := r.Carry.Answers[h.Key]
		if h.LeaseID != "" || h.Read.Source == SourceDotenv {
			continue
		}
		for field, raw := range kept.Fields {
			if value := text(raw); !named[value] {
				found[h.Read.String()+"#"+field] = value
			}
		}
	}
	return found
}

// render fills the references of t from the answers in c.
func (t Template) render(c Carry) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.ref == nil {
			b.WriteString(p.text)
			continue
		}
		kept := c.Answers[c.Located[p.ref.Read.Key()]]
		value, err := p.ref.pick(kept)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// pick takes what r wants from an answer and filters it.
func (r Ref) pick(k Kept) (string, error) {
	if k.Absent {
		return "", Mark(fmt.Errorf("%s is absent", r.Read), ErrMissing)
	}
	raw, ok := k.Fields[r.Field]
	if len(r.Pointer) > 0 {
		raw, ok = k.Fields[r.Pointer[0]]
	}
	if !ok {
		return "", Mark(fmt.Errorf("%s has no field %q", r.Read, r.Field), ErrMissing)
	}
	raw, err := r.follow(raw)
	if err != nil {
		return "", err
	}
	value := text(raw)
	for _, f := range r.Filters {
		value = filters[f](value)
	}
	return value, nil
}

// follow walks the rest of the JSON pointer into raw (RFC 6901 §4).
func (r Ref) follow(raw json.RawMessage) (json.RawMessage, error) {
	for i, token := range r.Pointer {
		if i == 0 {
			continue // the field itself
		}
		next, ok := step(raw, token)
		if !ok {
			return nil, Mark(fmt.Errorf("%s has nothing at /%s", r.Read, strings.Join(r.Pointer[:i+1], "/")), ErrMissing)
		}
		raw = next
	}
	return raw, nil
}

func step(raw json.RawMessage, token string) (json.RawMessage, bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil && object != nil {
		next, ok := object[token]
		return next, ok
	}
	var list []json.RawMessage
	i, err := strconv.Atoi(token)
	if err != nil || json.Unmarshal(raw, &list) != nil || i < 0 || i >= len(list) {
		return nil, false
	}
	return list[i], true
}

// variableName makes a variable's name of a field's: upper case, anything but letters, digits and "_" as "_".
// The keys of a fallback file are variables already.
func variableName(s Secret, field string) string {
	if s.Read.Source == SourceDotenv {
		return field
	}
	name := s.Prefix + strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			return c
		}
		return '_'
	}, field)
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}

// forbidden reports whether a whole-path secret may not set name: such a variable makes programs load code or
// send credentials elsewhere, and who can write the secret must not get that by it.
func forbidden(name string) bool {
	switch name {
	case "PATH", "NODE_OPTIONS", "BASH_ENV", "ENV":
		return true
	}
	for _, prefix := range []string{"LD_", "DYLD_", "PYTHON", "GIT_SSH", "VWRAP_", "VAULT_", "BAO_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// nameVariables adds to the holdings of whole-path secrets the variables they turned out to set.
func (c *collector) nameVariables() {
	for i, h := range c.result.Holdings {
		if len(h.Variables) == 0 {
			for _, name := range slices.Sorted(maps.Keys(c.result.Carry.Answers[h.Key].Fields)) {
				c.result.Holdings[i].Variables = append(c.result.Holdings[i].Variables, variableName(Secret{}, name))
			}
		}
	}
}
