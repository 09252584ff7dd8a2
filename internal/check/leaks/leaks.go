// Package leaks looks for values of secrets at rest: in files, in the history of git, in the histories of shells, on command
// lines, and in what Docker knows of running containers. It is told the values and tells the names of the variables that
// have them; no value, and no line that has one, gets into a report. It writes nothing to disk, and it fetches nothing.
package leaks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/forms"
	"github.com/vwrap/vwrap/internal/search"
)

// Secret is a value to look for, and the name under which it is told.
type Secret struct {
	Name, Value string
	Files       []string // that it is read from: there it may be
}

// Options say what is looked for, and where.
type Options struct {
	Secrets    []Secret
	Roots      []string // work trees and further paths
	History    int      // how many commits of each git repository are looked at
	Temp       bool     // the directories for temporary files
	Histories  bool     // of the home directory what shells and clients of databases keep of what was typed, and a token that all can read
	Processes  bool     // the command lines of all processes
	Containers bool     // what Docker knows of running containers
	Env        Env
}

// Env is the machine. The zero value is this one.
type Env struct {
	Home    string
	Temp    []string
	History string // the shell's own history: $HISTFILE
	Proc    string
	Command func(ctx context.Context, name string, args ...string) *exec.Cmd // runs git and docker
}

func (e Env) withDefaults() Env {
	if e.Home == "" {
		e.Home, _ = os.UserHomeDir() // without one there are no histories
	}
	if e.Temp == nil {
		e.Temp = []string{os.TempDir(), "/tmp"}
	}
	if e.History == "" {
		e.History = os.Getenv("HISTFILE")
	}
	if e.Proc == "" {
		e.Proc = "/proc"
	}
	if e.Command == nil {
		e.Command = exec.CommandContext
	}
	return e
}

// Check looks. With an error, which says what could not be looked at, the report tells what was found elsewhere.
func Check(ctx context.Context, o Options) (check.Report, error) {
	l := newLook(o)
	err := errors.Join(l.roots(ctx), l.temp(ctx), l.histories(ctx), l.commits(ctx), l.processes(ctx), l.containers(ctx))
	l.known()
	l.state(ctx)
	if e := ctx.Err(); e != nil {
		err = fmt.Errorf("look for leaks: %w", e)
	}
	return l.report(), err
}

// look is one run of the check.
type look struct {
	Options
	targets  []target
	patterns []pattern
	searcher *search.Searcher
	counts   counts
	walked   []string // the directories and files that were looked at, whole
	tops     []string // the work trees of git in them

	mu         sync.Mutex
	found      []finding
	unreadable []string
}

type counts struct{ files, commits, processes, containers int }

// target is a value with all the variables that have it.
type target struct {
	names string
	value string
	files []string // where it is read from, and may be; without symbolic links
}

// at reports whether a target is read from the file at an absolute path.
func (t target) at(path string) bool { return slices.Contains(t.files, path) }

// pattern is one form of a target.
type pattern struct {
	target int
	forms.Form
}

// finding is one of the report, and the file whose state in git is still to be said.
type finding struct {
	check.Finding
	path string // absolute; "" where git has no say
}

func newLook(o Options) *look {
	o.Env = o.Env.withDefaults()
	l := &look{Options: o}
	var texts [][]byte
	for _, t := range l.targetsOf(o.Secrets) {
		for _, f := range forms.Of(t.value) {
			l.patterns = append(l.patterns, pattern{len(l.targets), f})
			texts = append(texts, []byte(f.Text))
		}
		l.targets = append(l.targets, t)
	}
	l.searcher = search.New(texts)
	return l
}

// targetsOf leaves out what is not looked for, and says so.
func (l *look) targetsOf(secrets []Secret) []target {
	if len(secrets) == 0 {
		l.warn("nothing-named", "", "no value is looked for: no reference names one that lasts",
			"name the secrets of this project in vwrap.yaml (NAME: vault:PATH#FIELD), or by -e NAME=vault:PATH#FIELD")
	}
	var all []target
	for _, s := range secrets {
		value := strings.TrimSpace(s.Value) // a file ends in a line break that a copy of it may lack
		if why := weak(value); why != "" {
			l.warn("skipped", s.Name, s.Name+" is not looked for: "+why, "")
			continue
		}
		files := make([]string, len(s.Files))
		for i, file := range s.Files {
			files[i] = resolve(file)
		}
		i := slices.IndexFunc(all, func(t target) bool { return t.value == value })
		if i < 0 {
			all = append(all, target{s.Name, value, files})
			continue
		}
		if !slices.Contains(strings.Split(all[i].names, ", "), s.Name) {
			all[i].names += ", " + s.Name
		}
		// What one of two has from elsewhere is a copy in the file of the other.
		all[i].files = slices.DeleteFunc(all[i].files, func(file string) bool { return !slices.Contains(files, file) })
	}
	return all
}

func (l *look) add(f finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.File, f.Text, f.Mend = l.redact(f.File), l.redact(f.Text), l.redact(f.Mend)
	l.found = append(l.found, f)
}

func (l *look) warn(rule, subject, text, mend string) {
	l.found = append(l.found, finding{Finding: check.Finding{Rule: rule, Warning: true, Subject: subject, Text: text, Mend: mend}})
}

