package export

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// JSON writes one object, in a line.
func JSON(variables map[string]string) (string, error) {
	separator := ""
	text, err := lines(variables, func(name, value string) (string, error) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return "", notText("JSON")
		}
		pair := separator + jsonString(name) + ":" + jsonString(value)
		separator = ","
		return pair, nil
	})
	if err != nil {
		return "", err
	}
	return "{" + text + "}\n", nil
}

// YAML writes a mapping, for readers of YAML 1.1 and 1.2.
func YAML(variables map[string]string) (string, error) {
	if len(variables) == 0 {
		return "{}\n", nil
	}
	return lines(variables, func(name, value string) (string, error) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return "", notText("YAML")
		}
		if !identifier().MatchString(name) || yamlWords[strings.ToLower(name)] {
			name = yamlString(name)
		}
		return name + ": " + yamlString(value) + "\n", nil
	})
}

// yamlWords are no strings in YAML (1.1, the types bool and null).
var yamlWords = map[string]bool{"y": true, "yes": true, "n": true, "no": true, "on": true, "off": true, "true": true, "false": true, "null": true}

// jsonString is text as a JSON string, without the escaping of <, > and &.
func jsonString(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// yamlString is text as a string of both: the characters that JSON takes as they are and YAML does not (YAML 1.2.2
// §5.1) are escaped too, and so is what YAML 1.1 takes for a line break or a byte order mark.
func yamlString(text string) string {
	var b strings.Builder
	for _, c := range jsonString(text) {
		switch {
		case c >= 0x7f && c <= 0x9f, c == 0xfeff, c == 0xfffe, c == 0xffff:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
