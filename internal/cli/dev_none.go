//go:build nodev

package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/courier"
)

// devHost is a command that this binary does not have.
const devHost = "__dev"

func serveDev() int { return courier.StatusFailed }

func devServers() []string { return nil }

func devCommand(i *invocation) *cli.Command {
	return &cli.Command{
		Name: "dev", Usage: "not in this binary, which was built without it (nodev)", UsageText: "vwrap dev", SkipFlagParsing: true,
		Action: func(*cli.Context) error {
			i.status = courier.StatusFailed
			return errors.New("vwrap dev is not in this binary: it was built with the tag nodev")
		},
	}
}
