//go:build !nodev

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/devserver/backend"
	"github.com/vwrap/vwrap/internal/devserver/host"
	"github.com/vwrap/vwrap/internal/proc"
)

// devHost is the hidden command that hosts a development Vault.
const devHost = host.Hidden

func serveDev() int { return host.Serve() }

// devServers are the kinds of servers that vwrap dev starts.
func devServers() []string { return backend.Kinds }

func devCommand(i *invocation) *cli.Command {
	return &cli.Command{
		Name: "dev", Usage: "start a development Vault, and run a command against it", UsageText: "vwrap dev [flags] [-- CMD [ARG...]]",
		Description: "Start a development Vault on this machine, in memory, with everything in it that\n" +
			"vwrap.yaml refers to, or with what its dev: says. With CMD, run it with secrets\nfrom there, and end with it. With --drill, change the secrets again and again,\nand tell how CMD took it: the exit status is 1 where it did not.",
		Flags: devFlags(), Action: func(c *cli.Context) error { return i.dev(c) },
	}
}

func devFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "server", EnvVars: []string{"VWRAP_SERVER"}, Usage: "start `KIND`: " + strings.Join(backend.Kinds, ", "), DefaultText: "auto"},
		&cli.StringFlag{Name: "image", EnvVars: []string{"VWRAP_IMAGE"}, Usage: "with --server docker, run `IMAGE`", DefaultText: backend.DefaultImage},
		&cli.StringFlag{Name: "listen", EnvVars: []string{"VWRAP_LISTEN"}, Usage: "the server listens at `HOST:PORT`", DefaultText: "127.0.0.1:8200 or next, with CMD any free port"},
		&cli.BoolFlag{Name: "i-know-this-is-exposed", EnvVars: []string{"VWRAP_I_KNOW_THIS_IS_EXPOSED"}, Usage: "let --listen name an address that others can reach"},
		&cli.StringFlag{Name: "token-file", EnvVars: []string{"VWRAP_TOKEN_FILE"}, Usage: "write the root token to `FILE`, for its owner alone, instead of printing it"},
		&cli.BoolFlag{Name: "run-commands", EnvVars: []string{"VWRAP_RUN_COMMANDS"}, Usage: "run the programs and the image that vwrap.yaml names, without asking"},
		&cli.BoolFlag{Name: "ci", EnvVars: []string{"VWRAP_CI"}, Usage: "start even where CI is set"},
		&cli.BoolFlag{Name: "build-devvault", EnvVars: []string{"VWRAP_BUILD_DEVVAULT"}, Usage: "build devvault, a real Vault in one program, and end"},
		&cli.StringFlag{Name: "from-env", EnvVars: []string{"VWRAP_FROM_ENV"}, Usage: "put what the dotenv file `FILE` has into KV, and print the references that replace it"},
		&cli.StringFlag{Name: "path", EnvVars: []string{"VWRAP_PATH"}, Usage: "with --from-env, put it to `PATH`", DefaultText: "secret/dev/FOLDER"},
		&cli.BoolFlag{Name: "rewrite", EnvVars: []string{"VWRAP_REWRITE"}, Usage: "with --from-env, replace the values in FILE by the references; it shows how, and asks"},
		&cli.BoolFlag{Name: "yes", EnvVars: []string{"VWRAP_YES"}, Usage: "with --rewrite, do not ask"},
		&cli.DurationFlag{Name: "drill", EnvVars: []string{"VWRAP_DRILL"}, Usage: "rotate everything each `DURATION`, and report how CMD took it"},
		&cli.DurationFlag{Name: "for", EnvVars: []string{"VWRAP_FOR"}, Usage: "end the drill after `DURATION`", DefaultText: "when CMD ends"},
		&cli.StringFlag{Name: "faults", EnvVars: []string{"VWRAP_FAULTS"}, Usage: "make faults between rotations: `LIST` of outage, revoke, seal"},
		&cli.StringFlag{Name: "probe", EnvVars: []string{"VWRAP_PROBE"}, Usage: "ask `URL` all the while whether CMD serves"},
		&cli.DurationFlag{Name: "max-gap", EnvVars: []string{"VWRAP_MAX_GAP"}, Usage: "the probe may fail for `DURATION` in one go", Value: 5 * time.Second},
		&cli.StringFlag{Name: "junit", EnvVars: []string{"VWRAP_JUNIT"}, Usage: "write the report to `FILE` too, as JUnit has it"},
	}
	unfit := []string{"address", "once"} // it has its own server, and stays with it
	return append(flags, slices.DeleteFunc(runFlags(), func(f cli.Flag) bool { return slices.Contains(unfit, f.Names()[0]) })...)
}

