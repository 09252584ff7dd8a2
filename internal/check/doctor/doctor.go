// Package doctor finds out whether this machine and this Vault can run vwrap, and says what is to be mended where they cannot.
// It looks, and changes nothing: no value is read, no lease is made, no folder is made. It has no flags and knows no vwrap.yaml:
// who calls it says what was found of that.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// State is how a thing is.
type State string

// The states. Only a fault makes the exit status 1.
const (
	OK      State = "ok"
	Note    State = "note"    // worth knowing; nothing has to be done
	Warning State = "warning" // vwrap runs, and something is lost by it
	Fault   State = "fault"   // vwrap does not run, or not as it was asked to
)

// Area is what a thing belongs to.
type Area string

// The areas, in the order in which they are told.
const (
	AreaMachine    Area = "machine"
	AreaProject    Area = "project"
	AreaVault      Area = "Vault"
	AreaToken      Area = "token"
	AreaReferences Area = "references"
)

var areas = []Area{AreaMachine, AreaProject, AreaVault, AreaToken, AreaReferences}

// Line is one thing that was looked at. It has no value, token, accessor or lease ID in it.
type Line struct {
	Area  Area   `json:"area"`
	Name  string `json:"name"`
	State State  `json:"state"`
	Text  string `json:"text"`           // how it is
	Mend  string `json:"mend,omitempty"` // what to do; there is one for each warning and fault
}

// Count is how many of lines are in a state.
func Count(lines []Line, state State) (n int) {
	for _, l := range lines {
		if l.State == state {
			n++
		}
	}
	return n
}

// JSON writes lines for a program.
func JSON(w io.Writer, lines []Line) error {
	if lines == nil {
		lines = []Line{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Faults   int    `json:"faults"`
		Warnings int    `json:"warnings"`
		Lines    []Line `json:"lines"`
	}{Count(lines, Fault), Count(lines, Warning), lines})
}

// Style is how lines are shown.
type Style struct {
	Color   bool // by escape sequences
	Unicode bool // marks that are no letters
}

// width is that of a terminal.
const width = 80

// Text writes lines for a person: by area, a mark each, what to do below it, and a last line that says it all.
func Text(w io.Writer, style Style, lines []Line) error {
	var b strings.Builder
	for _, area := range areas {
		of := slices.DeleteFunc(slices.Clone(lines), func(l Line) bool { return l.Area != area })
		if len(of) == 0 {
			continue
		}
		b.WriteString(style.paint("1", string(area)) + "\n")
		for _, l := range of {
			style.write(&b, l)
		}
	}
	fmt.Fprintf(&b, "%s\n", style.summary(lines))
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Style) write(b *strings.Builder, l Line) {
	mark := s.mark(l.State)
	indent := 2 + utf8.RuneCountInString(mark) + 1
	text := wrapped(l.Name+": "+l.Text, indent)
	b.WriteString("  " + s.paint(colors[l.State], mark) + " " + text + "\n")
	if l.Mend == "" {
		return
	}
	arrow := "->"
	if s.Unicode {
		arrow = "→"
	}
	b.WriteString(strings.Repeat(" ", indent) + arrow + " " + wrapped(l.Mend, indent+utf8.RuneCountInString(arrow)+1) + "\n")
}

var colors = map[State]string{OK: "32", Note: "36", Warning: "33", Fault: "31"}

// mark is as wide for each state.
func (s Style) mark(state State) string {
	if s.Unicode {
		return map[State]string{OK: "✓", Note: "·", Warning: "!", Fault: "✗"}[state]
	}
	return map[State]string{OK: "ok", Note: "- ", Warning: "! ", Fault: "x "}[state]
}

func (s Style) summary(lines []Line) string {
	faults, warnings := Count(lines, Fault), Count(lines, Warning)
	looked := fmt.Sprintf("%d looked at", len(lines))
	switch {
	case faults > 0:
		return s.paint(colors[Fault], several(faults, "fault")) + ", " + several(warnings, "warning") + ", " + looked
	case warnings > 0:
		return s.paint(colors[Warning], several(warnings, "warning")) + ", no fault, " + looked
	}
	return s.paint(colors[OK], "all is well") + ", " + looked
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (s Style) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// wrapped is text in lines of width, all but the first indented. A word that is longer has a line of its own.
func wrapped(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(printable(text)) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// printable is text without what a terminal would obey: names of files and programs may have anything in them.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
}
