package drill

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/junit"
)

// question is one that a drill answers.
type question int

const (
	reaches question = iota
	lives
	serves
	leaves
)

var questions = []string{
	reaches: "rotations reach the command", lives: "the command lives", serves: "the probe is answered", leaves: "no lease is left behind",
}

// Report is what came of a drill.
type Report struct {
	Every, For, Ran time.Duration
	Drilled         bool // the command ran, and served: there was something to drill
	Interrupted     bool // it ended before its time
	Rounds, Reached int
	Restarts        int
	Faults          []Made // in the order in which they were made first
	Probe           string
	Probes, Failed  int
	WorstGap        time.Duration
	MaxGap          time.Duration
	Leaked          int // leases that were left when the command had ended

	problems map[question][]string
}

// Made is how often a fault was.
type Made struct {
	Name  string
	Times int
}

func (r *Report) fail(q question, problem string) {
	if r.problems == nil {
		r.problems = map[question][]string{}
	}
	r.problems[q] = append(r.problems[q], problem)
}

func (r *Report) fault(name string) {
	i := slices.IndexFunc(r.Faults, func(m Made) bool { return m.Name == name })
	if i < 0 {
		r.Faults = append(r.Faults, Made{name, 0})
		i = len(r.Faults) - 1
	}
	r.Faults[i].Times++
}

// of is what is wrong with the answer to q.
func (r Report) of(q question) []string {
	all := slices.Clone(r.problems[q])
	switch {
	case q == lives && r.Interrupted && r.For > 0:
		all = append(all, fmt.Sprintf("it ended after %s, before the drill's %s", r.Ran.Round(time.Second), r.For))
	case q == reaches && r.Drilled && r.Rounds == 0 && len(all) == 0:
		all = append(all, "it ended before anything was rotated")
	case q == leaves && r.Leaked > 0:
		all = append(all, fmt.Sprintf("%d left when the command had ended", r.Leaked))
	}
	return all
}

// Problems are why the drill failed; none: it passed.
func (r Report) Problems() (all []string) {
	for q := range questions {
		all = append(all, r.of(question(q))...)
	}
	return all
}

// Text writes the report for a person.
func (r Report) Text(w io.Writer) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "\nrotation drill: %s, a round each %s\n\n", r.Ran.Round(time.Second), r.Every)
	row("rotations", "%d, %d of them reached the command", r.Rounds, r.Reached)
	row("restarts", "%d", r.Restarts)
	if len(r.Faults) > 0 {
		var faults []string
		for _, m := range r.Faults {
			faults = append(faults, fmt.Sprintf("%s %d", m.Name, m.Times))
		}
		row("faults", "%s", strings.Join(faults, ", "))
	}
	if r.Probe != "" {
		row("probes", "%d, %d of them failed; the longest gap %s (%s is allowed)", r.Probes, r.Failed, round2(r.WorstGap), r.MaxGap)
	}
	row("leases left", "%d", r.Leaked)
	problems := r.Problems()
	if len(problems) == 0 {
		fmt.Fprintf(w, "\ndrill passed\n")
		return
	}
	fmt.Fprintf(w, "\ndrill failed:\n")
	for _, p := range problems {
		fmt.Fprintf(w, "  %s\n", p)
	}
}

// JUnit writes the report for a pipeline: a test a question.
func (r Report) JUnit(w io.Writer) error {
	var text strings.Builder
	r.Text(&text)
	s := junit.Suite{Name: "vwrap drill", Took: r.Ran, Out: text.String()}
	for q, name := range questions {
		if question(q) == serves && r.Probe == "" {
			continue
		}
		s.Cases = append(s.Cases, junit.Case{Class: "vwrap.drill", Name: name, Failure: strings.Join(r.of(question(q)), "\n")})
	}
	return junit.Write(w, s)
}
