package check

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/junit"
)

// Formats are the ways to tell reports.
var Formats = []string{"text", "json", "junit", "github"}

// Write tells reports in a format; colour is for text.
func Write(w io.Writer, format string, colour bool, reports ...Report) error {
	var b strings.Builder
	if format != "json" { // which has escapes of its own
		reports = shown(reports)
	}
	switch format {
	case "json":
		if err := writeJSON(&b, reports); err != nil {
			return err
		}
	case "junit":
		if err := writeJUnit(&b, reports); err != nil {
			return err
		}
	case "github":
		writeGitHub(&b, reports)
	default:
		writeText(&b, palette(colour), reports)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// shown is reports with what a terminal would obey in place of showing it escaped: names of files and of keys may be anybody's.
func shown(reports []Report) []Report {
	all := slices.Clone(reports)
	for i, r := range all {
		all[i].Summary, all[i].Diff = shownLines(r.Summary), shownLines(r.Diff)
		all[i].Passed, all[i].Findings = slices.Clone(r.Passed), slices.Clone(r.Findings)
		for j, name := range r.Passed {
			all[i].Passed[j] = envsource.Shown(name)
		}
		for j, f := range r.Findings {
			f.Subject, f.File, f.Text, f.Mend = envsource.Shown(f.Subject), envsource.Shown(f.File), shownLines(f.Text), shownLines(f.Mend)
			all[i].Findings[j] = f
		}
	}
	return all
}

func shownLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = envsource.Shown(line)
	}
	return strings.Join(lines, "\n")
}

func writeJSON(w io.Writer, reports []Report) error {
	clean := true
	all := make([]Report, len(reports))
	for i, r := range reports {
		clean = clean && r.Clean()
		if all[i] = r; r.Findings == nil {
			all[i].Findings = []Finding{}
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Clean  bool     `json:"clean"`
		Checks []Report `json:"checks"`
	}{clean, all})
}

// writeJUnit makes a test of each finding that is drift, of each thing that is as it should be, and of why it could not be
// checked. Without any of these the check itself is one: a suite without tests is an error to some readers. Warnings are told
// besides.
func writeJUnit(w io.Writer, reports []Report) error {
	var suites []junit.Suite
	for _, r := range reports {
		s := junit.Suite{Name: "vwrap check " + r.Check}
		class := "vwrap.check." + r.Check
		for _, name := range r.Passed {
			s.Cases = append(s.Cases, junit.Case{Class: class, Name: name})
		}
		for _, f := range r.Findings {
			if f.Warning {
				s.Out += "warning: " + f.line() + "\n"
				continue
			}
			s.Cases = append(s.Cases, junit.Case{Class: class, Name: f.test(), Failure: f.line()})
		}
		if len(s.Cases) == 0 || r.Error != "" {
			s.Cases = append(s.Cases, junit.Case{Class: class, Name: r.Check, Error: r.Error})
		}
		s.Out += r.Summary
		suites = append(suites, s)
	}
	return junit.Write(w, suites...)
}

// test is the finding's name as a test: readers tell tests apart by it.
func (f Finding) test() string {
	return strings.Join(strings.Fields(f.Rule+" "+f.Subject+" "+strings.TrimSuffix(f.place(), ": ")), " ")
}

// line is the finding on a line or two.
func (f Finding) line() string {
	text := f.place() + f.Text
	if f.Mend != "" {
		text += "\n" + f.Mend
	}
	return text
}

// place is file:line:column: as compilers write it, so that editors and terminals find it.
func (f Finding) place() string {
	switch {
	case f.File == "":
		return ""
	case f.Line == 0:
		return f.File + ": "
	case f.Column == 0:
		return fmt.Sprintf("%s:%d: ", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
}

// writeGitHub writes workflow commands, which annotate the lines of a pull request.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
func writeGitHub(w io.Writer, reports []Report) {
	for _, r := range reports {
		for _, f := range r.Findings {
			kind := "error"
			if f.Warning {
				kind = "warning"
			}
			properties := []string{"title=" + property.Replace("vwrap check "+r.Check+": "+f.Rule)}
			if f.File != "" {
				properties = append(properties, "file="+property.Replace(f.File))
			}
			if f.Line > 0 {
				properties = append(properties, fmt.Sprintf("line=%d", f.Line))
			}
			if f.Column > 0 {
				properties = append(properties, fmt.Sprintf("col=%d", f.Column))
			}
			text := f.Text
			if f.Mend != "" {
				text += "\n" + f.Mend
			}
			fmt.Fprintf(w, "::%s %s::%s\n", kind, strings.Join(properties, ","), data.Replace(text))
		}
		if r.Error != "" {
			fmt.Fprintf(w, "::error title=%s::%s\n", property.Replace("vwrap check "+r.Check+": not checked"), data.Replace(r.Error))
		}
		if r.Summary != "" {
			fmt.Fprintf(w, "%s: %s\n", r.Check, r.Summary)
		}
	}
}

// The escapes of workflow commands (actions/toolkit, packages/core/src/command.ts).
var (
	data     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// palette writes escape sequences, or none.
type palette bool

func (p palette) paint(code, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
)

// writeText is for a person: the diff, what was found, how to mend it, and a last line that says it all.
func writeText(w io.Writer, p palette, reports []Report) {
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintf(w, "\n")
		}
		for line := range strings.Lines(r.Diff) {
			fmt.Fprintf(w, "%s\n", p.diff(strings.TrimSuffix(line, "\n")))
		}
		for _, f := range r.Findings {
			word := p.paint(red, "drift")
			switch {
			case f.Warning:
				word = p.paint(yellow, "warning")
			case f.Critical:
				word = p.paint(red, "CRITICAL")
			}
			fmt.Fprintf(w, "%s%s: %s\n", p.paint(bold, f.place()), word, f.Text)
			if f.Mend != "" {
				fmt.Fprintf(w, "  %s\n", p.paint(faint, f.Mend))
			}
		}
		word, line := r.verdict()
		colour := red
		if r.Clean() {
			colour = green
		}
		fmt.Fprintf(w, "%s: %s: %s\n", p.paint(bold, r.Check), p.paint(colour, word), line)
	}
}

func (p palette) diff(line string) string {
	switch {
	case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		return p.paint(bold, line)
	case strings.HasPrefix(line, "-"):
		return p.paint(red, line)
	case strings.HasPrefix(line, "+"):
		return p.paint(green, line)
	case strings.HasPrefix(line, "@@"):
		return p.paint(faint, line)
	}
	return line
}
