package cli

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/manual"
)

// printPage prints a page.
func printPage(w io.Writer, page manual.Page) error {
	_, err := io.WriteString(w, page.Text())
	return err
}

func appPage(app *cli.App) manual.Page {
	return manual.Page{
		Name: app.Name, Synopsis: app.UsageText, About: app.Description,
		Commands: commandEntries(app.Commands), Groups: flagGroups(app.Flags), Examples: examples(app.Name),
	}
}

func commandPage(c *cli.Command) manual.Page {
	return manual.Page{
		Name: c.HelpName, Synopsis: c.UsageText, About: c.Description,
		Commands: commandEntries(c.Subcommands), Groups: flagGroups(c.Flags), Examples: examples(c.HelpName),
	}
}

func commandEntries(all []*cli.Command) (entries []manual.Entry) {
	for _, c := range all {
		entries = append(entries, manual.Entry{Name: c.Name, Text: c.Usage})
	}
	return entries
}

// group is the title that a flag stands under, in every command that has it.
func group(flag string) string {
	switch flag {
	case "env", "from", "config", "profile", "preserve-env":
		return "Secrets"
	case "address", "start-timeout", "no-revoke":
		return "Vault"
	case "on-rotate", "signal", "stop-signal", "stop-grace":
		return "Rotation"
	case "once", "pristine", "signal-rewrite", "signal-child-only", "kill-stragglers", "preserve-fds", "allow-core-dumps":
		return "The command"
	case "mask", "log-level", "log-format", "quiet":
		return "Output"
	}
	return "Flags"
}

// flagGroups are all that can be seen of flags, in the order in which their groups come first.
func flagGroups(flags []cli.Flag) (groups []manual.Group) {
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if visible, can := f.(cli.VisibleFlag); !ok || can && !visible.IsVisible() || f.Names()[0] == "help" { // which not all have yet
			continue
		}
		title := group(f.Names()[0])
		at := slices.IndexFunc(groups, func(g manual.Group) bool { return g.Title == title })
		if at < 0 {
			at = len(groups)
			groups = append(groups, manual.Group{Title: title})
		}
		groups[at].Flags = append(groups[at].Flags, flagEntry(doc, f.Names()))
	}
	help := manual.Entry{Name: "  -h, --help", Text: "show help"}
	for _, title := range []string{"Output", "Flags"} {
		if at := slices.IndexFunc(groups, func(g manual.Group) bool { return g.Title == title }); at >= 0 {
			groups[at].Flags = append(groups[at].Flags, help)
			return groups
		}
	}
	return append(groups, manual.Group{Title: "Flags", Flags: []manual.Entry{help}})
}

// flagEntry is a flag with its short name, its value's name and its default.
func flagEntry(doc cli.DocGenerationFlag, names []string) manual.Entry {
	placeholder, text := unquote(doc.GetUsage())
	if d := doc.GetDefaultText(); !slices.Contains([]string{"", "false", "0", "0s"}, d) {
		text += " (default " + d + ")"
	}
	left := "      --" + names[0]
	if len(names) > 1 {
		left = "  -" + names[1] + ", --" + names[0]
	}
	switch {
	case strings.HasPrefix(placeholder, "="):
		left += "[" + placeholder + "]"
	case doc.TakesValue():
		left += " " + cmp.Or(placeholder, "VALUE")
	}
	return manual.Entry{Name: left, Text: text}
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
