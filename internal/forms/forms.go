// Package forms knows the ways in which a text is written down: by encoders, by shells, in databases.
package forms

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Form is one way in which a value is written down.
type Form struct {
	As   string // how it is told: "as base64"; "" for the value as it is
	Text string
}

// Of are the ways in which a value may be written down, each text once, the plainest first.
func Of(value string) []Form {
	var all []Form
	seen := map[string]bool{}
	add := func(as string, texts ...string) {
		for _, t := range texts {
			if t != "" && !seen[t] {
				seen[t] = true
				all = append(all, Form{as, t})
			}
		}
	}
	add("", value)
	add("in part (a line of it)", longestLine(value))
	add("as base64", base64Forms(value)...)
	add("as hex", hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))))
	add("URL-escaped", urlForms(value)...)
	add("JSON-escaped", jsonForms(value)...)
	add("shell-escaped", shellForms(value)...)
	add("with its quotes doubled", strings.ReplaceAll(value, "'", "''")) // YAML, SQL
	add("as UTF-16", utf16Form(value))
	return all
}

// shortestLine is what a line needs that stands for all of a value.
const shortestLine = 16

// longestLine finds a key that was indented, or has got the line ends of another system. "" is for a value of one line, and
// where the lines are short or say nothing.
func longestLine(value string) string {
	longest := ""
	if !strings.Contains(value, "\n") {
		return ""
	}
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(line)
		if len(line) > len(longest) && !strings.HasPrefix(line, "-----") {
			longest = line
		}
	}
	if len(longest) < shortestLine {
		return ""
	}
	return longest
}

// base64Forms are what of the encoded value does not depend on what stands before and after it: for the three places where
// the value may begin in a group of three bytes.
func base64Forms(value string) []string {
	var all []string
	for before := range 3 {
		padded := []byte(strings.Repeat("\x00", before) + value)
		from, to := (before*8+5)/6, len(padded)*8/6
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, e.EncodeToString(padded)[from:to])
		}
	}
	return all
}

// What encoders leave as it is beside letters and digits.
var urlSafe = []struct {
	kept string
	plus bool // a space is a plus
}{
	{"-_.~", false},
	{"-_.~", true},                  // Go's QueryEscape, Python's quote_plus
	{"-_.*", true},                  // HTML forms, Java
	{"-_.~/", false},                // Python's quote
	{"-_.~!'()*", false},            // encodeURIComponent
	{"-_.~!'()*;/?:@&=+$,#", false}, // encodeURI
	{"-_.~$&+=:@", false},           // Go's PathEscape
	{"-_.~$&+,/:;=@", false},        // Go's paths
	{"-_.~$&+,;=", false},           // Go's user information
	{"-_.~!$&'()*+,;=:@", false},    // all that RFC 3986 lets stand in a segment
}

func urlForms(value string) []string {
	var all []string
	for _, s := range urlSafe {
		for _, verb := range []string{"%%%02X", "%%%02x"} {
			all = append(all, escapeBytes(value, func(b *strings.Builder, c byte) {
				switch {
				case alphanumeric(c), strings.IndexByte(s.kept, c) >= 0:
					b.WriteByte(c)
				case c == ' ' && s.plus:
					b.WriteByte('+')
				default:
					fmt.Fprintf(b, verb, c)
				}
			}))
		}
	}
	return all
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func escapeBytes(value string, escape func(*strings.Builder, byte)) string {
	var b strings.Builder
	for i := range len(value) {
		escape(&b, value[i])
	}
	return b.String()
}

// What encoders of JSON escape that they need not.
var jsonEscapes = []struct {
	coded string // as \u
	slash bool   // as \/
	ascii bool   // all but ASCII as \u
}{
	{"", false, false},                // JavaScript
	{"\u2028\u2029", false, false},    // Go without HTML
	{"<>&\u2028\u2029", false, false}, // Go
	{"\x7f", false, true},             // Python
	{"", false, true},
	{"", true, true},                    // PHP
	{"", true, false},                   // PHP without Unicode
	{"<>&='\u2028\u2029", false, false}, // Gson
	{"\"<>&'+`\x7f", false, true},       // .NET
}

func jsonForms(value string) []string {
	if !utf8.ValidString(value) {
		return nil // JSON has no bytes: no two encoders agree
	}
	var all []string
	for _, e := range jsonEscapes {
		for _, verb := range []string{`\u%04x`, `\u%04X`} {
			var b strings.Builder
			for _, r := range value {
				switch {
				case strings.ContainsRune(e.coded, r), e.ascii && r >= utf8.RuneSelf:
					for _, unit := range utf16.Encode([]rune{r}) {
						fmt.Fprintf(&b, verb, unit)
					}
				case r == '/' && e.slash, r == '"', r == '\\':
					b.WriteString(`\` + string(r))
				case r < ' ' && strings.ContainsRune("\b\f\n\r\t", r):
					b.WriteString(map[rune]string{'\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}[r])
				case r < ' ':
					fmt.Fprintf(&b, verb, r)
				default:
					b.WriteRune(r)
				}
			}
			all = append(all, b.String())
		}
	}
	return all
}

// The bytes that bash puts a backslash before: `printf %q` of today, and of the versions that left the comma.
var backslashed = []string{" \t\"'\\|&;()<>!{}*[]?^$`,", " \t\"'\\|&;()<>!{}*[]?^$`"}

func shellForms(value string) []string {
	all := []string{
		strings.ReplaceAll(value, "'", `'\''`),
		strings.ReplaceAll(value, "'", `'"'"'`), // Python's shlex
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value),
	}
	for _, set := range backslashed {
		text := escapeBytes(value, func(b *strings.Builder, c byte) {
			if strings.IndexByte(set, c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		})
		if value[0] == '~' || value[0] == '#' {
			text = `\` + text
		}
		all = append(all, text)
	}
	return append(all, dollarQuoted(value, false), dollarQuoted(value, true))
}

// dollarQuoted is what stands in bash's $'…'; octal is for a shell whose locale is ASCII.
func dollarQuoted(value string, octal bool) string {
	named := map[byte]string{
		'\a': `\a`, '\b': `\b`, 0x1b: `\E`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\v': `\v`, '\\': `\\`, '\'': `\'`,
	}
	return escapeBytes(value, func(b *strings.Builder, c byte) {
		name, ok := named[c]
		switch {
		case ok:
			b.WriteString(name)
		case c < ' ', c == 0x7f, c >= utf8.RuneSelf && octal:
			fmt.Fprintf(b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	})
}

// utf16Form is the value as Windows writes it.
func utf16Form(value string) string {
	if !utf8.ValidString(value) {
		return ""
	}
	var b []byte
	for _, unit := range utf16.Encode([]rune(value)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}
