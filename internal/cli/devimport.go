//go:build !nodev

package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/devserver/host"
	"github.com/vwrap/vwrap/internal/devserver/imports"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/rewrite"
)

// importOf is what --from-env asks for.
func importOf(c *cli.Context) (*host.Import, error) {
	file := c.String("from-env")
	if file == "" {
		return nil, nil
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("--from-env: %w", err)
	}
	folder := regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(filepath.Base(filepath.Dir(file)), "-")
	return &host.Import{File: file, Path: cmp.Or(c.String("path"), "secret/dev/"+cmp.Or(strings.Trim(folder, "-."), "app"))}, nil
}

// addImport has the command get every variable of the imported file.
func (s *session) addImport(i *host.Import) error {
	secret, err := from(i.Path)
	if err != nil {
		return err
	}
	secret.Origin = "--from-env"
	s.input.Secrets = append(s.input.Secrets, secret)
	return nil
}

// tellImport prints the references that replace what was imported, and, asked to, puts them in its place.
func tellImport(ctx context.Context, c *cli.Context, i *host.Import) error {
	f, text, err := i.Read()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "# %s, in references:\n%s\n", filepath.Base(i.File), strings.Join(f.References(), "\n"))
	if !c.Bool("rewrite") || len(f.Moves) == 0 {
		return nil
	}
	name := c.String("from-env")
	fmt.Fprintf(proc.Stderr{}, "%s", f.Diff(name))
	if !c.Bool("yes") {
		fmt.Fprintf(proc.Stderr{}, "write this to %s, and keep what it was as %s? [y/N] ", name, filepath.Base(name)+rewrite.Suffix)
		if !agrees(ctx) {
			fmt.Fprintf(proc.Stderr{}, "vwrap: %s is left as it is\n", name)
			return nil
		}
	}
	return putReferences(name, i.File, f, text)
}

// agrees reads an answer, until ctx ends.
func agrees(ctx context.Context) bool {
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an end is no
		answer <- line
	}()
	select {
	case line := <-answer:
		return strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y")
	case <-ctx.Done():
		return false
	}
}

func putReferences(name, file string, f imports.File, text []byte) error {
	if err := rewrite.Keep(file, text); err != nil {
		return fmt.Errorf("--rewrite: %w", err)
	}
	if err := rewrite.Replace(file, text, f.Rewritten()); err != nil {
		os.Remove(file + rewrite.Suffix)
		return err
	}
	fmt.Fprintf(proc.Stderr{}, "vwrap: %s has references now; its values are in %s until you have put them where they belong\n", name, filepath.Base(file)+rewrite.Suffix)
	return nil
}
