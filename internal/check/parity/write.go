package parity

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Write returns a manifest that requires what is in t, and nothing else: YAML, sorted.
func Write(t Tree) []byte {
	manifest := struct {
		Required  []string  `yaml:"required_keys"`
		Normalize *[]string `yaml:"normalize,omitempty,flow"`
	}{Required: make([]string, len(t.names))}
	f, seen := fold{true, true}, make(map[string]bool, len(t.names))
	for i, name := range t.names {
		manifest.Required[i] = escape(name)
		if seen[f.of(name)] {
			manifest.Normalize = &[]string{} // two names would be one key
		}
		seen[f.of(name)] = true
	}
	text, _ := yaml.Marshal(manifest) // texts always encode
	return fmt.Appendf(nil, "# The keys of %s.\n%s", shown(t.Label), text)
}
