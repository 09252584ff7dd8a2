package parity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/check"
)

// Compare holds t against m. Secrets of which m says more than a name are read; of those that have to be there it is asked
// whether they are deleted. An error is that something could not be asked.
func Compare(ctx context.Context, t Tree, m Manifest) (check.Report, error) {
	groups := group(t, m)
	var mu sync.Mutex
	var all verdict
	err := each(ctx, len(groups), func(ctx context.Context, i int) error {
		v, err := judge(ctx, t, m, groups[i])
		mu.Lock()
		defer mu.Unlock()
		all.add(v)
		return err
	})
	if err != nil {
		return check.Report{}, err
	}
	return report(t, m, all), nil
}

// groupOf is what the manifest says of one name, and the secrets that have it.
type groupOf struct {
	name  string // folded
	keys  []key
	paths []spelling
}

// spelling is the path of a secret, and what every spelling of it becomes.
type spelling struct{ folded, path string }

// group puts keys and secrets of one name together. Of a tree that is one secret all keys are its fields.
func group(t Tree, m Manifest) (groups []groupOf) {
	keys, paths := m.keys, spellings(t, m)
	if t.one {
		keys = slices.Clone(keys)
		for i, k := range keys {
			if !k.hasField {
				keys[i].secret, keys[i].field, keys[i].hasField, keys[i].folded = "", k.secret, true, [2]string{"", k.folded[0]}
			}
		}
		slices.SortStableFunc(keys, identity)
	}
	for len(keys) > 0 || len(paths) > 0 {
		var g groupOf
		switch {
		case len(paths) == 0 || len(keys) > 0 && keys[0].folded[0] < paths[0].folded:
			g.name = keys[0].folded[0]
		default:
			g.name = paths[0].folded
		}
		g.keys, keys = split(keys, func(k key) bool { return k.folded[0] == g.name })
		g.paths, paths = split(paths, func(s spelling) bool { return s.folded == g.name })
		groups = append(groups, g)
	}
	return groups
}

// spellings are the tree's secrets, sorted as folded; "" is the path itself, where it is asked for.
func spellings(t Tree, m Manifest) (all []spelling) {
	if t.one || len(m.keys) > 0 && m.keys[0].secret == "" {
		all = append(all, spelling{})
	}
	if t.one {
		return all
	}
	for _, path := range t.names {
		all = append(all, spelling{m.fold.of(path), path})
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].folded < all[j].folded })
	return all
}

// split cuts all after the first ones for which is is true.
func split[T any](all []T, is func(T) bool) (first, rest []T) {
	n := slices.IndexFunc(all, func(one T) bool { return !is(one) })
	if n < 0 {
		n = len(all)
	}
	return all[:n], all[n:]
}

// verdict is what came of a group.
type verdict struct {
	rows     []row
	findings []check.Finding
	passed   []string
	spelled  []string // how what is there is spelled otherwise than in the manifest
	unsure   string   // why it is not known whether a secret is deleted
}

func (v *verdict) add(other verdict) {
	v.rows = append(v.rows, other.rows...)
	v.findings = append(v.findings, other.findings...)
	v.passed = append(v.passed, other.passed...)
	v.spelled = append(v.spelled, other.spelled...)
	v.unsure = max(v.unsure, other.unsure)
}

// judge looks at the secrets of one name.
func judge(ctx context.Context, t Tree, m Manifest, g groupOf) (verdict, error) {
	j := judgement{tree: t, manifest: m, group: g, met: make([]bool, len(g.keys)), broken: make([]bool, len(g.keys))}
	if len(g.paths) > 1 && len(g.keys) > 0 {
		j.find(check.Finding{
			Rule: "same-name", Warning: true, Subject: shown(g.paths[0].path), Text: strings.Join(showAll(g.paths), " and ") + " are one key",
			Mend: "normalize: [] in " + shown(m.name) + " tells them apart",
		})
	}
	gone := ""
	for _, p := range g.paths {
		s, err := j.look(ctx, p.path)
		if errors.Is(err, envsource.ErrMissing) {
			gone = err.Error()
			continue
		}
		if err != nil {
			return verdict{}, err
		}
		j.secret(s)
	}
	j.absent(gone)
	return j.verdict, nil
}

