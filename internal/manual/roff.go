package manual

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Roff is the manual page, in the language of man(7): the program's own page, those of its commands, and what is true for all.
func Roff(version, summary string, program Page, commands []Page, more []Section) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s\" \"User Commands\"\n", strings.ToUpper(program.Name), escape(program.Name+" "+version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(program.Name), escape(summary))
	b.WriteString(".SH SYNOPSIS\n")
	synopsis(&b, program.Synopsis)
	for _, c := range commands {
		b.WriteString(".br\n")
		synopsis(&b, c.Synopsis)
	}
	b.WriteString(".SH DESCRIPTION\n")
	paragraphs(&b, program.About)
	b.WriteString(".SH OPTIONS\n")
	groups(&b, program.Groups)
	b.WriteString(".SH COMMANDS\n")
	for _, c := range commands {
		fmt.Fprintf(&b, ".SS %s\n", escape(c.Name))
		paragraphs(&b, c.About)
		groups(&b, c.Groups)
		examples(&b, c.Examples)
	}
	for _, s := range more {
		fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(s.Title))
		paragraphs(&b, s.About)
		for _, e := range s.Entries {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", escape(e.Name), escape(e.Text))
		}
	}
	b.WriteString(".SH EXAMPLES\n")
	examples(&b, program.Examples)
	return b.String()
}

// synopsis sets the program's name, and its command's, in bold.
func synopsis(b *strings.Builder, line string) {
	words := strings.Fields(line)
	n := 0
	for n < len(words) && !strings.ContainsAny(words[n][:1], "[-") && strings.ToUpper(words[n]) != words[n] && !strings.Contains(words[n], "|") {
		n++
	}
	fmt.Fprintf(b, "\\fB%s\\fR %s\n", escape(strings.Join(words[:n], " ")), escape(strings.Join(words[n:], " ")))
}

// paragraphs sets text; what is indented in it stays as it is.
func paragraphs(b *strings.Builder, text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if paragraph == "" {
			continue
		}
		if strings.HasPrefix(paragraph, "  ") {
			fmt.Fprintf(b, ".PP\n.nf\n.RS 4\n%s\n.RE\n.fi\n", escape(strings.ReplaceAll(strings.TrimPrefix(paragraph, "  "), "\n  ", "\n")))
			continue
		}
		fmt.Fprintf(b, ".PP\n%s\n", escape(paragraph))
	}
}

func groups(b *strings.Builder, all []Group) {
	for _, g := range all {
		if len(all) > 1 {
			fmt.Fprintf(b, ".PP\n%s:\n", escape(g.Title))
		}
		for _, flag := range g.Flags {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", escape(strings.TrimSpace(flag.Name)), escape(flag.Text))
		}
	}
}

func examples(b *strings.Builder, all []Entry) {
	for _, e := range all {
		fmt.Fprintf(b, ".PP\n%s:\n.PP\n.nf\n.RS 4\n%s\n.RE\n.fi\n", escape(e.Text), escape(e.Name))
	}
}

// escape keeps text from being taken for requests: groff_char(7).
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	var b strings.Builder
	for _, r := range strings.Join(lines, "\n") {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}
