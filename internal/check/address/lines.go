package address

import (
	"fmt"
	"path"
	"sort"
	"strings"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/pattern"
)

// What is set on a line, in most of the languages that set variables: shells, dotenv files, Make, YAML, JSON, Dockerfiles.
var (
	setting = pattern.Of(`\b((?:VAULT|BAO)_(?:ADDR|TOKEN|DEV_ROOT_TOKEN_ID|SKIP_VERIFY))["']?\s*(?:\?=|:=|=|:)\s*`)
	spaced  = pattern.Of(`^\s*ENV\s+((?:VAULT|BAO)_(?:ADDR|TOKEN|DEV_ROOT_TOKEN_ID|SKIP_VERIFY))\s+`)
	used    = pattern.Of(`(?:\$\{?|localEnv:|\.)$`) // what stands before a variable that is read
	named   = pattern.Of(`^[\s-]*name:\s*["']?((?:VAULT|BAO)_(?:ADDR|TOKEN|DEV_ROOT_TOKEN_ID|SKIP_VERIFY))["']?\s*$`)
	valued  = pattern.Of(`^\s*value:\s*`)
	flagged = pattern.Of(`\b(?:vault|bao|vwrap)\b.*?\s--?address[= ]`)
	// Where tokens are written besides: a development server's flag, a header, anywhere by their look.
	rootFlag = pattern.Of(`-dev-root-token-id["']?[=,\s]\s*`)
	header   = pattern.Of(`X-Vault-Token["']?\s*[:=,]\s*`)
	issued   = pattern.Of(`\bhv[sbr]\.[A-Za-z0-9_-]{20,}`)
)

// longestValue is how much of a value is read, and longestBefore how much of what stands before a variable.
const (
	longestValue  = 1024
	longestBefore = 16
)

// file is one that is looked at line by line.
type file struct {
	name  string
	kind  kind
	lines []int // where they begin
}

func newFile(name, text string, k kind) *file {
	f := &file{name: name, kind: k, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f
}

// at is a finding at an offset.
func (f *file) at(offset int) check.Finding {
	line := sort.SearchInts(f.lines, offset+1)
	return check.Finding{File: f.name, Line: line, Column: offset - f.lines[line-1] + 1}
}

// ownMachine reports whether the commands of a file run on somebody's machine, or a job's, and not in a container.
func (f *file) ownMachine() bool {
	switch ext := path.Ext(f.name); {
	case f.kind == composeFile || f.kind == devcontainer || strings.Contains(f.name, "Dockerfile") || strings.Contains(f.name, "entrypoint"):
		return false
	case ext == ".yml" || ext == ".yaml":
		return strings.HasPrefix(f.name, ".github/") || ofGitLab().MatchString(f.name)
	}
	return true
}

// variable is one that is looked for: its name as it is written, and what it is of Vault's.
type variable struct{ name, kind string }

// variableOf is the variable of a name that has one of Vault's prefixes.
func variableOf(name string) variable {
	_, kind, _ := strings.Cut(name, "_")
	return variable{name, kind}
}

// lines looks at a file line by line.
func (l *look) lines(name, text string, k kind) {
	f := newFile(name, text, k)
	next := "" // a Kubernetes variable whose value comes
	for i, from := range f.lines {
		line, _, _ := strings.Cut(text[from:], "\n")
		line = strings.TrimSuffix(line, "\r")
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "//") {
			continue
		}
		if m := named().FindStringSubmatch(line); m != nil {
			next = m[1]
			continue
		}
		if at := valued().FindStringIndex(line); next != "" && at != nil {
			l.set(name, i+1, at[1], variableOf(next), line[at[1]:])
			next = ""
			continue
		}
		next = ""
		l.settings(name, i+1, line)
		l.images(f, from, line)
	}
	l.commands(f, text)
}

