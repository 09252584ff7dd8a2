package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/check/ttl"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/internal/spell"
)

// Exit statuses of the checks.
const (
	checkClean   = 0
	checkDrift   = 1
	checkUnknown = 2 // it could not be checked
)

// checker is a check of the command line.
type checker struct {
	name, usage, text, about string
	flags                    []cli.Flag
	do                       func(*invocation, *cli.Context) (check.Report, error)
	applies                  func(config.Config) bool // whether "vwrap check all" does it
}

func checkers() []checker {
	return []checker{
		parityChecker(),
		addressChecker(),
		{
			name: "ttl", usage: "hold what is left of leases and the token against a minimum",
			text:  "vwrap check ttl [--min DURATION] [--lease ID... | --prefix PREFIX]",
			about: "Hold what is left of the leases of the vwrap that runs here, and of its token,\nagainst a minimum; or of those that --lease or --prefix name, and of your token.",
			flags: slices.Concat([]cli.Flag{
				&cli.DurationFlag{Name: "min", EnvVars: []string{"VWRAP_MIN"}, Usage: "they have to have `DURATION` left", DefaultText: "check.min_ttl of vwrap.yaml, else 300s"},
				repeatable{&cli.StringFlag{Name: "lease", EnvVars: []string{"VWRAP_LEASE"}, Usage: "look at the lease `ID` (repeatable)"}},
				&cli.StringFlag{Name: "prefix", EnvVars: []string{"VWRAP_PREFIX"}, Usage: "look at the leases below `PREFIX`, such as database/creds/app"},
				pidFlag(),
			}, askFlags()),
			do:      (*invocation).checkTTL,
			applies: func(config.Config) bool { return len(control.Find(os.Getenv, false)) > 0 },
		},
		leaksChecker(),
	}
}

// askFlags are those of a check that asks Vault.
func askFlags() []cli.Flag {
	keep := []string{"config", "profile", "address", "start-timeout"}
	return slices.DeleteFunc(fetchFlags(), func(f cli.Flag) bool { return !slices.Contains(keep, f.Names()[0]) })
}

func checkCommand(i *invocation) *cli.Command {
	command := &cli.Command{
		Name: "check", Usage: "find drift, for a terminal and for CI", UsageText: "vwrap check NAME [flags]",
		Description: "Find drift. The exit status is 0 where there is none, 1 where there is, and 2\nwhere it could not be checked.",
		Action:      func(c *cli.Context) error { return i.noCheck(c) },
	}
	format := []cli.Flag{
		&cli.StringFlag{Name: "format", EnvVars: []string{"VWRAP_CHECK_FORMAT"}, Usage: "print `FORMAT`: " + strings.Join(check.Formats, ", "), DefaultText: "text"},
	}
	for _, k := range checkers() {
		command.Subcommands = append(command.Subcommands, &cli.Command{
			Name: k.name, Usage: k.usage, UsageText: k.text, Description: k.about,
			Flags:  slices.Concat(format, k.flags, logFlags()),
			Action: func(c *cli.Context) error { return i.runChecks(c, k) },
		})
	}
	command.Subcommands = append(command.Subcommands, &cli.Command{
		Name: "all", Usage: "do all that apply here", UsageText: "vwrap check all [flags]",
		Description: "Do every check that applies here, as vwrap.yaml configures it.",
		Flags:       slices.Concat(format, askFlags(), logFlags()),
		Action:      func(c *cli.Context) error { return i.checkAll(c) },
	})
	return command
}

// checkAll does every check that applies.
func (i *invocation) checkAll(c *cli.Context) error {
	conf, err := load(c)
	if err != nil { // there is a report all the same: who reads that reads nothing else
		return i.runChecks(c, checker{name: "all", do: func(*invocation, *cli.Context) (check.Report, error) { return check.Report{}, err }})
	}
	return i.runChecks(c, slices.DeleteFunc(checkers(), func(k checker) bool { return !k.applies(conf) })...)
}

// noCheck says which checks there are.
func (i *invocation) noCheck(c *cli.Context) error {
	i.status = checkUnknown
	var names []string
	for _, k := range checkers() {
		names = append(names, k.name)
	}
	names = append(names, "all")
	if !c.Args().Present() {
		return fmt.Errorf("say what to check: vwrap check %s", strings.Join(names, "|"))
	}
	if near := spell.Nearest(c.Args().First(), names); near != "" {
		return fmt.Errorf("there is no check %q (did you mean \"vwrap check %s\"?)", c.Args().First(), near)
	}
	return fmt.Errorf("there is no check %q (there is: %s)", c.Args().First(), strings.Join(names, ", "))
}

// errPrinted ends what was asked to print something else than a report, and has.
var errPrinted = errors.New("it is printed")

// runChecks does checks, and prints what they found. What cannot be checked does not keep the others from being, and stands in
// the report: a pipeline reads nothing else.
func (i *invocation) runChecks(c *cli.Context, all ...checker) error {
	i.status = checkUnknown
	if i.dashes {
		return fmt.Errorf("vwrap check %s runs no command", c.Command.Name)
	}
	if c.Args().Present() && !takesPaths(c.Command.Name) {
		return fmt.Errorf("vwrap check %s takes no arguments, and was given %q", c.Command.Name, c.Args().First())
	}
	format := cmp.Or(c.String("format"), "text")
	if !slices.Contains(check.Formats, format) {
		return fmt.Errorf("--format %s: want %s", format, strings.Join(check.Formats, ", "))
	}
	var errs []error
	var reports []check.Report
	clean := true
	for _, k := range all {
		report, err := k.do(i, c)
		if errors.Is(err, errPrinted) {
			i.status = checkClean
			return nil
		}
		if report.Check = k.name; err != nil {
			report.Error = strings.Join(printableLines(err), "\n")
			errs = append(errs, of(k, err))
		}
		if format == "github" {
			inWorkspace(report.Findings, os.Getenv("GITHUB_WORKSPACE"))
		}
		reports = append(reports, report)
		clean = clean && report.Clean()
	}
	if err := check.Write(c.App.Writer, format, styleOf(os.Getenv).Color, reports...); err != nil {
		return err
	}
	switch {
	case len(errs) > 0 && format == "text" && oneOutput():
		return nil // it is told
	case len(errs) > 0:
		return errors.Join(errs...)
	}
	i.status = checkClean
	if !clean {
		i.status = checkDrift
	}
	return nil
}

