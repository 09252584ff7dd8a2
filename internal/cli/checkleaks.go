package cli

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/check/leaks"
	"github.com/vwrap/vwrap/internal/config"
)

func leaksChecker() checker {
	return checker{
		name: "leaks", usage: "look for the values of secrets at rest",
		text: "vwrap check leaks [--history N] [PATH...]",
		about: "Fetch the values that would be injected, and look for them in the work tree, in\nthe folders for temporary files, in the histories of shells, on command lines,\n" +
			"and in what Docker knows of containers; or in the PATHs. What has a lease is new\nat each fetch, and not looked for. No value is shown, and nothing is written.",
		flags: slices.Concat([]cli.Flag{
			&cli.IntFlag{Name: "history", EnvVars: []string{"VWRAP_HISTORY"}, Usage: "look at the last `N` commits of each repository too"},
		}, fetchFlags()),
		do:      (*invocation).checkLeaks,
		applies: func(config.Config) bool { return true },
	}
}

// errTaken ends a fetch whose values are all that is wanted: what has a lease is revoked then.
var errTaken = errors.New("the values are taken")

// checkLeaks is vwrap check leaks.
func (i *invocation) checkLeaks(c *cli.Context) (check.Report, error) {
	if c.Int("history") < 0 {
		return check.Report{}, fmt.Errorf("--history %d: want how many commits", c.Int("history"))
	}
	i.command = []string{"true"} // a session is of some command; none is run
	s, err := i.session(c)
	if err != nil {
		return check.Report{}, err
	}
	secrets, err := s.lasting()
	if err != nil {
		return check.Report{}, err
	}
	o := leaks.Options{Secrets: secrets, Roots: c.Args().Slice(), History: c.Int("history")}
	if len(o.Roots) == 0 {
		root := "."
		if s.conf.File != "" {
			root = near(filepath.Dir(s.conf.File))
		}
		o.Roots, o.Temp, o.Histories, o.Processes, o.Containers = []string{root}, true, true, true, true
	}
	return leaks.Check(c.Context, o)
}

// lasting fetches what would be injected, and lets go of all that was had for that.
func (s *session) lasting() (secrets []leaks.Secret, err error) {
	s.once = once{on: true, force: true}
	status, err := s.export(func(r envsource.Result) error {
		all := r.Lasting()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			secrets = append(secrets, leaks.Secret{Name: name, Value: all[name], Files: s.filesOf(name)})
		}
		return errTaken
	})
	switch {
	case errors.Is(err, errTaken):
		return secrets, nil
	case err == nil && status.Signal != 0:
		return nil, errors.New("interrupted")
	}
	return nil, err
}

// filesOf are the files that a secret of envsource.Result's Lasting is read from, where it comes from files alone.
func (s *session) filesOf(name string) (files []string) {
	for _, r := range s.plan.Reads() {
		if r.Source == envsource.SourceFile && name == r.String()+"#"+envsource.FileField {
			return []string{r.Path}
		}
	}
	for _, e := range s.plan.Explain() {
		if e.Name != name {
			continue
		}
		for _, ref := range e.Sources {
			if ref.Read.Source == envsource.SourceVault {
				return nil
			}
			files = append(files, ref.Read.Path)
		}
	}
	return files
}
