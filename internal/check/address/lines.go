package address

import (
	"fmt"
	"strings"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/pattern"
)

// What is set on a line, in most of the languages that set variables: shells, dotenv files, Make, YAML, JSON, Dockerfiles.
var (
	setting = pattern.Of(`\b(?:VAULT|BAO)_(ADDR|TOKEN|DEV_ROOT_TOKEN_ID|SKIP_VERIFY)["']?\s*(?:\?=|:=|=|:)\s*`)
	spaced  = pattern.Of(`^\s*ENV\s+(?:VAULT|BAO)_(ADDR|TOKEN|DEV_ROOT_TOKEN_ID|SKIP_VERIFY)\s+`)
	used    = pattern.Of(`(?:\$\{?|localEnv:|\.)$`) // what stands before a variable that is read
	named   = pattern.Of(`^[\s-]*name:\s*["']?(?:VAULT|BAO)_(ADDR|TOKEN|DEV_ROOT_TOKEN_ID|SKIP_VERIFY)["']?\s*$`)
	valued  = pattern.Of(`^\s*value:\s*`)
	flagged = pattern.Of(`\b(?:vault|bao|vwrap)\b.*?\s--?address[= ]`)
	image   = pattern.Of(`(?:\bimage["']?\s*:\s*|^\s*FROM\s+(?:--\S+\s+)?)["']?((?:[\w.-]+(?::\d+)?/)*(?:vault|openbao))(:[\w.-]+)?(@sha256:[0-9a-f]+)?["']?\s*(?:,|\s[Aa][Ss]\s.*)?(?:#.*)?$`)
	section = pattern.Of(`^\s*"(remoteEnv|containerEnv)"\s*:`)
	clear   = pattern.Of(`"([A-Za-z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|APIKEY|API_KEY|DB_PASS)[A-Za-z0-9_]*)"\s*:\s*"([^"]*)"`)
)

// lines looks at a file line by line.
func (l *look) lines(file, text string, k kind) {
	name, inEnv := "", false // of a Kubernetes variable whose value comes next; within remoteEnv
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "//") {
			continue
		}
		if m := named().FindStringSubmatch(line); m != nil {
			name = m[1]
			continue
		}
		if at := valued().FindStringIndex(line); name != "" && at != nil {
			l.set(file, i+1, at[1], name, line[at[1]:])
			name = ""
			continue
		}
		name = ""
		for _, m := range append(setting().FindAllStringSubmatchIndex(line, -1), spaced().FindAllStringSubmatchIndex(line, 1)...) {
			if strings.HasPrefix(line[m[1]:], "-") || used().MatchString(line[:m[0]]) {
				continue
			}
			l.set(file, i+1, m[1], line[m[2]:m[3]], line[m[1]:])
		}
		if at := flagged().FindStringIndex(line); at != nil {
			l.set(file, i+1, at[1], "ADDR", line[at[1]:])
		}
		l.image(file, i+1, line)
		if k == devcontainer {
			inEnv = section().MatchString(line) || inEnv && !strings.HasPrefix(strings.TrimSpace(line), "}")
			l.inClear(file, i+1, line, inEnv)
		}
	}
}

// set looks at what a variable is set to: rest is the line from there on.
func (l *look) set(file string, line, column int, variable, rest string) {
	l.seen[fmt.Sprintf("%s:%d", file, line)] = true
	l.value(file, line, column+1, variable, valueOf(rest))
}

// value looks at a variable's value.
func (l *look) value(file string, line, column int, variable, value string) {
	f := check.Finding{File: file, Line: line, Column: column}
	switch {
	case variable == "ADDR":
		if value != "" {
			l.at(file, line, column, value)
		}
		return
	case variable == "SKIP_VERIFY":
		if value == "" || value == "0" || strings.EqualFold(value, "false") || strings.Contains(value, "$") {
			return
		}
		f.Rule, f.Text, f.Mend = "skip-verify", "VAULT_SKIP_VERIFY: whoever is between here and Vault can read the token and every secret", "trust the server's CA: VAULT_CACERT"
	case literal(value) && (l.Tracked == nil || l.Tracked(file)):
		f.Rule, f.Text = "token-in-file", "a token stands in a file that git has"
		f.Mend = "take it out: vault login, or a token file; what was committed has to be revoked"
		if variable == "DEV_ROOT_TOKEN_ID" {
			f.Text, f.Mend = "the root token of a development Vault stands in a file that git has", "let it be random (vwrap dev), or fill it in from outside: ${VAULT_DEV_ROOT_TOKEN_ID:?}"
		}
	default:
		return
	}
	l.found = append(l.found, f)
}

// literal reports whether a value is written out, and neither a reference nor filled in.
func literal(value string) bool {
	return value != "" && !strings.ContainsAny(value, "$`") && !strings.Contains(value, "{{") && !strings.HasPrefix(value, "vault:") && value != "null"
}

// valueOf is the first word of rest, or what is between its quotes.
func valueOf(rest string) string {
	rest = strings.TrimSpace(rest)
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
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth <= 0 && strings.ContainsRune(" \t,;&|)\"'", c) {
			return rest[:i]
		}
	}
	return rest
}

// image looks for one of Vault or OpenBao without a version.
func (l *look) image(file string, line int, text string) {
	m := image().FindStringSubmatchIndex(text)
	if m == nil || m[6] >= 0 {
		return
	}
	name := text[m[2]:m[3]]
	if m[4] >= 0 && text[m[4]:m[5]] != ":latest" {
		return
	}
	l.found = append(l.found, check.Finding{
		Rule: "no-tag", Subject: name, File: file, Line: line, Column: m[2] + 1, Text: name + " without a version: it is another one tomorrow",
		Mend: "name one, such as " + name + ":1.21.1",
	})
}

// inClear looks for a secret in a dev container's environment: it lands in a label of the image.
func (l *look) inClear(file string, line int, text string, inEnv bool) {
	m := clear().FindStringSubmatchIndex(text)
	if m == nil || !inEnv {
		return
	}
	value := text[m[4]:m[5]]
	if value == "" || strings.HasPrefix(value, "vault:") || strings.HasPrefix(value, "${vault:") {
		return
	}
	name := text[m[2]:m[3]]
	l.found = append(l.found, check.Finding{
		Rule: "secret-in-clear", Subject: name, File: file, Line: line, Column: m[2] + 1,
		Text: name + " is handed into the container in clear, where docker inspect shows it",
		Mend: "write a reference (vault:PATH#FIELD), and start terminals by vwrap exec",
	})
}