// redact is for names of files and containers, which may have a value in them too.
func (l *look) redact(text string) string {
	if l.searcher == nil || text == "" {
		return text
	}
	var b strings.Builder
	from, to, names := 0, 0, "" // what is left out at the moment
	done := 0
	flush := func() {
		if to > from {
			b.WriteString(text[done:from] + "(" + names + ")")
			done = to
		}
	}
	l.searcher.Find([]byte(text), func(p, start int) {
		if start >= to {
			flush()
			from, names = start, l.targets[l.patterns[p].target].names
		}
		to = max(to, start+len(l.patterns[p].Text))
	})
	flush()
	return b.String() + text[done:]
}

// match is the places of one value in one stream.
type match struct {
	target int
	hits   []search.Hit
	more   int // that were found after as many as are told
}

// most is how many places of one value in one stream are told.
const most = 20

// matches are what stands in a stream, without what stands inside another form of the same value.
type matches []match

func (l *look) collect(into *matches) func(search.Hit) {
	return func(h search.Hit) {
		t := l.patterns[h.Pattern].target
		i := slices.IndexFunc(*into, func(m match) bool { return m.target == t })
		if i < 0 {
			i = len(*into)
			*into = append(*into, match{target: t})
		}
		(*into)[i].take(h)
	}
}

func (m *match) take(h search.Hit) {
	inside := func(a, b search.Hit) bool { return b.Start <= a.Start && a.End <= b.End }
	if slices.ContainsFunc(m.hits, func(have search.Hit) bool { return inside(h, have) }) {
		return
	}
	m.hits = slices.DeleteFunc(m.hits, func(have search.Hit) bool { return inside(have, h) })
	if len(m.hits) == most {
		m.more++
		return
	}
	m.hits = append(m.hits, h)
}

// without leaves out what a file has because it is read from there.
func (l *look) without(found matches, path string) matches {
	return slices.DeleteFunc(found, func(m match) bool { return l.targets[m.target].at(path) })
}

// inText looks through a text that is in memory.
func (l *look) inText(text string) matches {
	var all matches
	collect := l.collect(&all)
	l.searcher.Find([]byte(text), func(p, start int) {
		collect(search.Hit{Pattern: p, Start: int64(start), End: int64(start + len(l.patterns[p].Text))})
	})
	return all
}

// tell adds a finding for each place. What has the value: "the file has", "the commit's message has"; "" is a file.
func (l *look) tell(found matches, where finding, has string) {
	for _, m := range found {
		f := where
		f.Rule, f.Subject = "leak", l.targets[m.target].names
		for _, h := range m.hits {
			f.Line, f.Column = h.Line, h.Column
			f.Text = strings.TrimSpace(has + " has the value of " + f.Subject + " " + l.patterns[h.Pattern].As)
			l.add(f)
		}
		if m.more > 0 {
			f.Line, f.Column = 0, 0
			f.Text = strings.TrimSpace(fmt.Sprintf("%s has the value of %s %d times more", has, f.Subject, m.more))
			l.add(f)
		}
	}
}

// cannotRead notes what is told as a warning.
func (l *look) cannotRead(path string, err error) {
	why := err
	if e, ok := errors.AsType[*os.PathError](err); ok {
		why = e.Err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unreadable = append(l.unreadable, l.redact(path)+": "+l.redact(why.Error()))
}

// named is how many unreadable files are told by name.
const named = 10

func (l *look) report() check.Report {
	slices.Sort(l.unreadable)
	for i, what := range l.unreadable {
		if i == named {
			l.warn("unreadable", "", fmt.Sprintf("%d more cannot be read", len(l.unreadable)-named), "")
			break
		}
		l.warn("unreadable", "", "cannot read "+what, "")
	}
	r := check.Report{Check: "leaks", Findings: []check.Finding{}}
	leaking := map[string]bool{}
	for _, f := range l.found {
		r.Findings = append(r.Findings, f.Finding)
		if f.Rule == "leak" {
			leaking[f.Subject] = true
		}
	}
	r.Sort()
	r.Findings = slices.Compact(r.Findings)
	for _, t := range l.targets {
		if !leaking[t.names] {
			r.Passed = append(r.Passed, t.names)
		}
	}
	slices.Sort(r.Passed)
	r.Summary = l.summary(len(leaking))
	return r
}

func (l *look) summary(leaking int) string {
	places := []string{count(l.counts.files, "file")}
	for _, c := range []struct {
		n    int
		what string
	}{{l.counts.commits, "commit"}, {l.counts.processes, "command line"}, {l.counts.containers, "container"}} {
		if c.n > 0 {
			places = append(places, count(c.n, c.what))
		}
	}
	return fmt.Sprintf("%s looked for in %s, %d found", count(len(l.targets), "value"), strings.Join(places, ", "), leaking)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// covered reports whether a path was looked at with a directory above it.
func (l *look) covered(path string) bool {
	return slices.ContainsFunc(l.walked, func(w string) bool { return path == w || strings.HasPrefix(path, strings.TrimSuffix(w, "/")+"/") })
}

// resolve is a path without symbolic links, to compare with others; as it is where it does not exist.
func resolve(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
