package headstart

import (
	"slices"
	"strings"
	"testing"
)

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		line, environ, files string
		want                 bool
	}{
		{"vwrap -e A=vault:a#b -- true", "", "", true},
		{"vwrap run --from secret/a -- true", "", "", true},
		{"vwrap --config=x.yaml -- true", "", "", true},
		{"vwrap dev -- true", "", "vwrap.yaml", true},
		{"vwrap -- true", "A=postgres://${vault:a#b}@db", "", true},
		{"vwrap -- true", "VWRAP_CONFIG=x.yaml", "", true},
		{"vwrap -- true", "VWRAP_CONFIG=", "", false},
		{"vwrap -- true", "", "../../vwrap.yaml ../../.git", true},
		{"vwrap -- true", "", "../vwrap.yaml .git", false},
		{"vwrap -- true", "", "", false},
		{"vwrap -- true vault:a#b", "", "", false},
		{"vwrap -e A=vault:a#b", "", "", false},
		{"vwrap -e A=vault:a#b --", "", "", false},
		{"-- vault:a#b", "", "", false},
		{"vwrap", "", "vwrap.yaml", false},
		{"vwrap plan -e A=vault:a#b -- true", "", "", false},
		{"vwrap exec -- true", "A=vault:a#b", "", false},
		{"vwrap __complete -- -e A=vault:", "", "vwrap.yaml", false},
		{"vwrap --once -e A=vault:a#b -- true", "", "", false},
		{"vwrap --preserve-fds=2 -e A=vault:a#b -- true", "", "", false},
		{"vwrap --mask always -e A=vault:a#b -- true", "", "", false},
		{"vwrap -e A=vault:a#b -- true", "VWRAP_MASK=always", "", false},
		{"vwrap -e A=vault:a#b -- true", "GODEBUG=http2debug=2", "", false},
		{"vwrap -e A=vault:a#b -- true", "VWRAP_ASIDE_GODEBUG=http2debug=2", "", true},
	} {
		files := strings.Fields(c.files)
		exists := func(path string) bool { return slices.Contains(files, path) }
		if got := wanted(strings.Fields(c.line), strings.Fields(c.environ), exists); got != c.want {
			t.Errorf("%s, with %q and %q: %t", c.line, c.environ, c.files, got)
		}
	}
}

func TestNothingIsStartedForATest(t *testing.T) {
	if c := Take(); c != nil {
		t.Errorf("%+v", c)
	}
}
