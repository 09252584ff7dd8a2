package export

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/vwrap/vwrap/internal/pattern"
)

var errDisputed = errors.New("readers of dotenv files do not read this value alike (vwrap's docs/export.md says which): take another format, or ${vault:PATH#FIELD | base64}")

// Dotenv writes a dotenv file. A value that its readers would read differently is an error.
func Dotenv(variables map[string]string) (string, error) {
	return lines(variables, func(name, value string) (string, error) {
		if !identifier().MatchString(name) {
			return "", badName("letters, digits and _")
		}
		quoted, ok := agreed(value)
		if !ok {
			return "", errDisputed
		}
		return name + "=" + quoted + "\n", nil
	})
}

// DotenvAnyway is Dotenv for who has to have an answer: what readers dispute is written as most of them read it, and
// a variable whose name none could read is left out.
func DotenvAnyway(variables map[string]string) string {
	text, _ := lines(variables, func(name, value string) (string, error) {
		if !dotted().MatchString(name) {
			return "", nil
		}
		quoted, ok := agreed(value)
		switch {
		case ok:
		case strings.HasSuffix(value, `\`) && bare().MatchString(value): // quoted, it would swallow what comes after it
			quoted = value
		case strings.Contains(value, "'"):
			quoted = `"` + escaped.Replace(value) + `"`
		}
		return name + "=" + quoted + "\n", nil
	})
	return text
}

var (
	bare    = pattern.Of("\\A[^\\s'\"`#$]+\\z")
	escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\r", `\r`)
)

// agreed quotes value as all readers read it: Node's own and its dotenv, those of Ruby, Python, Go and Docker Compose,
// and a shell. Between single quotes nothing has a meaning to them, but that
//
//   - a backslash before the closing quote escapes it for most, and Python's undoes doubled ones;
//   - Python's fills in ${NAME} everywhere;
//   - a CR is a LF to Node's dotenv and Ruby's.
//
// What has a single quote in it has to stand between double ones, where each has escapes of its own: only what
// is free of them is agreed on. With ok false quoted is the better try.
func agreed(value string) (quoted string, ok bool) {
	plain := utf8.ValidString(value) && !strings.Contains(value, "\r") && !strings.Contains(value, "${")
	if !strings.Contains(value, "'") {
		return "'" + value + "'", plain && !strings.Contains(value, `\\`) && !strings.HasSuffix(value, `\`)
	}
	return `"` + value + `"`, plain && !strings.ContainsAny(value, "\"\\$`")
}
