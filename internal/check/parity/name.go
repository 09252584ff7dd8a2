package parity

import (
	"strconv"
	"strings"
	"unicode"
)

// splitName takes a key's name apart: a secret's path below the one that is checked, and, after the first "#", a field of it.
// "\#" is a "#" of the name itself.
func splitName(text string) (secret, field string, hasField bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], `\#`):
			b.WriteByte('#')
			i++
		case text[i] == '#':
			return strings.Trim(b.String(), "/"), strings.ReplaceAll(text[i+1:], `\#`, "#"), true
		default:
			b.WriteByte(text[i])
		}
	}
	return strings.Trim(b.String(), "/"), "", false
}

func escape(part string) string { return strings.ReplaceAll(part, "#", `\#`) }

// fieldName is how a field of a secret is written; a secret without a name is the checked path itself.
func fieldName(secret, field string) string { return escape(secret) + "#" + escape(field) }

// shown is a name as it goes to a terminal: one that could move the cursor, or break a line, is quoted.
func shown(name string) string {
	if strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.Quote(name)
	}
	return name
}

// argument is a path as a shell takes it for one word.
func argument(path string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_./-", c)
	}
	if !strings.ContainsFunc(path, func(c rune) bool { return !plain(c) }) {
		return path
	}
	return "'" + strings.ReplaceAll(shown(path), "'", `'\''`) + "'"
}

// fold says in what two names may differ and still be one key.
type fold struct{ letters, separators bool }

var separators = strings.NewReplacer("-", "_", ".", "_")

// of is what every spelling of a name becomes.
func (f fold) of(name string) string {
	if f.letters {
		name = strings.ToUpper(name)
	}
	if f.separators {
		name = separators.Replace(name)
	}
	return name
}

// String says it in words, for a summary.
func (f fold) String() string {
	switch {
	case f.letters && f.separators:
		return "names compared in upper case, with - and . as _"
	case f.letters:
		return "names compared in upper case"
	case f.separators:
		return "names compared with - and . as _"
	}
	return "names compared as they are"
}
