package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// fix says what of a run is another in the next one, and what the picture has in its place.
type fix struct {
	what *regexp.Regexp // its first group
	as   []string       // the first that is met, the second that differs from it, and so on
}

// fixes are all that the picture changes: a run is drawn as it was but for these.
var fixes = []fix{
	{regexp.MustCompile(`(?:is at|Vault) http://127\.0\.0\.1:(\d+)`), []string{"8200"}},     // any free port
	{regexp.MustCompile(`listen: \[tcp 127\.0\.0\.1:(\d+)`), []string{"3000"}},              // likewise
	{regexp.MustCompile(`(?:server |served by |server \()(\d+)`), []string{"4711", "4724"}}, // PIDs
	{regexp.MustCompile(`vwrap (\d+): `), []string{"4702"}},                                 // likewise
	{regexp.MustCompile(`(?:API_KEY is|with) ([0-9a-f]{6})`), []string{"4e70f0"}},           // fingerprints of what was made up
	{regexp.MustCompile(`database's user ([0-9a-f]{6})`), []string{"babdf3", "c983b5"}},     // likewise
	{regexp.MustCompile(`, up (\S+)`), []string{"9s"}},                                      // times: of the run,
	{regexp.MustCompile(`lease +(\S+ +\S+ +renewed in \S+)`), []string{"██████████  59m55s  renewed in 40m12s"}},
	{regexp.MustCompile(`version 1( +looked at in \S+)`), []string{"                      looked at in 21s"}}, // and until what comes next
}

// settle applies the fixes.
func settle(seen []event) ([]event, error) {
	seen = slices.Clone(seen)
	for _, f := range fixes {
		var met []string
		for i := range seen {
			text, err := f.apply(seen[i].text, &met)
			if err != nil {
				return nil, err
			}
			seen[i].text = text
		}
		if len(met) != len(f.as) {
			return nil, fmt.Errorf("settle %s: %d differ, %d should", f.what, len(met), len(f.as))
		}
	}
	return seen, nil
}

func (f fix) apply(text string, met *[]string) (string, error) {
	var out strings.Builder
	from := 0
	for _, m := range f.what.FindAllStringSubmatchIndex(text, -1) {
		was := text[m[2]:m[3]]
		n := slices.Index(*met, was)
		if n < 0 {
			n, *met = len(*met), append(*met, was)
		}
		if n >= len(f.as) {
			return "", fmt.Errorf("settle %s: more than %d differ", f.what, len(f.as))
		}
		out.WriteString(text[from:m[2]] + f.as[n])
		from = m[3]
	}
	return out.String() + text[from:], nil
}
