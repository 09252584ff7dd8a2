package parity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/check"
)

// Against holds the keys of t against those of other, name for name; with values also the fields of each secret, and whether
// their values are the same. A value is taken for its HMAC under a key that nobody else has and that ends with this call.
func Against(ctx context.Context, t, other Tree, values bool) (check.Report, error) {
	a := against{t: t, other: other, key: make([]byte, sha256.Size)}
	_, _ = rand.Read(a.key) // never fails (crypto/rand)
	pairs := a.pairs()
	if values {
		err := each(ctx, len(pairs), func(ctx context.Context, i int) error { return a.look(ctx, &pairs[i]) })
		if err != nil {
			return check.Report{}, err
		}
	}
	return a.report(pairs, values), nil
}

type against struct {
	t, other Tree
	key      []byte
}

// pair is a secret that one or both of the trees have, and its fields where they were looked at.
type pair struct {
	path        string
	here, there bool
	gone        string // why one of them does not count
	fields      []fieldPair
}

// fieldPair is a field that one or both of two secrets have.
type fieldPair struct {
	name              string
	here, there, same bool
}

// pairs are the secrets of both trees. A tree that is one secret has one, and its fields are known.
func (a against) pairs() []pair {
	if a.t.one && a.other.one {
		p := pair{here: true, there: true}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(a.t.names, a.other.names)))) {
			_, here := slices.BinarySearch(a.t.names, name)
			_, there := slices.BinarySearch(a.other.names, name)
			p.fields = append(p.fields, fieldPair{name, here, there, true})
		}
		return []pair{p}
	}
	here, there := a.t.secrets(), a.other.secrets()
	var all []pair
	for len(here) > 0 || len(there) > 0 {
		p := pair{here: len(here) > 0 && (len(there) == 0 || here[0] <= there[0]), there: len(there) > 0 && (len(here) == 0 || there[0] <= here[0])}
		if p.here {
			p.path, here = here[0], here[1:]
		}
		if p.there {
			p.path, there = there[0], there[1:]
		}
		all = append(all, p)
	}
	return all
}

// secrets are the tree's by path; "" is the path itself.
func (t Tree) secrets() []string {
	if t.one {
		return []string{""}
	}
	return t.names
}

// look compares the fields of two secrets.
func (a against) look(ctx context.Context, p *pair) error {
	if !p.here || !p.there {
		return nil
	}
	here, goneHere, err := a.digests(ctx, a.t, p.path)
	if err != nil {
		return err
	}
	there, goneThere, err := a.digests(ctx, a.other, p.path)
	if err != nil {
		return err
	}
	if goneHere != "" || goneThere != "" {
		p.here, p.there, p.gone = goneHere == "", goneThere == "", goneHere+goneThere
		return nil
	}
	p.fields = nil
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(slices.Collect(maps.Keys(here)), maps.Keys(there))))) {
		x, inX := here[name]
		y, inY := there[name]
		p.fields = append(p.fields, fieldPair{name, inX, inY, inX && inY && hmac.Equal(x[:], y[:])})
	}
	return nil
}

// digests reads a secret, and forgets its values. gone says why there is none.
func (a against) digests(ctx context.Context, t Tree, path string) (digests map[string][sha256.Size]byte, gone string, err error) {
	fields, _, err := read(ctx, t.vault, path)
	if errors.Is(err, envsource.ErrMissing) {
		return nil, err.Error(), nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", shown(t.Label), err)
	}
	digests = make(map[string][sha256.Size]byte, len(fields))
	for name, value := range fields {
		mac := hmac.New(sha256.New, a.key)
		_, _ = mac.Write(value) // never fails
		digests[name] = [sha256.Size]byte(mac.Sum(nil))
	}
	return digests, "", nil
}

// report says what the pairs are like.
func (a against) report(pairs []pair, values bool) check.Report {
	o := outcome{against: a, report: check.Report{Check: "parity", Findings: []check.Finding{}}}
	for _, p := range pairs {
		switch name := a.nameOf(p.path, ""); {
		case !p.here || !p.there:
			o.oneSided(name, p.path, "", p.here, p.there, p.gone)
		case len(p.fields) == 0:
			o.both(name, p.path, "", true)
		default:
			for _, f := range p.fields {
				if name := a.nameOf(p.path, f.name); !f.here || !f.there {
					o.oneSided(name, p.path, f.name, f.here, f.there, "")
				} else {
					o.both(name, p.path, f.name, f.same)
				}
			}
		}
	}
	r := o.report
	r.Diff = unified(a.other.Label, a.t.Label, o.rows)
	r.Summary = fmt.Sprintf("%s has %s, %s has %d", shown(a.t.Label), keys(len(a.t.names)), shown(a.other.Label), len(a.other.names))
	for _, word := range []string{"missing", "extra", "differs"} {
		if n := o.counts[word]; n > 0 {
			r.Summary += fmt.Sprintf(", %d %s", n, strings.Replace(word, "differs", "with another value", 1))
		}
	}
	if values {
		r.Summary += "; values compared"
	} else {
		r.Summary += "; names alone compared"
	}
	r.Sort()
	return r
}

// nameOf is how a secret, or a field of it, is called.
func (a against) nameOf(path, field string) string {
	switch {
	case a.t.one && a.other.one:
		return shown(escape(field))
	case path == "" && field == "":
		return "# (the fields of the path itself)"
	case field == "":
		return shown(escape(path))
	}
	return shown(fieldName(path, field))
}

// outcome is a report that is being made.
type outcome struct {
	against
	report check.Report
	rows   []row
	counts map[string]int
}

func (o *outcome) both(name, path, field string, same bool) {
	o.rows = append(o.rows, row{' ', name, [2]string{path, field}})
	if same {
		o.report.Passed = append(o.report.Passed, name)
		return
	}
	o.find(check.Finding{Rule: "differs", Subject: name, Text: name + " has another value than in " + shown(o.other.Label)})
}

// oneSided is of a name that here or there lacks; or both, where it is deleted in both.
func (o *outcome) oneSided(name, path, field string, here, there bool, gone string) {
	if gone != "" {
		gone = ": " + gone
	}
	if there {
		o.rows = append(o.rows, row{'-', name, [2]string{path, field}})
		o.find(check.Finding{Rule: "missing", Subject: name, Text: name + " is missing" + gone, Mend: shown(o.other.Label) + " has it"})
	}
	if here {
		o.rows = append(o.rows, row{'+', name, [2]string{path, field}})
		o.find(check.Finding{Rule: "extra", Subject: name, Text: name + " is not in " + shown(o.other.Label) + gone})
	}
}

func (o *outcome) find(f check.Finding) {
	if o.counts == nil {
		o.counts = map[string]int{}
	}
	o.counts[f.Rule]++
	o.report.Findings = append(o.report.Findings, f)
}
