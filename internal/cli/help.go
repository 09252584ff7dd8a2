package cli

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// Where a flag's explanation begins, and where lines end: a terminal of 80 columns shows help as it is meant.
const (
	helpColumn = 28
	helpWidth  = 80
)

const appHelp = `Usage: {{.UsageText}}

{{.Description}}

Commands:
{{range .VisibleCommands}}  {{.Name}}{{"\t"}}{{.Usage}}
{{end}}
Flags:
{{range .VisibleFlags}}{{.}}
{{end}}`

const commandHelp = `Usage: {{.UsageText}}

{{.Description}}
{{if .Subcommands}}
Commands:
{{range .Subcommands}}  {{.Name}}{{"\t"}}{{.Usage}}
{{end}}{{end}}
Flags:
{{range .VisibleFlags}}{{.}}
{{end}}`

// flagHelp is a flag's lines in the help.
func flagHelp(f cli.Flag) string {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	placeholder, text := unquote(doc.GetUsage())
	if d := doc.GetDefaultText(); !slices.Contains([]string{"", "false", "0", "0s"}, d) {
		text += " (default " + d + ")"
	}
	left := "      --" + f.Names()[0]
	if len(f.Names()) > 1 {
		left = "  -" + f.Names()[1] + ", --" + f.Names()[0]
	}
	switch {
	case strings.HasPrefix(placeholder, "="):
		left += "[" + placeholder + "]"
	case doc.TakesValue():
		left += " " + cmp.Or(placeholder, "VALUE")
	}
	return beside(left, text)
}

// unquote takes the backquotes off a usage, and returns what stands between them too: the value's name.
func unquote(usage string) (placeholder, text string) {
	before, rest, _ := strings.Cut(usage, "`")
	placeholder, after, ok := strings.Cut(rest, "`")
	if !ok {
		return "", usage
	}
	return placeholder, before + placeholder + after
}

// beside puts text beside left, in lines that are not too long; below it, where left is too long itself.
func beside(left, text string) string {
	if len(left)+2 > helpColumn {
		return left + "\n" + strings.Repeat(" ", helpColumn) + fold(text, helpColumn, helpWidth)
	}
	return left + strings.Repeat(" ", helpColumn-len(left)) + fold(text, helpColumn, helpWidth)
}

// fold breaks text between words, so that lines that begin at column end before width; a word that is too long stays whole.
// A width of 0 is any.
func fold(text string, column, width int) string {
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
