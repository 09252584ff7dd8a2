// Package cli is vwrap's command line: flags in, calls out. A file a command.
package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/headstart"
	"github.com/vwrap/vwrap/internal/mask"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/spell"
	"github.com/vwrap/vwrap/signals"
)

// Main runs vwrap with argv (argv[0] included) and returns its exit status.
func Main(argv []string) int {
	if len(argv) == 2 && argv[1] == courier.Hidden {
		return courier.Serve(vault.Rehearse, open)
	}
	if len(argv) == 2 && argv[1] == devHost {
		return serveDev()
	}
	if len(argv) == 2 && argv[1] == mask.Hidden {
		return mask.Serve()
	}
	putAside(argv)
	if len(argv) > 1 && argv[1] == completer {
		return serveCompletion(argv[2:])
	}
	if len(argv) == 1 && proc.IsTerminal(2) {
		_, _ = io.WriteString(proc.Stderr{}, welcome)
		return courier.StatusFailed // there is no command to run
	}
	own, command, dashes := split(argv)
	i := &invocation{command: command, dashes: dashes}
	status := i.do(own)
	if i.dieOf != 0 {
		signals.DieOf(i.dieOf)
	}
	return status
}

// ownLine is where the app keeps vwrap's own part of the command line.
const ownLine = "line"

// do parses own and does it.
func (i *invocation) do(own []string) int {
	if started := headstart.Take(); started != nil {
		children, process := proc.Adopt(started.PID)
		defer children.Close()
		i.launcher = &courier.Launcher{Self: self(), Children: children}
		i.launcher.Adopt(started, process)
		defer i.launcher.Close()
	}
	app := newApp(i)
	app.Metadata = map[string]any{ownLine: own}
	if err := dispatch(app, func() []*cli.Command { return newCommands(i) }, own[1:]); err != nil {
		complain(proc.Stderr{}, plain(err))
		if len(own) > 1 && own[1] == "check" {
			return checkUnknown // also where the command line is wrong
		}
		return cmp.Or(i.status, courier.StatusFailed)
	}
	return i.status
}

// invocation is what the command line said besides flags, and what came of it.
type invocation struct {
	command []string // after the first "--": the command's exact argv
	dashes  bool     // there was a "--"
	status  int
	dieOf   unix.Signal // that ended the command, so that vwrap is to end by it too

	launcher *courier.Launcher // where a command is to be supervised; its first courier comes up meanwhile
}

// split cuts argv at the first "--". What follows is the command's, and no flag parser ever sees it.
func split(argv []string) (own, command []string, dashes bool) {
	if i := slices.Index(argv, "--"); i >= 0 {
		return argv[:i], argv[i+1:], true
	}
	return argv, nil, false
}

// complain writes err for a person, a line each.
func complain(w io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(w, "vwrap: %s\n", printable(line))
	}
}

// welcome is for who types nothing but vwrap.
const welcome = `vwrap runs a command with secrets from Vault or OpenBao in its environment.
Begin with "vwrap init", then "vwrap -- CMD"; without Vault "vwrap dev -- CMD".
"vwrap doctor" tells what is missing here, "vwrap --help" the rest.
`

// about is what vwrap is, in the words of its help.
const about = `Run CMD with short-lived secrets from Vault or OpenBao in its environment, keep
them alive, and restart or tell CMD when one changes:

  vwrap -e 'DB_PASSWORD=vault:database/creds/app#password' -- npm start

What to fetch may stand in the nearest vwrap.yaml. Each flag has a twin in the
environment: VWRAP_STOP_GRACE is --stop-grace. The exit status is CMD's, or 125
where vwrap fails, 126 and 127 where CMD cannot be executed or found.`

// newApp is vwrap's command line, without its commands.
func newApp(i *invocation) *cli.App {
	return &cli.App{
		Name:        "vwrap",
		UsageText:   "vwrap [flags] -- CMD [ARG...]",
		Description: about,
		Flags:       runFlags(),
		Action:      func(c *cli.Context) error { return i.run(c) },
		Writer:      os.Stdout,
	}
}