// judgement is a verdict that is being made.
type judgement struct {
	verdict
	tree        Tree
	manifest    Manifest
	group       groupOf
	met, broken []bool // by key
}

// secret is what is known of one. It lives as long as it is looked at.
type secret struct {
	path    string
	written time.Time
	fields  map[string]json.RawMessage // nil where it was not read
}

// look asks of a secret what the manifest wants to know, and no more.
func (j *judgement) look(ctx context.Context, path string) (s secret, err error) {
	s.path = path
	values := j.tree.one || path == ""
	moment := false
	for _, k := range j.group.keys {
		values = values || k.hasField || k.rules.ofValue()
		moment = moment || k.need == required || k.rules.ofAge()
	}
	switch {
	case values:
		s.fields, s.written, err = read(ctx, j.tree.vault, path)
	case moment:
		err = patiently(ctx, func() (err error) {
			s.written, err = j.tree.vault.Written(ctx, path)
			return err
		})
		if errors.Is(err, envsource.ErrDenied) && !j.dated() {
			j.unsure, err = err.Error(), nil
		}
	}
	return s, err
}

// dated reports whether a rule is about time.
func (j *judgement) dated() bool {
	return slices.ContainsFunc(j.group.keys, func(k key) bool { return k.rules.ofAge() })
}

// secret holds one that is there against each key of its name.
func (j *judgement) secret(s secret) {
	listed, whole := j.tree.one, false
	for i, k := range j.group.keys {
		listed = listed || k.need != forbidden
		whole = whole || !k.hasField
		if !k.hasField {
			j.hold(i, escape(s.path), s)
			continue
		}
		for _, field := range slices.Sorted(maps.Keys(s.fields)) {
			if j.manifest.fold.of(field) == k.folded[1] {
				j.hold(i, j.nameOf(s.path, field), secret{s.path, s.written, map[string]json.RawMessage{field: s.fields[field]}})
			}
		}
	}
	switch {
	case !listed && !whole:
		j.unlisted(escape(s.path), [2]string{j.group.name})
	case listed && !whole:
		j.unlistedFields(s)
	}
}

// unlistedFields finds those that the manifest does not have, where it names a secret by its fields alone.
func (j *judgement) unlistedFields(s secret) {
	for _, field := range slices.Sorted(maps.Keys(s.fields)) {
		folded := j.manifest.fold.of(field)
		if !slices.ContainsFunc(j.group.keys, func(k key) bool { return k.hasField && k.folded[1] == folded }) {
			j.unlisted(j.nameOf(s.path, field), [2]string{j.group.name, folded})
		}
	}
}

// nameOf is how a field is called: in a tree that is one secret by its own name.
func (j *judgement) nameOf(path, field string) string {
	if j.tree.one && path == "" {
		return escape(field)
	}
	return fieldName(path, field)
}

// nameFor is what would be called exactly as k says.
func (j *judgement) nameFor(k key) string {
	if k.hasField {
		return j.nameOf(k.secret, k.field)
	}
	return escape(k.secret)
}

// hold holds what is there, under a name of its own, against the key i.
func (j *judgement) hold(i int, name string, s secret) {
	k := j.group.keys[i]
	if k.need == forbidden {
		j.rows = append(j.rows, row{'+', shown(name), k.folded})
		j.finding(k, "forbidden", shown(name)+" is there, and is forbidden", "delete it from "+shown(j.tree.Label)+", or take it off "+string(forbidden))
		j.met[i] = true
		return
	}
	text := shown(k.name)
	if name != j.nameFor(k) {
		text += " (there: " + shown(name) + ")"
		j.spelled = append(j.spelled, shown(name)+" for "+shown(k.name))
	}
	if !j.met[i] {
		j.met[i] = true
		j.rows = append(j.rows, row{' ', text, k.folded})
	}
	for _, wrong := range k.rules.broken(s) {
		j.broken[i] = true
		j.finding(k, wrong.rule, shown(name)+" "+wrong.text, wrong.mend)
	}
}

