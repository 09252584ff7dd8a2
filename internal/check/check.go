// Package check is what drift checks have in common: what they find, and how that is told. Each check is a package below
// this one; none prints, and none has a value in what it finds.
package check

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Rule     string `json:"rule"`               // which rule found it, in words with dashes: "missing", "published-everywhere"
	Warning  bool   `json:"warning,omitempty"`  // it is told, and is no drift
	Critical bool   `json:"critical,omitempty"` // drift that hurts soon: it is told in that word
	Subject  string `json:"subject,omitempty"`  // the name of a key, a variable, a lease
	File     string `json:"file,omitempty"`     // where it is, as the user would write it; "" where it is in no file
	Line     int    `json:"line,omitempty"`     // from 1; 0 is the whole file
	Column   int    `json:"column,omitempty"`
	Text     string `json:"text"`           // what is wrong: lower case, no full stop, never a value
	Mend     string `json:"mend,omitempty"` // what to do about it
}

// Report is what a check has found.
type Report struct {
	Check    string    `json:"check"`           // "parity"
	Error    string    `json:"error,omitempty"` // why it could not be checked, or not all of it: a line, or several
	Summary  string    `json:"summary"`         // a line: what was looked at, and what came of it; "" where nothing was
	Diff     string    `json:"diff,omitempty"`
	Findings []Finding `json:"findings"`
	Passed   []string  `json:"passed,omitempty"` // what was looked at and is as it should be: a test each in JUnit
}

// Clean reports whether it was checked, and there is no drift.
func (r Report) Clean() bool {
	return r.Error == "" && !slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Warning })
}

// verdict is the report on a line, after a word for it: what could not be checked is neither clean nor drift.
func (r Report) verdict() (word, line string) {
	why := strings.Join(strings.Split(r.Error, "\n"), "; ")
	switch {
	case r.Error != "" && r.Summary != "":
		return "not checked", why + "; but for that: " + r.Summary
	case r.Error != "":
		return "not checked", why
	case r.Clean():
		return "clean", r.Summary
	}
	return "drift", r.Summary
}

// Sort orders the findings: by file and line, then by subject and rule.
func (r *Report) Sort() {
	sort.SliceStable(r.Findings, func(i, j int) bool {
		a, b := r.Findings[i], r.Findings[j]
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Rule, b.Rule)) < 0
	})
}