// dev is vwrap dev.
func (i *invocation) dev(c *cli.Context) error {
	if c.Bool("build-devvault") {
		return i.buildDevvault(c)
	}
	if err := i.checkDev(c); err != nil {
		return err
	}
	s, err := i.devSession(c)
	if err != nil {
		return err
	}
	if err := s.consent(c); err != nil {
		return err
	}
	orders, err := s.devOrders(c, len(i.command) > 0)
	if err != nil {
		return err
	}
	if orders.Import != nil {
		if err := s.addImport(orders.Import); err != nil {
			return err
		}
	}
	if len(i.command) == 0 {
		return i.devAlone(c, s, orders)
	}
	return i.devWith(c, s, orders)
}

func (i *invocation) buildDevvault(c *cli.Context) error {
	i.status = courier.StatusFailed
	ctx, stop := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer stop()
	path, err := backend.BuildDevvault(ctx, release, func(line string) { fmt.Fprintf(proc.Stderr{}, "vwrap: %s\n", line) })
	if err != nil {
		return err
	}
	i.status = 0
	_, err = fmt.Fprintln(c.App.Writer, path)
	return err
}

// checkDev refuses what cannot be meant.
func (i *invocation) checkDev(c *cli.Context) error {
	if err := checkOrder(c); err != nil {
		return err
	}
	if stray := c.Args().Slice(); len(stray) > 0 {
		return fmt.Errorf("vwrap dev takes no arguments but a command after \"--\": write: vwrap dev -- %s", shellLine(stray))
	}
	if ci := os.Getenv("CI"); ci != "" && ci != "false" && !c.Bool("ci") {
		return errors.New("CI is set: a development Vault in a pipeline may be meant for a real one: add --ci where it is not")
	}
	drilled := c.Duration("drill") != 0
	needs := map[string]bool{"drill": drilled, "from-env": c.String("from-env") != "", "rewrite": c.Bool("rewrite")}
	for _, pair := range [][2]string{
		{"for", "drill"},
		{"faults", "drill"},
		{"probe", "drill"},
		{"junit", "drill"},
		{"max-gap", "drill"},
		{"rewrite", "from-env"},
		{"path", "from-env"},
		{"yes", "rewrite"},
	} {
		if onLine(c, pair[0]) && !needs[pair[1]] {
			return fmt.Errorf("--%s goes with --%s", pair[0], pair[1])
		}
	}
	switch {
	case drilled && c.Duration("drill") < minDrill:
		return fmt.Errorf("--drill %s: want %s or more, which rotations take", c.Duration("drill"), minDrill)
	case c.Duration("for") < 0:
		return fmt.Errorf("--for %s: want a time that is not negative", c.Duration("for"))
	case drilled && len(i.command) == 0:
		return errors.New("--drill needs a command to drill: vwrap dev --drill 30s -- CMD [ARG...]")
	case i.dashes && len(i.command) == 0:
		return errors.New("there is no command after \"--\"")
	case c.Bool("rewrite") && i.dashes:
		return errors.New("--rewrite needs the terminal for its question: leave the command away")
	}
	return nil
}

