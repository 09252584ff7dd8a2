package cli

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// dispatched is a command line's outcome: the command, and what it was given.
type dispatched struct {
	command, text string
	set           bool
	all, args     []string
}

// tryDispatch reads a command line of two commands.
func tryDispatch(t *testing.T, args ...string) (got dispatched, out string, err error) {
	t.Helper()
	flags := func() []cli.Flag {
		return []cli.Flag{
			&cli.StringFlag{Name: "profile", Aliases: []string{"P"}, EnvVars: []string{"VWRAP_TEST_PROFILE"}},
			repeatable{&cli.StringFlag{Name: "env", Aliases: []string{"e"}, EnvVars: []string{"VWRAP_TEST_ENV"}}},
		}
	}
	act := func(c *cli.Context) error {
		got = dispatched{command: c.Command.Name, text: c.String("profile"), set: c.IsSet("profile"), args: c.Args().Slice()}
		got.all = given(c, "env")
		return nil
	}
	var w strings.Builder
	app := &cli.App{
		Name: "vwrap", UsageText: "vwrap [flags]", Flags: flags(), Action: act, Writer: &w,
	}
	commands := func() []*cli.Command {
		all := []*cli.Command{{Name: "check", UsageText: "vwrap check NAME", Action: act, Subcommands: []*cli.Command{{Name: "ttl", UsageText: "vwrap check ttl", Flags: flags(), Action: act}}}}
		call(app.Name, all)
		return all
	}
	err = dispatch(app, commands, args)
	return got, w.String(), err
}

func TestDispatch(t *testing.T) {
	t.Setenv("VWRAP_TEST_ENV", "A=a,b")
	for _, c := range []struct {
		line string
		want dispatched
	}{
		{"", dispatched{command: "vwrap", all: []string{"A=a,b"}}},
		{"-P ci x -y", dispatched{command: "vwrap", text: "ci", set: true, all: []string{"A=a,b"}, args: []string{"x", "-y"}}},
		{"-e A=1,2 --env B=", dispatched{command: "vwrap", all: []string{"A=1,2", "B="}}},
		{"check other", dispatched{command: "check", all: []string{"A=a,b"}, args: []string{"other"}}},
		{"check ttl --profile=ci -P ci", dispatched{command: "ttl", text: "ci", set: true, all: []string{"A=a,b"}}},
	} {
		got, _, err := tryDispatch(t, strings.Fields(c.line)...)
		if err != nil || got.command != c.want.command || got.text != c.want.text || got.set != c.want.set ||
			!slices.Equal(got.all, c.want.all) || !slices.Equal(got.args, c.want.args) {
			t.Errorf("%q: %+v (%v), want %+v", c.line, got, err, c.want)
		}
	}
}

func TestDispatchRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"--profil ci":          "unknown flag --profil (did you mean --profile?)",
		"check ttl -x":         "unknown flag -x (vwrap check ttl --help shows those that there are)",
		"check ttl --profile":  "--profile needs a value",
		"check ttl -P":         "-P needs a value",
		"-P a --profile b":     "are one flag, and were given two values",
		"check ttl --profile=": "",
	} {
		if _, _, err := tryDispatch(t, strings.Fields(line)...); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
}

func TestDispatchShowsHelp(t *testing.T) {
	for line, want := range map[string]string{"--help": "vwrap [flags]", "check -h": "vwrap check", "check ttl --profile a --help": "vwrap check ttl"} {
		got, out, err := tryDispatch(t, strings.Fields(line)...)
		if err != nil || got.command != "" || !strings.HasPrefix(out, "Usage: "+want) {
			t.Errorf("%q: %q (%v), and does %q", line, out, err, got.command)
		}
	}
	broken := errors.New("full")
	if err := printPage(failing{broken}, appPage(&cli.App{Name: "vwrap"})); !errors.Is(err, broken) {
		t.Errorf("what cannot be printed: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
