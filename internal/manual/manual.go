// Package manual is vwrap's help: the same pages as text for a terminal of 80 columns, and as a manual page.
package manual

// Page is about one command.
type Page struct {
	Name     string // as it is typed: vwrap check ttl
	Synopsis string // the whole line, with what may stand there
	About    string // lines of at most 80 columns, with empty ones between paragraphs; what is indented is shown as it is
	Commands []Entry
	Groups   []Group
	Examples []Entry // the line, and what it does
}

// Entry is a name or a line, and what it means.
type Entry struct{ Name, Text string }

// Group is flags that belong together.
type Group struct {
	Title string
	Flags []Entry // as help shows them: "  -e, --env NAME=VALUE"
}

// Section is one of the manual page's that is not about a command.
type Section struct {
	Title   string
	About   string // as a page's
	Entries []Entry
}