// settings looks at what a line sets.
func (l *look) settings(file string, number int, line string) {
	for _, m := range append(setting().FindAllStringSubmatchIndex(line, -1), spaced().FindAllStringSubmatchIndex(line, 1)...) {
		if strings.HasPrefix(line[m[1]:], "-") || used().MatchString(line[max(0, m[0]-longestBefore):m[0]]) {
			continue
		}
		l.set(file, number, m[1], variableOf(line[m[2]:m[3]]), line[m[1]:])
	}
	if at := flagged().FindStringIndex(line); at != nil {
		l.set(file, number, at[1], variable{"-address", "ADDR"}, line[at[1]:])
	}
	for _, at := range rootFlag().FindAllStringIndex(line, -1) {
		l.set(file, number, at[1], variable{"-dev-root-token-id", "DEV_ROOT_TOKEN_ID"}, line[at[1]:])
	}
	for _, at := range header().FindAllStringIndex(line, -1) {
		l.set(file, number, at[1], variable{"X-Vault-Token", "TOKEN"}, line[at[1]:])
	}
	for _, at := range issued().FindAllStringIndex(line, -1) {
		l.value(file, number, at[0]+1, variable{"", "TOKEN"}, line[at[0]:at[1]])
	}
}

// set looks at what a variable is set to: rest is the line from there on.
func (l *look) set(file string, line, column int, v variable, rest string) {
	l.seen[fmt.Sprintf("%s:%d", file, line)] = true
	l.value(file, line, column+1, v, valueOf(rest))
}

// value looks at a variable's value.
func (l *look) value(file string, line, column int, v variable, value string) {
	f := check.Finding{File: file, Line: line, Column: column}
	switch v.kind {
	case "ADDR":
		if value != "" {
			l.at(f, v.name, value)
		}
	case "SKIP_VERIFY":
		if value == "" || value == "0" || strings.EqualFold(value, "false") || strings.Contains(value, "$") {
			return
		}
		f.Rule, f.Text, f.Mend = "skip-verify", v.name+": whoever is between here and Vault can read the token and every secret", "trust the server's CA: VAULT_CACERT"
		l.tell(f)
	default:
		if literal(value) && (l.Tracked == nil || l.Tracked(file)) {
			l.token(f, v.kind == "DEV_ROOT_TOKEN_ID", value)
		}
	}
}

// token tells of one that is written out; root is a development server's. A token that stands in two ways at a place is one.
func (l *look) token(f check.Finding, root bool, value string) {
	for column := f.Column - 2; column <= f.Column+2; column++ {
		if l.seen[fmt.Sprintf("%s %s:%d:%d", tokenInFile, f.File, f.Line, column)] {
			return
		}
	}
	where := "in a file that git has"
	if l.Tracked == nil {
		where = "in a file"
	}
	f.Rule, f.Text = tokenInFile, "a token stands "+where
	f.Mend = "take it out: vault login, or a token file; what was committed has to be revoked"
	if root {
		f.Text, f.Mend = "the root token of a development Vault stands "+where, "let it be random (vwrap dev), or fill it in from outside: ${VAULT_DEV_ROOT_TOKEN_ID:?}"
	}
	l.tell(f)
}

const tokenInFile = "token-in-file"

// literal reports whether a value is written out, and neither a reference nor filled in.
func literal(value string) bool {
	return value != "" && !strings.ContainsAny(value, "$`<") && !strings.Contains(value, "{{") && !strings.HasPrefix(value, "vault:") && value != "null" && value != "-" && value != "..."
}

// valueOf is the first word of rest, or what is between its quotes. It ends where a list or a mapping around it does.
func valueOf(rest string) string {
	rest = strings.TrimSpace(rest[:min(len(rest), longestValue)])
	rest = strings.TrimPrefix(rest, `\`) // of a quote within a JSON text
	if rest == "" {
		return ""
	}
	if quote := rest[0]; quote == '"' || quote == '\'' {
		value, _, _ := strings.Cut(rest[1:], string(quote))
		return strings.TrimSuffix(value, `\`)
	}
	depth := 0
	for i, c := range rest {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth < 0 || depth == 0 && strings.ContainsRune(" \t,;&|)\"'", c) {
			return rest[:i]
		}
	}
	return rest
}
