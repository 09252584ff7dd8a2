package parity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/check"
)

// Compare holds t against m. Secrets of which m says more than a name are read; of those that have to be there it is asked
// whether they are deleted. An error is that something could not be asked.
func Compare(ctx context.Context, t Tree, m Manifest) (check.Report, error) {
	groups := group(t, m)
	verdicts := make([]verdict, len(groups))
	err := each(ctx, len(groups), func(ctx context.Context, i int) (err error) {
		verdicts[i], err = judge(ctx, t, m, groups[i])
		return err
	})
	if err != nil {
		return check.Report{}, err
	}
	return report(t, m, verdicts), nil
}

// group is what the manifest says of one name, and the secrets that have it.
type groupOf struct {
	name  string // folded
	keys  []key
	paths []string
}

// group puts keys and secrets of one name together, sorted. Of a tree that is one secret all keys are its fields.
func group(t Tree, m Manifest) []groupOf {
	byName := map[string]*groupOf{}
	of := func(name string) *groupOf {
		folded := m.fold.of(name)
		g := byName[folded]
		if g == nil {
			g = &groupOf{name: folded}
			byName[folded] = g
		}
		return g
	}
	for _, k := range m.keys {
		if t.one && !k.hasField {
			k.secret, k.field, k.hasField = "", k.secret, true
		}
		g := of(k.secret)
		g.keys = append(g.keys, k)
	}
	if g := byName[""]; t.one || g != nil {
		g = of("")
		g.paths = []string{""}
	}
	for _, path := range t.names {
		if !t.one {
			g := of(path)
			g.paths = append(g.paths, path)
		}
	}
	groups := make([]groupOf, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		groups = append(groups, *byName[name])
	}
	return groups
}

// verdict is what came of a group.
type verdict struct {
	rows     []row
	findings []check.Finding
	passed   []string
	spelled  []string // how what is there is spelled otherwise than in the manifest
	unsure   string   // why it is not known whether a secret is deleted
}

// judge looks at the secrets of one name.
func judge(ctx context.Context, t Tree, m Manifest, g groupOf) (verdict, error) {
	j := judgement{tree: t, manifest: m, group: g, met: make([]bool, len(g.keys)), broken: make([]bool, len(g.keys))}
	if len(g.paths) > 1 && len(g.keys) > 0 {
		j.find(check.Finding{
			Rule: "same-name", Warning: true, Subject: g.paths[0], Text: strings.Join(showAll(g.paths), " and ") + " are one key",
			Mend: "normalize: [] in " + shown(m.name) + " tells them apart",
		})
	}
	gone := ""
	for _, path := range g.paths {
		s, err := j.look(ctx, path)
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
		moment = moment || k.need == required || k.rules.notOlderThan > 0
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
	return slices.ContainsFunc(j.group.keys, func(k key) bool { return k.rules.notOlderThan > 0 })
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
			if j.manifest.fold.of(field) == j.manifest.fold.of(k.field) {
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
		if !slices.ContainsFunc(j.group.keys, func(k key) bool { return k.hasField && j.manifest.fold.of(k.field) == folded }) {
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
	sort := [2]string{j.group.name, j.manifest.fold.of(k.field)}
	if k.need == forbidden {
		j.rows = append(j.rows, row{'+', shown(name), sort})
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
		j.rows = append(j.rows, row{' ', text, sort})
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
			j.rows = append(j.rows, row{'-', shown(k.name), [2]string{j.group.name, j.manifest.fold.of(k.field)}})
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

// report puts the verdicts together.
func report(t Tree, m Manifest, verdicts []verdict) check.Report {
	r := check.Report{Check: "parity", Findings: []check.Finding{}}
	var rows []row
	var spelled []string
	unsure := ""
	for _, v := range verdicts {
		rows = append(rows, v.rows...)
		r.Findings = append(r.Findings, v.findings...)
		r.Passed = append(r.Passed, v.passed...)
		spelled = append(spelled, v.spelled...)
		unsure = cmp.Or(unsure, v.unsure)
	}
	if unsure != "" {
		r.Findings = append(r.Findings, check.Finding{
			Rule: "unsure", Warning: true, Text: "it is not known whether a key that is listed is deleted: " + unsure,
		})
	}
	r.Diff = unified(m.name, t.Label, rows)
	r.Summary = summary(t, m, r.Findings, spelled)
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

func showAll(names []string) (all []string) {
	for _, name := range names {
		all = append(all, shown(name))
	}
	return all
}
