package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/spell"
	"github.com/vwrap/vwrap/signals"
)

// run is the command vwrap itself, and vwrap run.
func (i *invocation) run(c *cli.Context) error {
	if err := i.checkCommand(c); err != nil {
		return err
	}
	s, err := i.session(c)
	if err != nil {
		return err
	}
	return i.supervise(s)
}

// supervise runs the command, and has vwrap end as it does.
func (i *invocation) supervise(s *session) error {
	status, terminal, err := s.run(i.launcher)
	i.status = status.Exit()
	if terminal.Mode != proc.OwnGroup && (status.Signal == unix.SIGINT || status.Signal == unix.SIGQUIT) {
		i.dieOf = status.Signal // else a loop of the shell's would go on
	}
	return err
}

// session is what c asks for, checked.
func (i *invocation) session(c *cli.Context) (*session, error) {
	if err := checkOrder(c); err != nil {
		return nil, err
	}
	conf, err := load(c)
	if err != nil { // what is wrong with the flags is told with it
		in, inputErr := input(c, config.Defaults(), nil)
		_, planErr := envsource.NewPlan(in)
		return nil, errors.Join(err, inputErr, planErr)
	}
	s, err := newSession(c, conf, i.command)
	if s == nil {
		return nil, err
	}
	return s, errors.Join(err, s.locate(c))
}

// checkOrder refuses flags before the name of a command that has the same ones: they would be set for nobody.
func checkOrder(c *cli.Context) error {
	line, _ := c.App.Metadata[ownLine].([]string)
	if name := c.Command.Name; len(line) > 1 && line[1] != name && c.App.Command(name) != nil {
		return fmt.Errorf("%q stands before %q: flags stand after it: %s", line[1], name, c.Command.UsageText)
	}
	return nil
}

// checkCommand refuses a command line without "--", and shows the right one.
func (i *invocation) checkCommand(c *cli.Context) error {
	stray := c.Args().Slice()
	switch {
	case len(stray) > 0 && i.dashes:
		return fmt.Errorf("%q stands before \"--\" and is no flag: what is run stands after it", stray[0])
	case len(stray) > 0:
		own := "vwrap"
		if c.Command != nil && c.Command.Name == "run" {
			own += " run"
		}
		if c.NumFlags() > 0 {
			own += " [flags]"
		}
		if near := spell.Nearest(stray[0], []string{"run", "dev", "check", "exec", "status", "rotate", "export", "plan", "doctor", "trust", "init", "hook", "completion", "man", "install", "version"}); near != "" && len(stray) == 1 {
			return fmt.Errorf("%q is no command of vwrap (did you mean \"vwrap %s\"?): to run a program of that name, write: %s -- %s",
				stray[0], near, own, stray[0])
		}
		return fmt.Errorf("%q is no command of vwrap: to run it, write: %s -- %s", stray[0], own, shellLine(stray))
	case len(i.command) == 0:
		return errors.New("there is no command to run: write: vwrap [flags] -- CMD [ARG...] (vwrap --help says more)")
	}
	return nil
}

// shellLine writes argv so that a shell reads it back as it is.
func shellLine(argv []string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_./:=@%+,-", c)
	}
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = word
		if word == "" || strings.ContainsFunc(word, func(c rune) bool { return !plain(c) }) {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// load reads the vwrap.yaml that c means and lays its flags over it.
func load(c *cli.Context) (config.Config, error) {
	path := c.String("config")
	if path == "" {
		var err error
		if path, err = config.Here(); err != nil {
			return config.Config{}, err
		}
	}
	conf, err := config.Load(path, c.String("profile"))
	if err != nil {
		return conf, err
	}
	if err := checkFlags(c); err != nil {
		return conf, err
	}
	overlay(c, &conf)
	return conf, config.Validate(conf)
}

// checkFlags checks the flags' own values, in the words of the command line.
func checkFlags(c *cli.Context) error {
	var errs []error
	if action := c.String("on-rotate"); action != "" && !slices.Contains([]string{"restart", "signal", "overlap", "none", "exit"}, action) {
		errs = append(errs, fmt.Errorf("--on-rotate %s: want restart, signal, none or exit", action))
	}
	if when := c.String("mask"); when != "" && when != "never" && when != "always" {
		errs = append(errs, fmt.Errorf("%s: want never or always", spelled(c, "mask", when)))
	}
	for _, name := range []string{"signal", "stop-signal"} {
		if text := c.String(name); text != "" || onLine(c, name) {
			if _, err := signals.Parse(text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", spelled(c, name, text), err))
			}
		}
	}
	for _, name := range []string{"stop-grace", "start-timeout"} {
		if d := c.Duration(name); d < 0 {
			errs = append(errs, fmt.Errorf("%s: want a time that is not negative", spelled(c, name, d.String())))
		}
	}
	return errors.Join(errs...)
}

// overlay lays the flags that are set over conf, and the namespace of the environment, which wins as its address does.
func overlay(c *cli.Context, conf *config.Config) {
	conf.Vault.Namespace = strings.Trim(cmp.Or(vault.Environ(os.Getenv, "NAMESPACE"), conf.Vault.Namespace), "/")
	r := &conf.Rotation
	if c.IsSet("on-rotate") {
		r.Action, r.ActionSet = config.Action(c.String("on-rotate")), true
		for i := range conf.Secrets {
			conf.Secrets[i].OnRotate = ""
		}
	}
	if c.IsSet("signal") {
		r.Signal = c.String("signal")
	}
	if c.IsSet("stop-signal") {
		r.StopSignal = c.String("stop-signal")
	}
	if c.IsSet("stop-grace") {
		r.StopGrace = c.Duration("stop-grace")
	}
}

// input gathers everything that the environment is made of.
func input(c *cli.Context, conf config.Config, environ []string) (envsource.Input, error) {
	in := envsource.Input{
		Fallback:  conf.Fallback,
		Preserve:  list(c.String("preserve-env")),
		Pristine:  c.Bool("pristine"),
		Namespace: conf.Vault.Namespace,
	}
	in.Inherited = withoutCredentials(environ, conf.Vault.Auth.JWTEnv, in.Preserve)
	for _, e := range conf.Env {
		in.Vars = append(in.Vars, envsource.Var{
			Name: e.Name, Text: e.Value, Level: envsource.LevelConfig, Origin: origin(conf, e.Line),
			Dir: filepath.Dir(conf.File),
		})
	}
	for _, s := range conf.Secrets {
		secret, err := secretOf(conf, s)
		if err != nil {
			return in, err
		}
		in.Secrets = append(in.Secrets, secret)
	}
	var errs []error
	for _, text := range given(c, "env") {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			errs = append(errs, errors.New(`-e: there is no "=" in what it was given: want -e NAME=VALUE`)) // which may be a value
			continue
		}
		in.Vars = append(in.Vars, envsource.Var{Name: name, Text: value, Level: envsource.LevelFlag, Origin: "-e"})
	}
	for _, path := range given(c, "from") {
		secret, err := from(path)
		errs = append(errs, err)
		in.Secrets = append(in.Secrets, secret)
	}
	return in, errors.Join(errs...)
}

