package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/check/doctor"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/proc"
)

func doctorFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}}, fetchFlags())
}

// Exit statuses of vwrap doctor.
const (
	doctorWell = 0
	doctorIll  = 1 // or it could not look
)

// doctor says what is to be mended.
func (i *invocation) doctor(c *cli.Context) error {
	i.status = doctorIll
	if c.Args().Len() > 0 || i.dashes {
		return errors.New("vwrap doctor takes no arguments and no command")
	}
	if err := checkOrder(c); err != nil {
		return err
	}
	lines := diagnose(c)
	if doctor.Count(lines, doctor.Fault) == 0 {
		i.status = doctorWell
	}
	if c.Bool("json") {
		return doctor.JSON(c.App.Writer, lines)
	}
	style := styleOf(os.Getenv)
	return doctor.Text(c.App.Writer, doctor.Style{Color: style.Color, Unicode: style.Unicode}, lines)
}

// diagnose looks at everything. The machine comes first: once vwrap has hardened itself, it may not look at itself any more.
func diagnose(c *cli.Context) []doctor.Line {
	children := sync.OnceValue(proc.NewChildren)
	f := doctor.Look(os.Getenv)
	f.DirenvStatus = told(c.Context, children, f.Direnv, "status")
	f.Networking = told(c.Context, children, f.WSLInfo, "--networking-mode")
	s, settings := patient(c)
	f.StopGrace, f.GraceIn = config.Defaults().Rotation.StopGrace, graceIn
	if s != nil {
		s.children = children
		f.StopGrace, f.Live = s.conf.Rotation.StopGrace, s.conf.Live
	}
	lines := doctor.Machine(f)
	lines = append(lines, doctor.Protection(f, errors.Join(proc.LimitCore(), proc.Harden()))...)
	lines = append(lines, doctor.Project(f, settings)...)
	if s == nil || settings.Untrusted != nil {
		return lines
	}
	if s.asks() {
		lines = append(lines, doctor.Credentials(f, s.auth.Files(s.getenv))...)
	}
	ctx, cancel := context.WithTimeout(c.Context, s.timeout)
	defer cancel()
	return append(lines, s.examine(ctx, f)...)
}

// graceIn is rotation.stop_grace of the vwrap.yaml in a folder.
func graceIn(dir string) (time.Duration, bool) {
	file := filepath.Join(dir, config.Name)
	if _, err := os.Stat(file); err != nil {
		return 0, false
	}
	conf, err := config.Load(file, "")
	return conf.Rotation.StopGrace, err == nil
}

// patient is the session of a run; nil where there would be none.
func patient(c *cli.Context) (*session, doctor.Settings) {
	conf, err := load(c)
	settings := doctor.Settings{File: conf.File, Err: err}
	if err != nil {
		return nil, settings
	}
	s, err := newSession(c, conf, []string{"true"}) // a session is of some command; none is run
	if settings.Err = err; err != nil {
		return nil, settings
	}
	s.log = slog.New(slog.DiscardHandler) // what there is to warn of has a line
	err = s.find(c)
	if untrusted, ok := errors.AsType[*config.UntrustedError](err); ok {
		settings.Untrusted, settings.Approve = untrusted, untrusted.Line()
		return s, settings
	}
	if settings.Err = err; err != nil {
		return nil, settings
	}
	return s, settings
}

// asks reports whether there is a server to ask: something refers to it, or somebody names one.
func (s *session) asks() bool { return s.plan.NeedsVault() || s.named != "" }

// examine asks the server, where there is one to ask.
func (s *session) examine(ctx context.Context, f doctor.Facts) []doctor.Line {
	if !s.asks() {
		return doctor.Unasked()
	}
	client, err := vault.NewClient(s.orders.Vault)
	if err != nil {
		return doctor.Unusable(err)
	}
	lines, up := doctor.Server(ctx, client, doctor.Place{
		Address: s.orders.Vault.Address, Named: cmp.Or(s.named, "the default"), SkipVerify: s.orders.Vault.SkipVerify, Container: f.Container() != "",
	})
	switch {
	case !up:
		return lines
	case s.auth.Method == "approle" && s.auth.SecretIDWrapped:
		return append(lines, doctor.Unspent()...)
	}
	token, err := s.auth.Login(ctx, client, s.getenv)
	if err != nil {
		return append(lines, doctor.NoToken(err, s.plan.NeedsVault())...)
	}
	if token.Own {
		defer s.letGo(func(ctx context.Context) { _ = client.RevokeToken(ctx, token.ID) })
	}
	return append(lines, s.examineToken(ctx, f, token)...)
}

func (s *session) examineToken(ctx context.Context, f doctor.Facts, token vault.Token) []doctor.Line {
	source, err := vault.NewSource(s.orders.Vault, token.ID)
	if err != nil {
		return doctor.Unusable(err)
	}
	lines, good := doctor.Token(ctx, source, f, doctor.Holder{
		Origin: s.auth.Origin(token, s.getenv), File: token.File, Again: s.auth.CanLogin(), Child: s.childTTL() > 0,
	})
	if !good {
		return lines
	}
	return append(lines, doctor.References(ctx, source, s.plan.VaultNeeds(), token.Own || s.childTTL() > 0)...)
}

// told is what a program says; "" where it does not. It gets no more of the environment than it needs.
func told(ctx context.Context, children func() *proc.Children, program string, args ...string) string {
	if program == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	needs := []string{"HOME", "PATH", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "DIRENV_CONFIG", "WSL_INTEROP", "WSL_DISTRO_NAME"}
	env := slices.DeleteFunc(environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.Contains(needs, name)
	})
	argv := append([]string{filepath.Base(program)}, args...)
	out, _, err := children().Output(ctx, proc.Spec{Path: program, Args: argv, Env: env, Join: true})
	if err != nil {
		return ""
	}
	return string(out)
}
