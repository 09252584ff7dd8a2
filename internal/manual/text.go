package manual

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Where an explanation begins, and where lines end: a terminal of 80 columns shows help as it is meant.
const (
	column = 28
	width  = 80
)

// Text is the page for a terminal.
func (p Page) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n", p.Synopsis, p.About)
	if len(p.Commands) > 0 {
		b.WriteString("\nCommands:\n")
		longest := 0
		for _, c := range p.Commands {
			longest = max(longest, len(c.Name))
		}
		for _, c := range p.Commands {
			fmt.Fprintf(&b, "  %-*s  %s\n", longest, c.Name, Fold(c.Text, longest+4, width))
		}
	}
	for _, g := range p.Groups {
		fmt.Fprintf(&b, "\n%s:\n", g.Title)
		for _, flag := range g.Flags {
			b.WriteString(beside(flag.Name, flag.Text) + "\n")
		}
	}
	if len(p.Examples) > 0 {
		b.WriteString("\nExamples:\n")
		for _, e := range p.Examples {
			fmt.Fprintf(&b, "  %s\n      %s\n", e.Text, e.Name)
		}
	}
	return b.String()
}

// beside puts text beside left, in lines that are not too long; below it, where left is too long itself.
func beside(left, text string) string {
	if len(left)+2 > column {
		return left + "\n" + strings.Repeat(" ", column) + Fold(text, column, width)
	}
	return left + strings.Repeat(" ", column-len(left)) + Fold(text, column, width)
}

// Fold breaks text between words, so that lines that begin at column end before width; a word that is too long stays whole.
// A width of 0 is any.
func Fold(text string, column, width int) string {
	if width == 0 {
		return text
	}
	var b strings.Builder
	at := column
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
