package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/export"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
)

const (
	exportFormats = "shell, dotenv, docker, json, yaml or github"
	githubFile    = "GITHUB_ENV" // the variable that names it
)

// encoders are the formats that are one text.
var encoders = map[string]func(map[string]string) (string, error){
	"shell": export.Shell, "dotenv": export.Dotenv, "docker": export.Docker, "json": export.JSON, "yaml": export.YAML,
}

// export prints what vwrap would inject.
func (i *invocation) export(c *cli.Context) error {
	format := c.String("format")
	if err := i.checkExport(c, format); err != nil {
		return err
	}
	s, err := i.session(c)
	if err != nil {
		return err
	}
	s.once = once{on: true, force: c.Bool("allow-leased")}
	s.orders.Cores = false
	var stdout, appended string
	encode := func(r envsource.Result) (err error) {
		if len(r.Injected) == 0 {
			s.log.Warn("there is nothing to export: no vwrap.yaml, -e, --from or inherited reference sets a variable")
		}
		stdout, err = encoders[format](r.Injected)
		return err
	}
	var file *os.File
	if format == "github" {
		if file, err = os.OpenFile(os.Getenv(githubFile), os.O_WRONLY|os.O_APPEND, 0); err != nil {
			return fmt.Errorf("%s: %w", githubFile, err)
		}
		defer file.Close()
		encode = func(r envsource.Result) (err error) {
			stdout, appended, err = export.GitHub(r.Injected, r.Secrets())
			return err
		}
	}
	status, err := s.export(encode)
	i.status = status.Exit()
	if status.Signal == unix.SIGINT || status.Signal == unix.SIGQUIT {
		i.dieOf = status.Signal // else a loop of the shell's would go on
	}
	if err != nil || i.status != 0 {
		return err
	}
	if _, err := os.Stdout.WriteString(stdout); err != nil { // for github the masks: before the values
		return fmt.Errorf("write to standard output: %w", err)
	}
	if file == nil {
		return nil
	}
	if _, err := file.WriteString(appended); err != nil {
		return fmt.Errorf("%s: %w", githubFile, err)
	}
	return nil
}

// checkExport refuses what cannot or should not be printed, before anything is fetched.
func (i *invocation) checkExport(c *cli.Context, format string) error {
	stray := c.Args().First()
	_, known := encoders[format]
	switch {
	case i.dashes:
		return errors.New("vwrap export runs no command: to run one with secrets, write: vwrap [flags] -- CMD [ARG...]")
	case stray != "" && (encoders[stray] != nil || stray == "github"):
		return fmt.Errorf("write: vwrap export --format %s", stray)
	case stray != "":
		return fmt.Errorf("vwrap export takes no arguments, and was given %q", stray)
	case format == "":
		return fmt.Errorf("--format is missing: want %s", exportFormats)
	case !known && format != "github":
		return fmt.Errorf("%s: want %s", spelled(c, "format", format), exportFormats)
	case format == "github" && os.Getenv(githubFile) == "":
		return fmt.Errorf("%s is not set: --format github is for a step of GitHub Actions, whose runner sets it", githubFile)
	case proc.IsTerminal(1) && !c.Bool("reveal"):
		return errors.New("standard output is a terminal, which would show the values, and may keep them: send it to a file or a program, or add --reveal")
	}
	return nil
}

// export fetches, and has encode make what is printed of it. What vwrap holds is let go before that is printed.
func (s *session) export(encode func(envsource.Result) error) (proc.Status, error) {
	failed := proc.Status{Code: courier.StatusFailed}
	if err := s.harden(); err != nil {
		return failed, err
	}
	inbox := signals.Listen()
	defer inbox.Close()
	s.children = sync.OnceValue(proc.NewChildren)
	token, client, status, err := s.login(inbox)
	if err != nil || status != (proc.Status{}) {
		return status, err
	}
	status, err = s.fetchAlone(client, token, inbox, func(ctx context.Context, a courier.Alone, o courier.Orders) error {
		return a.Fetch(ctx, o, encode)
	})
	if errors.Is(err, courier.ErrLeased) {
		err = fmt.Errorf("%w: have vwrap run what uses it, or let it expire with --allow-leased", err)
	}
	if err != nil {
		return failed, err
	}
	return status, nil
}