// absent ends the judgement: what has to be there and is not. gone says why one that is listed does not count.
func (j *judgement) absent(gone string) {
	for i, k := range j.group.keys {
		switch {
		case !j.met[i] && k.need == required:
			j.rows = append(j.rows, row{'-', shown(k.name), k.folded})
			text, mend := shown(k.name)+" is missing", j.mendMissing(k)
			if gone != "" && k.secret != "" {
				text, mend = text+": "+gone, ""
			}
			j.finding(k, "missing", text, mend)
		case !j.broken[i] && j.met[i] != (k.need == forbidden):
			j.passed = append(j.passed, shown(k.name))
		}
	}
}

func (j *judgement) mendMissing(k key) string {
	switch path := strings.TrimSuffix(j.tree.path+"/"+k.secret, "/"); {
	case j.tree.variables:
		return "set it in " + shown(j.tree.Label)
	case k.hasField:
		return "write it: vault kv patch " + argument(path) + " " + argument(k.field) + "=-"
	default:
		return "write it: vault kv put " + argument(path) + " value=-"
	}
}

func (j *judgement) unlisted(name string, sort [2]string) {
	if j.manifest.unlisted == unlistedIgnore {
		return
	}
	j.rows = append(j.rows, row{'+', shown(name), sort})
	j.find(check.Finding{
		Rule: "unlisted", Warning: j.manifest.unlisted == unlistedWarn, Subject: shown(name),
		Text: shown(name) + " is not in " + shown(j.manifest.name), Mend: "add it to required_keys or optional_keys there, or delete it from " + shown(j.tree.Label),
	})
}

func (j *judgement) find(f check.Finding) { j.findings = append(j.findings, f) }

// finding is about a key, which is where the manifest has it.
func (j *judgement) finding(k key, rule, text, mend string) {
	f := check.Finding{Rule: rule, Subject: shown(k.name), Text: text, Mend: mend}
	if j.manifest.local {
		f.File, f.Line = j.manifest.name, k.line
	}
	j.find(f)
}

// report says what came of all groups.
func report(t Tree, m Manifest, v verdict) check.Report {
	r := check.Report{Check: "parity", Findings: v.findings, Passed: v.passed}
	if v.unsure != "" {
		r.Findings = append(r.Findings, check.Finding{
			Rule: "unsure", Warning: true, Text: "it is not known whether a key that is listed is deleted: " + v.unsure,
		})
	}
	slices.Sort(r.Passed)
	slices.Sort(v.spelled)
	r.Diff = unified(m.name, t.Label, v.rows)
	r.Summary = summary(t, m, r.Findings, v.spelled)
	r.Sort()
	return r
}

// summary is the line that says it all.
func summary(t Tree, m Manifest, findings []check.Finding, spelled []string) string {
	wanted := 0
	for _, k := range m.keys {
		if k.need == required {
			wanted++
		}
	}
	parts := []string{fmt.Sprintf("%s has %s, %s requires %d", shown(t.Label), keys(len(t.names)), shown(m.name), wanted)}
	counts := map[string]int{}
	for _, f := range findings {
		switch f.Rule {
		case "missing", "unlisted", "forbidden":
			counts[f.Rule]++
		case "same-name", "unsure":
		default:
			counts["not as the manifest wants it"]++
		}
	}
	for _, word := range []string{"missing", "unlisted", "forbidden", "not as the manifest wants it"} {
		if counts[word] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[word], word))
		}
	}
	text := strings.Join(parts, ", ") + "; " + m.fold.String()
	const most = 5
	if len(spelled) > most {
		spelled = append(spelled[:most:most], fmt.Sprintf("%d more", len(spelled)-most))
	}
	if len(spelled) > 0 {
		text += ": " + strings.Join(spelled, ", ")
	}
	return text
}

func keys(n int) string {
	if n == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", n)
}

func showAll(paths []spelling) (all []string) {
	for _, p := range paths {
		all = append(all, shown(p.path))
	}
	return all
}