// newCommands are its commands.
func newCommands(i *invocation) []*cli.Command {
	all := []*cli.Command{
		{
			Name: "run", Usage: "run a command with secrets (the same as vwrap alone)", UsageText: "vwrap run [flags] -- CMD [ARG...]",
			Description: about,
			Flags:       runFlags(), Action: func(c *cli.Context) error { return i.run(c) },
		},
		devCommand(i),
		checkCommand(i),
		{
			Name: "exec", Usage: "run a command with the values that the vwrap that runs here has now", UsageText: "vwrap exec [--pid N] -- CMD [ARG...]",
			Description: "Become CMD, with the values that the vwrap that runs here has now: for terminals\nthat it did not start, as those of a dev container. That vwrap needs a live\nchannel: live: true in its vwrap.yaml, and live_users where another user runs\nthis.",
			Flags:       []cli.Flag{pidFlag()}, Action: func(c *cli.Context) error { return i.exec(c) },
		},
		{
			Name: "status", Usage: "show what the vwrap that runs here holds; no values", UsageText: "vwrap status [--json] [--watch] [--min-ttl DURATION] [--pid N]",
			Description: "Show what the vwrap that runs here holds: variables, leases, how long they last,\nand what comes next; never a value. The exit status is 0 where all is well, 1\nwhere a credential is dead, or about to be with Vault away, and 2 where no vwrap\nruns, so that it serves as a HEALTHCHECK.",
			Flags:       statusFlags(), Action: func(c *cli.Context) error { return i.showStatus(c) },
		},
		{
			Name: "rotate", Usage: "have the vwrap that runs here fetch anew and rotate its command", UsageText: "vwrap rotate --all | NAME...",
			Description: "Have the vwrap that runs here fetch the secrets of the variables NAME anew, or\nall of them, and rotate its command, now and whether a value differs or not. It\nreturns when that is done. The exit status is 0 then, 1 where it was tried and\ncould not be done (vwrap goes on trying), 2 where no vwrap runs.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "all", Usage: "rotate everything"},
				&cli.DurationFlag{Name: "timeout", Usage: "wait `DURATION` for it to be done", Value: time.Minute},
				pidFlag(),
			},
			Action: func(c *cli.Context) error { return i.rotate(c) },
		},
		{
			Name: "export", Usage: "print what would be injected, with the values", UsageText: "vwrap export --format FORMAT [flags]",
			Description: "Print the variables that vwrap would inject, with their values, for programs\nthat vwrap cannot start: nothing renews what was printed. FORMAT is shell, which\nis for eval \"$(vwrap export --format shell)\"; dotenv; docker, for --env-file;\njson; yaml; or github: into GITHUB_ENV, and masked in the log of the workflow.",
			Flags:       exportFlags(), Action: func(c *cli.Context) error { return i.export(c) },
		},
		{
			Name: "plan", Usage: "say what would be injected, from where, and which policy it needs", UsageText: "vwrap plan [flags] [-- CMD [ARG...]]",
			Description: "Say what would be injected and from where, and what hides what: names only. CMD\nis left alone, so that plan can stand before a line that is there. No Vault is\nasked, unless --ask is set.",
			Flags:       planFlags(), Action: func(c *cli.Context) error { return i.plan(c) },
		},
		{
			Name: "doctor", Usage: "say what is to be mended before vwrap can run here", UsageText: "vwrap doctor [--json] [flags]",
			Description: "Look at this machine, the work tree, Vault, the token and each reference, and\nsay what is to be mended, and how. Nothing is changed, and no value is read. The\nexit status is 1 where something keeps vwrap from running, else 0.",
			Flags:       doctorFlags(), Action: func(c *cli.Context) error { return i.doctor(c) },
		},
		{
			Name: "trust", Usage: "approve the Vault address that this vwrap.yaml names", UsageText: "vwrap trust [ADDRESS]",
			Description: "Approve ADDRESS, or the one that the nearest vwrap.yaml names: vwrap sends no\ncredentials to an address from a vwrap.yaml that you have not approved.",
			Flags:       []cli.Flag{configFlag(), profileFlag()}, Action: func(c *cli.Context) error { return i.trust(c) },
		},
		initCommand(i),
		{
			Name: "hook", Usage: "print the use_vwrap function for direnv", UsageText: "vwrap hook direnv",
			Description: "Print the function use_vwrap for direnv: eval \"$(vwrap hook direnv)\" in\n~/.config/direnv/direnvrc, and \"use vwrap\" in a project's .envrc.",
			Action:      func(c *cli.Context) error { return i.hook(c) },
		},
		completionCommand(i),
		manCommand(i),
		installCommand(i),
		{
			Name: "version", Usage: "print the version", UsageText: "vwrap version [--json]",
			Description: "Print the version, and what it was built with.",
			Flags:       []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
			Action:      func(c *cli.Context) error { return i.version(c) },
		},
	}
	call("vwrap", all)
	return all
}

