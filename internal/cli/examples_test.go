package cli

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestExamples: what help shows as examples is taken by the command line as it is.
func TestExamples(t *testing.T) {
	names := []string{"vwrap"}
	for _, c := range newCommands(&invocation{}) {
		names = append(names, "vwrap "+c.Name)
		for _, below := range c.Subcommands {
			names = append(names, "vwrap "+c.Name+" "+below.Name)
		}
	}
	seen := 0
	for _, name := range names {
		for _, e := range examples(name) {
			seen++
			line := strings.TrimSuffix(strings.TrimPrefix(e.Name, `eval "$(`), `)"`)
			line, _, _ = strings.Cut(line, " | ")
			own, command, _ := split(strings.Fields(line))
			reached := false
			app := newApp(&invocation{})
			app.Action = func(*cli.Context) error { reached = true; return nil }
			commands := newCommands(&invocation{})
			for _, c := range commands {
				only(c, func(*cli.Context) error { reached = true; return nil })
			}
			if err := dispatch(app, func() []*cli.Command { return commands }, own[1:]); err != nil || !reached || !strings.HasPrefix(line, name) {
				t.Errorf("%s, of %s: a command is reached: %t (%v)", e.Name, name, reached, err)
			}
			if strings.Contains(line, " -- ") && len(command) == 0 {
				t.Errorf("%s: there is no command", e.Name)
			}
		}
	}
	if seen < 20 {
		t.Errorf("there are %d examples", seen)
	}
}

// only has c and what is below it do nothing but action.
func only(c *cli.Command, action cli.ActionFunc) {
	c.Action = action
	for _, below := range c.Subcommands {
		only(below, action)
	}
}
