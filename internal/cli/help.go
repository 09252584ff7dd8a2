package cli

import (
	"cmp"
	"slices"
	"strings"

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
	indent := "\n" + strings.Repeat(" ", helpColumn)
	var b strings.Builder
	b.WriteString(left)
	column := len(left)
	if column+2 <= helpColumn {
		b.WriteString(indent[1+column:])
	} else {
		b.WriteString(indent)
	}
	column = helpColumn
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > helpWidth:
			b.WriteString(indent)
			column = helpColumn
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
