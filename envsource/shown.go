package envsource

import (
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

func plain(c rune) bool { return unicode.IsPrint(c) }
