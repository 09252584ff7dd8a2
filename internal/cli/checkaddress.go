package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/check/address"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/worktree"
)

func addressChecker() checker {
	return checker{
		name: "address", usage: "find every Vault address, and where they mean another server",
		text:  "vwrap check address [FOLDER]",
		about: "Find the addresses of Vault and OpenBao in a repository's files, and say where\nthey do not mean one server, or where one stands open. Nobody is asked.",
		flags: []cli.Flag{configFlag(), profileFlag()},
		do:    (*invocation).checkAddress, applies: func(config.Config) bool { return true },
	}
}

// checkAddress is vwrap check address.
func (i *invocation) checkAddress(c *cli.Context) (check.Report, error) {
	if c.Args().Len() > 1 {
		return check.Report{}, fmt.Errorf("vwrap check address takes one folder, and was given %q too", c.Args().Get(1))
	}
	root := c.Args().First()
	if file := filepath.Join(root, config.Name); root != "" && c.String("config") == "" {
		if _, err := os.Stat(file); err == nil { // it is that folder's own that knows its aliases
			if err := c.Set("config", file); err != nil {
				return check.Report{}, err
			}
		}
	}
	conf, err := load(c)
	if err != nil {
		return check.Report{}, err
	}
	switch {
	case root == "" && conf.File != "":
		root = near(filepath.Dir(conf.File))
	case root == "":
		root = "."
	}
	r, err := address.Check(c.Context, root, address.Options{Aliases: conf.Check.Aliases, Tracked: tracked(c.Context, root)})
	for i, f := range r.Findings {
		if f.File != "" {
			r.Findings[i].File = filepath.Join(root, f.File)
		}
	}
	for i, place := range r.Passed {
		r.Passed[i] = filepath.Join(root, place)
	}
	return r, err
}

// tracked says of the files below root whether git has them; nil where git does not know the folder.
func tracked(ctx context.Context, root string) func(file string) bool {
	out, err := worktree.Git(ctx, exec.CommandContext, cmp.Or(root, "."), "ls-files", "-z", "--cached").Output()
	if err != nil {
		return nil
	}
	has := map[string]bool{}
	for name := range bytes.SplitSeq(out, []byte{0}) {
		has[string(name)] = true
	}
	return func(file string) bool { return has[file] }
}
