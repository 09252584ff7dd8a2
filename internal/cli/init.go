package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/starter"
)

func initCommand(i *invocation) *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "write a starter vwrap.yaml for the project in this folder", UsageText: "vwrap init [flags]",
		Description: "Read the dotenv files, the Compose file, devcontainer.json and package.json of\nthis folder, and write vwrap.yaml with a reference for each secret, and, where\nthey are wanted, the pieces for Compose, a dev container and direnv. It asks,\nshows what it would write, and asks again: nothing that is there is lost. The\nexit status is 1 where the answer was no.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "path", EnvVars: []string{"VWRAP_PATH"}, Usage: "the secrets are to be at `PATH` of Vault", DefaultText: "secret/dev/FOLDER"},
			&cli.StringFlag{Name: "address", EnvVars: []string{"VWRAP_ADDRESS"}, Usage: "Vault is at `URL`", DefaultText: "what the files or VAULT_ADDR say, else " + starter.DefaultAddress},
			&cli.StringFlag{Name: "secrets", EnvVars: []string{"VWRAP_SECRETS"}, Usage: "the variables `A,B` are secrets, and no others; else it goes by their names"},
			&cli.BoolFlag{Name: "compose", EnvVars: []string{"VWRAP_COMPOSE"}, Usage: "write compose.vwrap.yaml, which puts vwrap before the services"},
			&cli.BoolFlag{Name: "devcontainer", EnvVars: []string{"VWRAP_DEVCONTAINER"}, Usage: "put vwrap into devcontainer.json"},
			&cli.BoolFlag{Name: "direnv", EnvVars: []string{"VWRAP_DIRENV"}, Usage: "put \"use vwrap\" into .envrc"},
			&cli.BoolFlag{Name: "dry-run", EnvVars: []string{"VWRAP_DRY_RUN"}, Usage: "show what would be written, and end"},
			&cli.BoolFlag{Name: "yes", EnvVars: []string{"VWRAP_YES"}, Usage: "do not ask"},
		},
		Action: func(c *cli.Context) error { return i.initProject(c) },
	}
}

// initProject is vwrap init.
func (i *invocation) initProject(c *cli.Context) error {
	i.status = courier.StatusFailed
	if err := checkOrder(c); err != nil {
		return err
	}
	if c.Args().Len() > 0 || i.dashes {
		return errors.New("vwrap init takes no arguments: it is about the folder in which it runs")
	}
	if err := errors.Join(proc.LimitCore(), proc.Harden()); err != nil { // what it reads may have values
		return err
	}
	project, err := starter.Look(".")
	if err != nil {
		return err
	}
	if err := project.Check(givenOptions(c)); err != nil { // before anything is asked
		return err
	}
	q := &questions{in: bufio.NewReader(os.Stdin), out: proc.Stderr{}, silent: c.Bool("yes") || c.Bool("dry-run"), typed: proc.IsTerminal(0)}
	options := starterOptions(c, q, project)
	plan, err := project.Plan(options)
	if err != nil {
		return err
	}
	for _, f := range plan.Files {
		for line := range strings.Lines(f.Diff()) {
			parts := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
			for i, part := range parts {
				parts[i] = printable(part)
			}
			fmt.Fprintf(c.App.Writer, "%s\n", strings.Join(parts, "\t"))
		}
	}
	for _, note := range plan.Notes {
		complain(proc.Stderr{}, errors.New(note))
	}
	i.status = 0
	switch {
	case len(plan.Files) == 0:
		fmt.Fprintf(proc.Stderr{}, "vwrap: there is nothing to write\n")
		return nil
	case c.Bool("dry-run"):
		return nil
	case !c.Bool("yes") && !q.agree("write this?"):
		fmt.Fprintf(proc.Stderr{}, "vwrap: nothing is written\n")
		i.status = 1
		return nil
	}
	i.status = courier.StatusFailed
	if err := writeAll(project, plan.Files); err != nil {
		return err
	}
	i.status = 0
	tellNext(plan.Next)
	return nil
}

// givenOptions are what the flags say.
func givenOptions(c *cli.Context) starter.Options {
	return starter.Options{
		Path: c.String("path"), Address: c.String("address"), Secrets: list(c.String("secrets")),
		Compose: c.Bool("compose"), Devcontainer: c.Bool("devcontainer"), Direnv: c.Bool("direnv"),
	}
}

// starterOptions are what the flags say, and, of what they do not, somebody's answers.
func starterOptions(c *cli.Context, q *questions, project starter.Project) starter.Options {
	o := givenOptions(c)
	o.Tracked = tracked(c.Context, ".")
	if len(o.Secrets) == 0 {
		tellFound(project.Secrets)
	}
	if o.Path == "" {
		o.Path = q.ask("the secrets are to be in Vault at", project.Path())
	}
	if o.Address == "" {
		o.Address = q.ask("Vault is at", cmp.Or(project.Address(), os.Getenv("VAULT_ADDR"), os.Getenv("BAO_ADDR"), starter.DefaultAddress))
	}
	for _, piece := range []struct {
		flag, question string
		there          bool
		wanted         *bool
	}{
		{"compose", "put vwrap before the services of " + project.Compose() + ", in a file beside it?", project.Compose() != "", &o.Compose},
		{"devcontainer", "put vwrap into " + project.Devcontainer() + "?", project.Devcontainer() != "", &o.Devcontainer},
		{"direnv", "have direnv use vwrap in this folder?", project.Direnv(), &o.Direnv},
	} {
		if piece.there && !c.IsSet(piece.flag) {
			*piece.wanted = q.agree(piece.question)
		}
	}
	return o
}

// tellFound says which variables are taken for secrets.
func tellFound(all []starter.Variable) {
	var names []string
	for _, v := range all {
		names = append(names, fmt.Sprintf("%s (%s)", v.Name, v.File))
	}
	if len(names) > 0 {
		fmt.Fprintf(proc.Stderr{}, "vwrap: secrets, by the look of them: %s\n", printable(strings.Join(names, ", ")))
	}
}

// writeAll writes files, and says which.
func writeAll(project starter.Project, files []starter.File) error {
	var written []string
	defer func() {
		if len(written) > 0 {
			fmt.Fprintf(proc.Stderr{}, "vwrap: wrote %s\n", strings.Join(written, ", "))
		}
	}()
	for _, f := range files {
		if err := f.Write(project.Dir); err != nil {
			return err
		}
		written = append(written, f.Path)
	}
	return nil
}

func tellNext(lines []string) {
	fmt.Fprintf(proc.Stderr{}, "vwrap: next:\n")
	for _, line := range lines {
		fmt.Fprintf(proc.Stderr{}, "  %s\n", line)
	}
}

// questions asks somebody, a line each. The end of what is read is an empty answer to all that follow.
type questions struct {
	in     *bufio.Reader
	out    io.Writer
	silent bool
	typed  bool // the answers are typed below the questions
}

// ask returns the answer, or otherwise where it is empty, or nobody is to be asked.
func (q *questions) ask(what, otherwise string) string {
	if q.silent {
		return otherwise
	}
	fmt.Fprintf(q.out, "%s [%s]: ", what, otherwise)
	return cmp.Or(q.line(), otherwise)
}

// agree asks for yes or no.
func (q *questions) agree(what string) bool {
	if q.silent {
		return false
	}
	fmt.Fprintf(q.out, "%s [y/N] ", what)
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(q.line()))
}

func (q *questions) line() string {
	text, err := q.in.ReadString('\n')
	if err != nil || !q.typed {
		fmt.Fprintf(q.out, "\n") // nobody ended the line
	}
	return strings.TrimSpace(text)
}