// devSession is the session of what is to run, or, without a command, of what it would be.
func (i *invocation) devSession(c *cli.Context) (*session, error) {
	conf, err := load(c)
	if err != nil {
		return nil, err
	}
	conf.Vault.Namespace = "" // a development Vault has none
	if every := c.Duration("drill"); every > 0 {
		hasten(&conf, every)
	}
	argv := i.command
	if len(argv) == 0 {
		argv = []string{"true"}
	}
	s, err := newSession(c, conf, argv)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// minDrill is the shortest time between a drill's rotations.
const minDrill = 5 * time.Second

// hasten has changes seen well within the time between a drill's rotations.
func hasten(conf *config.Config, every time.Duration) {
	soon := max(time.Second, every/10)
	r := &conf.Rotation
	r.Poll, r.Settle, r.Splay = min(r.Poll, soon), min(r.Settle, every/20), min(r.Splay, every/20)
	for i := range conf.Secrets {
		if conf.Secrets[i].Poll > 0 {
			conf.Secrets[i].Poll = min(conf.Secrets[i].Poll, soon)
		}
	}
}

// consent asks whether the programs that vwrap.yaml names for its seeds, and its image, are to be run, unless that was said: the file may
// have come with a repository.
func (s *session) consent(c *cli.Context) error {
	var lines []string
	if kind, image := s.devServer(c); kind == backend.Docker && c.String("image") == "" && image != backend.DefaultImage {
		if err := backend.CheckImage(image); err != nil {
			return err
		}
		lines = append(lines, "docker run "+image)
	}
	for _, command := range s.conf.Dev.Commands() {
		lines = append(lines, printable(shellLine(command.Args)))
	}
	if len(lines) == 0 || c.Bool("run-commands") {
		return nil
	}
	name := filepath.Base(s.conf.File)
	if !proc.IsTerminal(0) || !proc.IsTerminal(2) {
		return fmt.Errorf("dev: %s would have run: %s: add --run-commands where that is meant", name, strings.Join(lines, "; "))
	}
	fmt.Fprintf(proc.Stderr{}, "vwrap: %s would run:\n  %s\nrun them? (--run-commands does not ask) [y/N] ", name, strings.Join(lines, "\n  "))
	if !agrees(c.Context) {
		return fmt.Errorf("dev: nothing is run: take that out of %s, or agree", name)
	}
	return nil
}

// devServer is the kind of server that is wanted, and the image that it has where it is a container.
func (s *session) devServer(c *cli.Context) (kind, image string) {
	return cmp.Or(c.String("server"), s.conf.Dev.Server, backend.Auto), cmp.Or(c.String("image"), s.conf.Dev.Image, backend.DefaultImage)
}

// devOrders are what the host of the server has to know.
func (s *session) devOrders(c *cli.Context, wrapped bool) (host.Orders, error) {
	o := host.Orders{Config: s.conf.File, Profile: s.conf.Profile, Input: s.input, Drill: drillOf(c)}
	o.Server.Kind, o.Server.Image = s.devServer(c)
	o.Server.Token = cmp.Or(vault.Environ(os.Getenv, "DEV_ROOT_TOKEN_ID"), host.NewToken())
	if !slices.Contains(backend.Kinds, o.Server.Kind) {
		return o, fmt.Errorf("--server %s: want %s", o.Server.Kind, strings.Join(backend.Kinds, ", "))
	}
	if err := backend.CheckImage(o.Server.Image); err != nil {
		return o, err
	}
	var err error
	if o.Import, err = importOf(c); err != nil {
		return o, err
	}
	if o.Server.Listen, err = backend.Where(c.String("listen"), !wrapped, c.Bool("i-know-this-is-exposed")); err != nil {
		return o, err
	}
	return o, o.Check()
}

func drillOf(c *cli.Context) *host.Drill {
	if c.Duration("drill") == 0 {
		return nil
	}
	d := &host.Drill{
		Every: c.Duration("drill"), For: c.Duration("for"), Faults: list(c.String("faults")), Probe: c.String("probe"),
		MaxGap: c.Duration("max-gap"), Supervisor: os.Getpid(),
	}
	if d.JUnit = c.String("junit"); d.JUnit != "" {
		d.JUnit, _ = filepath.Abs(d.JUnit) // the working directory is known, or nothing is
	}
	return d
}

// devAlone has a development Vault until it is told to end.
func (i *invocation) devAlone(c *cli.Context, s *session, o host.Orders) error {
	i.status = courier.StatusFailed
	if err := s.harden(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	file := c.String("token-file")
	var failed error
	wrote := false // the token's file
	_, err := host.Run(ctx, o, host.Hooks{
		Tell: func(line string) { s.log.Info(line) },
		Ready: func(r host.Ready) {
			failed = tellReady(c, r, file)
			wrote = failed == nil && file != ""
			if failed == nil && o.Import != nil {
				failed = tellImport(ctx, c, o.Import)
			}
			if failed != nil {
				stop()
			}
		},
	})
	if wrote {
		_ = os.Remove(file) // its token is good for nothing any more
	}
	if err = errors.Join(err, failed); err == nil || ctx.Err() != nil && failed == nil {
		i.status, err = 0, nil
	}
	return err
}

// tellReady prints how the server is used, for a person and for a shell.
func tellReady(c *cli.Context, r host.Ready, file string) error {
	token := shellLine([]string{r.Token})
	if file != "" {
		if err := writeToken(file, r.Token); err != nil {
			return err
		}
		token = fmt.Sprintf(`"$(cat %s)"`, shellLine([]string{file}))
	}
	_, err := fmt.Fprintf(c.App.Writer, "export VAULT_ADDR=%s\nexport VAULT_TOKEN=%s\n", r.Address, token)
	return err
}

// writeToken writes it for the owner alone, into a file that nobody else has made.
func writeToken(path, token string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("--token-file %s: it is there: remove it, or take another", path)
	}
	if err != nil {
		return fmt.Errorf("--token-file %s: %w", path, errors.Unwrap(err))
	}
	_, err = f.WriteString(token)
	return errors.Join(err, f.Close())
}

// devWith runs the command against a development Vault beside it.
func (i *invocation) devWith(c *cli.Context, s *session, o host.Orders) error {
	i.status = courier.StatusFailed
	if i.launcher == nil {
		children := proc.NewChildren()
		defer children.Close()
		i.launcher = &courier.Launcher{Self: self(), Children: children, Preserve: s.fds}
	}
	running, over := context.WithCancel(c.Context)
	defer over()
	h, err := host.Send(i.launcher.Children, self(), o, host.Hooks{
		Tell:    func(line string) { s.log.Info(line) },
		Trouble: s.warn,
		Over:    func() { _ = s.policy.Handle.End(running) },
	})
	if err != nil {
		return err
	}
	r, err := h.Ready(c.Context)
	if err == nil {
		err = s.use(r)
	}
	if err == nil {
		err = withTokenFile(c.String("token-file"), r.Token, func() error { return i.supervise(s) })
	}
	over()
	outcome := h.Close()
	if err != nil {
		return err
	}
	i.conclude(outcome)
	return nil
}

func withTokenFile(path, token string, do func() error) error {
	if path == "" {
		return do()
	}
	if err := writeToken(path, token); err != nil {
		return err
	}
	defer os.Remove(path)
	return do()
}

// conclude tells how a drill went, and has vwrap's status say so.
func (i *invocation) conclude(o host.Outcome) {
	if o.Report == "" {
		return
	}
	fmt.Fprintf(proc.Stderr{}, "%s", o.Report)
	i.dieOf = 0
	switch {
	case o.Failed:
		i.status = 1
	case o.Over: // it ended because the time was over
		i.status = 0
	}
}

// use has the session take the server that r tells of, and the command too.
func (s *session) use(r host.Ready) error {
	s.orders.Vault = vault.Config{Address: r.Address}
	credentials := map[string]string{"VAULT_TOKEN": r.Token}
	s.auth = vault.Auth{Method: "token"}
	if r.RoleID != "" {
		s.auth = vault.Auth{Method: "approle", Mount: s.conf.Vault.Auth.Mount, RoleID: r.RoleID}
		credentials = map[string]string{"VAULT_SECRET_ID": r.SecretID}
	}
	s.getenv = func(name string) string { return credentials[name] }
	s.input.Inherited = slices.DeleteFunc(s.input.Inherited, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"VAULT_ADDR", "BAO_ADDR", "VAULT_NAMESPACE", "BAO_NAMESPACE"}, name)
	})
	s.input.Inherited = append(s.input.Inherited, "VAULT_ADDR="+r.Address)
	var err error
	s.plan, err = envsource.NewPlan(s.input)
	s.orders.Input = s.input
	return err
}
