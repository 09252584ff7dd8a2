package config

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Profiles are the names of the profiles in the file at path; none where it cannot be read: who asks completes a word,
// and the command itself says what is wrong.
func Profiles(path string) []string {
	text, err := read(path)
	if err != nil {
		return nil
	}
	var file struct {
		Profiles map[string]yaml.Node `yaml:"profiles"`
	}
	if yaml.Unmarshal(text, &file) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(file.Profiles))
}

// Names are those of the variables that c sets.
func (c Config) Names() []string {
	var names []string
	for _, e := range c.Env {
		names = append(names, e.Name)
	}
	for _, s := range c.Secrets {
		for _, b := range s.Env {
			names = append(names, b.Var)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
