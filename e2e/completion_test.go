package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// completed is the project in which TAB is pressed.
const completed = "version: 1\nenv: {FIRST_NAME: one, SECOND_NAME: two}\nprofiles: {staging: {env: {FIRST_NAME: three}}}\n"

// TestCompletion: a real shell in a real terminal, where somebody presses TAB.
func TestCompletion(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	for _, shell := range []struct {
		name string
		argv []string
		load string
	}{
		{"bash", []string{"bash", "--norc", "--noprofile", "-i"}, `eval "$(vwrap completion bash)"`},
		{"zsh", []string{"zsh", "-f", "-i"}, `autoload -Uz compinit; compinit -u -D; eval "$(vwrap completion zsh)"`},
		{"fish", []string{"fish", "--no-config", "-i"}, `vwrap completion fish | source`},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			project := filepath.Join(t.TempDir(), "vwrap.yaml")
			check(t, os.WriteFile(project, []byte(completed), 0o600))
			w := openTerminal(t, own, shell.argv, "PS1=ready> ", "TERM=xterm", "VWRAP_CONFIG="+project, "VWRAP_RUNTIME_DIR="+t.TempDir())
			w.press(shell.load + "; echo load''ed\r")
			w.expect(`loaded\r\n`)
			for _, tt := range []struct{ line, rest string }{ // what is typed, and what TAB adds
				{"vwrap stat", "us "},
				{"vwrap check add", "ress "},
				{"vwrap run --on-rot", "ate"},
				{"vwrap --on-rotate ov", "erlap "},
				{"vwrap --on-rotate=ov", "erlap "},
				{"vwrap -P sta", "ging "},
				{"vwrap --mask al", "ways "},
				{"vwrap install gro", "ups "},
				{"vwrap rotate SEC", "OND_NAME"},
				{"vwrap -e FIR", "ST_NAME="},
				{"vwrap --preserve-env FIRST_NAME,SEC", "OND_NAME"},
				{"vwrap --config gro", "ups "},
				{"vwrap completion zs", "h "},
				{"vwrap -P staging -- mkfif", "o "},
				{"vwrap -- cat gro", "ups "},
			} {
				w.press(tt.line + "\t")
				word := regexp.QuoteMeta(tt.line[strings.LastIndexByte(tt.line, ' ')+1:])
				rest := regexp.QuoteMeta(strings.TrimSuffix(tt.rest, " "))
				if strings.HasSuffix(tt.rest, " ") {
					rest += `(\x1b\[\d*m)* ` // zsh shows a space that it may take back in bold
				}
				w.expect(word + "(?s:.*)" + rest)
				w.press("\x15") // the line is taken back
			}
			w.press("exit 0\r")
			w.expectStatus(0)
		})
	}
}
