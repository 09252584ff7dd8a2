package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

func installCommand(i *invocation) *cli.Command {
	return &cli.Command{
		Name: "install", Usage: "copy this program into a folder", UsageText: "vwrap install FOLDER",
		Description: "Copy this program to FOLDER/vwrap, in place of one that is there. For an\ninitContainer whose image has nothing but vwrap.",
		Action:      func(c *cli.Context) error { return i.install(c) },
	}
}

// install copies this program into a folder.
func (i *invocation) install(c *cli.Context) error {
	if c.Args().Len() != 1 {
		return errors.New("say where to: vwrap install FOLDER")
	}
	return copySelf(c.Args().First())
}

// copySelf puts this program into folder as vwrap, beside its place first, so that one that runs there is not touched.
func copySelf(folder string) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	program, err := os.Open(path)
	if err != nil {
		return err
	}
	defer program.Close()
	staged, err := os.CreateTemp(folder, ".vwrap-*")
	if err != nil {
		return fmt.Errorf("install into %s: %w", folder, err)
	}
	_, err = io.Copy(staged, program)
	err = errors.Join(err, staged.Chmod(0o755), staged.Close())
	if err == nil {
		err = os.Rename(staged.Name(), filepath.Join(folder, "vwrap"))
	}
	if err != nil {
		_ = os.Remove(staged.Name())
		return fmt.Errorf("install into %s: %w", folder, err)
	}
	return nil
}