// call tells commands what they are called in full.
func call(parent string, all []*cli.Command) {
	for _, c := range all {
		c.HelpName = parent + " " + c.Name
		call(c.HelpName, c.Subcommands)
	}
}

// undefined is how the flag package says that it does not know a flag.
const undefined = "flag provided but not defined: -"

// plain says what is wrong with a flag or its twin in the words of the command line: the flag package and the flag
// library each have their own.
func plain(err error) error {
	badFlag := regexp.MustCompile(`^invalid (?:boolean )?value "(.*)" for (?:flag )?-([^:]*): (.*)$`)
	badTwin := regexp.MustCompile(`^could not parse "(.*)" as (\w+) value from environment variable "(\w+)" for flag`)
	if m := badFlag.FindStringSubmatch(err.Error()); m != nil {
		said := m[3]
		switch {
		case strings.Contains(err.Error(), "boolean value") && m[2] != "once":
			said = "want true or false"
		case said == "parse error":
			said = "want a duration such as 7s"
		}
		if m[2] == "once" {
			return fmt.Errorf("--once=%s: %s", m[1], said)
		}
		return fmt.Errorf("--%s %s: %s", m[2], m[1], said)
	}
	if m := badTwin.FindStringSubmatch(err.Error()); m != nil {
		want := map[string]string{"duration": "a duration such as 7s", "bool": "true or false", "int": "a number such as 2"}[m[2]]
		return fmt.Errorf("%s=%s: want %s", m[3], m[1], cmp.Or(want, m[2]))
	}
	return err
}

// lacking is how the flag package says that a flag has no value; unparsed, that one has another than it takes, without
// saying which.
const (
	lacking  = "flag needs an argument: -"
	unparsed = ": parse error"
)

// usageError turns the flag package's error into one that names the nearest flag, and says what flags take.
func usageError(command *cli.Command, err error) error {
	if name, ok := strings.CutPrefix(err.Error(), lacking); ok {
		return fmt.Errorf("%s needs a value", dashed(name))
	}
	if text, ok := strings.CutSuffix(err.Error(), unparsed); ok && slices.ContainsFunc(command.Flags, func(f cli.Flag) bool {
		_, number := f.(*cli.IntFlag)
		return number && strings.HasSuffix(text, " for flag -"+f.Names()[0])
	}) {
		return errors.New(text + ": want a number such as 2")
	}
	name, unknown := strings.CutPrefix(err.Error(), undefined)
	if !unknown {
		return err
	}
	text := "unknown flag " + dashed(name)
	if name == "version" {
		return errors.New(text + ` (did you mean "vwrap version"?)`)
	}
	var known []string
	for _, f := range command.Flags {
		known = append(known, f.Names()...)
	}
	if near := spell.Nearest(name, known); len(near) > 1 {
		return fmt.Errorf("%s (did you mean --%s?)", text, near)
	}
	return fmt.Errorf("%s (%s --help shows those that there are)", text, cmp.Or(command.HelpName, "vwrap"))
}