// given is what a repeatable flag was given; an empty VWRAP_ twin, which Compose's ${X:-} makes, is nothing.
func given(c *cli.Context, flag string) []string {
	v, ok := c.Generic(flag).(*values)
	if !ok {
		return nil
	}
	all := v.all
	if len(all) == 1 && all[0] == "" && !onLine(c, flag) {
		return nil
	}
	return all
}

// secretOf is an entry of vwrap.yaml's secrets.
func secretOf(conf config.Config, s config.Secret) (envsource.Secret, error) {
	out := envsource.Secret{
		Read:   envsource.Read{Source: envsource.SourceVault, Path: strings.Trim(s.Path, "/"), Method: s.Method},
		Prefix: s.Prefix, Level: envsource.LevelConfig, Origin: origin(conf, s.Line),
		OnRotate: string(s.OnRotate), Poll: s.Poll,
	}
	for _, b := range s.Env {
		out.Env = append(out.Env, envsource.Binding{Var: b.Var, Field: b.Field})
	}
	if s.Method == envsource.MethodWrite {
		data, err := envsource.EncodeData(s.Data)
		if err != nil {
			return out, fmt.Errorf("%s: secrets: data of %s cannot be sent", out.Origin, s.Path)
		}
		out.Read.Data = data
	}
	return out, nil
}

// from is the secret that --from PATH means.
func from(path string) (envsource.Secret, error) {
	path = strings.Trim(strings.TrimPrefix(path, "vault:"), "/")
	if path == "" || strings.ContainsAny(path, "#? \t\n\x00") {
		return envsource.Secret{}, fmt.Errorf("--from %s: want the path of a secret, without a field: --from secret/dev/app", path)
	}
	return envsource.Secret{
		Read:  envsource.Read{Source: envsource.SourceVault, Path: path, Method: envsource.MethodRead},
		Level: envsource.LevelFlag, Origin: "--from " + path,
	}, nil
}

// origin is a place in vwrap.yaml, for messages.
func origin(conf config.Config, line int) string {
	return fmt.Sprintf("%s:%d", filepath.Base(conf.File), line)
}

// credentials are the variables that vwrap logs in by. The command does not get them: it gets what they are for.
var credentials = []string{"TOKEN", "TOKEN_FILE", "SECRET_ID", "ROLE_ID", "ID_TOKEN", "USERNAME", "PASSWORD"}

// withoutCredentials takes the login credentials, also the one called own, out of environ, but for those that
// --preserve-env names.
func withoutCredentials(environ []string, own string, preserve []string) (kept []string) {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		rest, vault := strings.CutPrefix(name, "VAULT_")
		bao := false
		if !vault {
			rest, bao = strings.CutPrefix(name, "BAO_")
		}
		if ((vault || bao) && slices.Contains(credentials, rest) || name == own) && !slices.Contains(preserve, name) {
			continue
		}
		kept = append(kept, entry)
	}
	return kept
}

// parseSignals finds the two signals that conf names.
func parseSignals(conf config.Config) (rotate, stop unix.Signal, err error) {
	rotate, err = signals.Parse(conf.Rotation.Signal)
	if err != nil {
		return 0, 0, fmt.Errorf("rotation.signal: %w", err)
	}
	if stop, err = signals.Parse(conf.Rotation.StopSignal); err != nil {
		return 0, 0, fmt.Errorf("rotation.stop_signal: %w", err)
	}
	return rotate, stop, nil
}

// parseRewrites reads what --signal-rewrite was given: FROM:TO, in its variable also several with commas between.
func parseRewrites(c *cli.Context) (signals.Rewrites, error) {
	const flag = "signal-rewrite"
	rewrites := signals.Rewrites{}
	var errs []error
	for _, text := range given(c, flag) {
		for one := range strings.SplitSeq(text, ",") {
			if err := rewrites.ParseRewrite(strings.TrimSpace(one)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", spelled(c, flag, one), err))
			}
		}
	}
	return rewrites, errors.Join(errs...)
}
