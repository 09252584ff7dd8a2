package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"
)

// dispatch does what cli.App's Run would: it finds the command that args name, reads the flags of each command on the
// way, and acts. Run would bring along the library's own help, which is written in text/template, and for that a
// seventh of the binary: docs/decisions/0013-dispatch.md. commands makes those of app, which has none yet, once one of
// them may be meant: what runs a command does not wait for them.
func dispatch(app *cli.App, commands func() []*cli.Command, args []string) error {
	command := &cli.Command{Name: app.Name, Flags: app.Flags, Action: app.Action}
	var c *cli.Context
	for {
		set, err := parseFlags(command, args)
		c = cli.NewContext(app, set, c)
		c.Command = command
		if app.Commands == nil && (c.Args().Present() || errors.Is(err, flag.ErrHelp)) {
			app.Commands = commands()
			command.Subcommands = app.Commands
		}
		switch {
		case errors.Is(err, flag.ErrHelp) && command.HelpName == "":
			return printPage(app.Writer, appPage(app))
		case errors.Is(err, flag.ErrHelp):
			return printPage(app.Writer, commandPage(command))
		case err != nil:
			return usageError(command, err)
		}
		next := command.Command(c.Args().First())
		if next == nil {
			return command.Action(c)
		}
		command, args = next, c.Args().Tail()
	}
}

// parseFlags reads the flags that args begin with. The error wraps flag.ErrHelp where help is asked for.
func parseFlags(command *cli.Command, args []string) (*flag.FlagSet, error) {
	set := flag.NewFlagSet(command.Name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	for _, f := range command.Flags {
		if err := f.Apply(set); err != nil {
			return set, err
		}
	}
	if err := set.Parse(args); err != nil {
		return set, err
	}
	return set, shareValues(set, command.Flags)
}

// shareValues gives every name of a flag the value that one of them was given.
func shareValues(set *flag.FlagSet, flags []cli.Flag) error {
	var given []*flag.Flag
	set.Visit(func(f *flag.Flag) { given = append(given, f) })
	for _, g := range given {
		of := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), g.Name) })
		for _, name := range flags[of].Names() {
			other := set.Lookup(name)
			if other.Value == g.Value { // those that are repeated have one for all names
				continue
			}
			if slices.Contains(given, other) && other.Value.String() != g.Value.String() {
				return fmt.Errorf("%s and %s are one flag, and were given two values", dashed(g.Name), dashed(name))
			}
			if err := set.Set(name, g.Value.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// dashed is a flag as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