// oneOutput reports whether standard output and standard error are one: who reads that reads both.
func oneOutput() bool {
	out, err := os.Stdout.Stat()
	if err != nil {
		return false
	}
	other, err := os.Stderr.Stat()
	return err == nil && os.SameFile(out, other)
}

// printableLines are the lines of err, as a terminal may have them.
func printableLines(err error) []string {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return lines
}

// of says of each line of err which check it is of.
func of(k checker, err error) error {
	return errors.New(k.name + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+k.name+": "))
}

// takesPaths reports whether a check looks at files that are named.
func takesPaths(name string) bool { return name == "address" || name == "leaks" }

// vaultSession is a session for a check that asks Vault.
func (i *invocation) vaultSession(c *cli.Context) (*session, error) {
	i.command = []string{"true"} // a session is of some command; none is run
	s, err := i.session(c)
	if err != nil {
		return nil, err
	}
	return s, s.find(c)
}

// checkTTL is vwrap check ttl.
func (i *invocation) checkTTL(c *cli.Context) (check.Report, error) {
	conf, err := load(c)
	if err != nil {
		return check.Report{}, err
	}
	least := conf.Check.MinTTL
	if c.IsSet("min") {
		least = c.Duration("min")
	}
	if least < 0 {
		return check.Report{}, fmt.Errorf("--min %s: want a time that is not negative", least)
	}
	lives, err := i.lives(c)
	if err != nil {
		return check.Report{}, err
	}
	return ttl.Check(lives, least), nil
}

// lives are those that c means.
func (i *invocation) lives(c *cli.Context) ([]ttl.Life, error) {
	ids := given(c, "lease")
	prefix := c.String("prefix")
	if len(ids) == 0 && prefix == "" {
		return runningLives(c)
	}
	s, err := i.vaultSession(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, s.timeout)
	defer cancel()
	client, token, leave, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if prefix != "" {
		below, err := client.Leases(ctx, prefix)
		if err != nil {
			return nil, err
		}
		ids = append(ids, below...)
	}
	var lives []ttl.Life
	for _, id := range ids {
		left, never, err := client.LeaseTTL(ctx, id)
		if err != nil {
			return nil, err
		}
		lives = append(lives, ttl.Life{What: "lease", Name: id, Left: left, Never: never})
	}
	grant, err := client.LookupToken(ctx, token.ID)
	if err != nil {
		return nil, err
	}
	if token.Own { // it is let go in a moment: who has it is who logs in
		return lives, nil
	}
	return append(lives, ttl.Life{What: "token", Name: "that vwrap would use", Left: grant.TTL, Never: grant.TTL == 0}), nil
}

// runningLives are those of the vwrap that runs here; where everything is checked, of each that does.
func runningLives(c *cli.Context) (lives []ttl.Life, err error) {
	sockets, err := askedSockets(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, asking)
	defer cancel()
	for _, socket := range sockets {
		s, err := socket.Status(ctx)
		if err != nil {
			return nil, err
		}
		which := "vwrap"
		if len(sockets) > 1 {
			which = fmt.Sprintf("the vwrap with the PID %d", socket.PID)
		}
		lives = append(lives, livesOf(s, which, len(sockets) > 1)...)
	}
	return lives, nil
}

// askedSockets are those of the vwraps that are asked.
func askedSockets(c *cli.Context) ([]control.Socket, error) {
	if all := control.Find(os.Getenv, false); c.Command.Name == "all" && len(all) > 0 {
		return all, nil
	}
	socket, err := control.Choose(os.Getenv, false, c.Int("pid"))
	if errors.Is(err, control.ErrNone) {
		return nil, fmt.Errorf("%w: say which lease, with --lease ID or --prefix PREFIX", err)
	}
	return []control.Socket{socket}, err
}

// livesOf are those that a running vwrap tells of. Where it is one of several each is told with which.
func livesOf(s control.Status, which string, several bool) (lives []ttl.Life) {
	for _, secret := range s.Secrets {
		if secret.Left != nil {
			life := ttl.Life{
				What: "lease", Name: strings.Join(secret.Variables, ", ") + ", " + secret.Path,
				Left: time.Duration(*secret.Left * float64(time.Second)), Next: next(secret.Next, secret.At, s.Now),
			}
			if several {
				life.Name += ", of " + which
			}
			lives = append(lives, life)
		}
	}
	if t := s.Token; t != nil {
		life := ttl.Life{What: "token", Name: "of " + which, Never: t.Expires == nil, Next: next(t.Next, t.At, s.Now)}
		if t.Expires != nil {
			life.Left = t.Expires.Sub(s.Now)
		}
		lives = append(lives, life)
	}
	return lives
}

// next says what the running vwrap will do about something, and when.
func next(what string, at *time.Time, now time.Time) string {
	deeds := map[string]string{"renew": "renews it", "replace": "replaces it", "look": "looks at it"}
	if deeds[what] == "" || at == nil {
		return ""
	}
	return fmt.Sprintf("vwrap %s in %s", deeds[what], max(at.Sub(now), 0).Round(time.Second))
}
