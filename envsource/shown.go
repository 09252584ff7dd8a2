package envsource

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shown is text of a server's, or of somebody who can write there, as a part of a line for a person: what would end the line, move the
// cursor, or have it read from right to left is escaped as in Go (\n, \x1b, \u202e).
func Shown(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, func(c rune) bool { return !plain(c) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		if plain(c) {
			b.WriteRune(c)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRune(c), "'"))
	}
	return b.String()
}

// What is shown of many names, and of a long text (in bytes).
const (
	fewNames = 20
	longText = 200
)

// cut is as much of text as a line has place for; curt is Shown of that.
func cut(text string) string {
	if len(text) > longText {
		return strings.ToValidUTF8(text[:longText], "") + "…"
	}
	return text
}

func curt(text string) string { return Shown(cut(text)) }

// few are names for a line: the first ones, and how many more there are.
func few(names []string) string {
	first, more := names, ""
	if n := len(names) - fewNames; n > 0 {
		first, more = names[:fewNames], fmt.Sprintf(", and %d more", n)
	}
	return strings.Join(first, ", ") + more
}

// firstOf are lines, or, where they are many, the first ones and one that says of what how many more there are.
func firstOf(lines []string, what string) []string {
	if n := len(lines) - fewNames; n > 0 {
		return append(lines[:fewNames:fewNames], fmt.Sprintf("%s: and %d more like these", what, n))
	}
	return lines
}

func plain(c rune) bool { return unicode.IsPrint(c) }
