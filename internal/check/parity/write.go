package parity

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/pattern"
)

// plain is a name that YAML reads back as it is without quotes, but for the words.
var (
	plain = pattern.Of(`^[A-Za-z][A-Za-z0-9_/.-]*$`)
	words = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)

// Write returns a manifest that requires what is in t, and nothing else: YAML, sorted.
func Write(t Tree) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The keys of %s.\nrequired_keys:", shown(t.Label))
	if len(t.names) == 0 {
		b.WriteString(" []")
	}
	b.WriteString("\n")
	f, seen, clash := fold{true, true}, make(map[string]bool, len(t.names)), false
	for _, name := range t.names {
		clash = clash || seen[f.of(name)]
		seen[f.of(name)] = true
		text := []byte(escape(name) + "\n")
		if !plain().MatchString(name) || slices.Contains(words, strings.ToLower(name)) {
			text, _ = yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: escape(name)}) // it always encodes
		}
		b.WriteString("  - ")
		b.Write(text)
	}
	if clash { // two names would be one key
		b.WriteString("normalize: []\n")
	}
	return b.Bytes()
}
