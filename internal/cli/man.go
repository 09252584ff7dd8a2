package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/manual"
)

func manCommand(i *invocation) *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "print the manual page", UsageText: "vwrap man",
		Description: "Print vwrap(1), the manual page, for man(1).",
		Action:      func(c *cli.Context) error { return i.man(c) },
	}
}

// man prints the manual page: what --help says of every command, and what is true for all.
func (i *invocation) man(c *cli.Context) error {
	if c.Args().Present() {
		return fmt.Errorf("there is one manual page: vwrap man, not vwrap man %s", shellLine(c.Args().Slice()))
	}
	var pages []manual.Page
	var add func(all []*cli.Command)
	add = func(all []*cli.Command) {
		for _, command := range all {
			page := commandPage(command)
			if page.Name == "vwrap run" {
				page.About, page.Groups = "The same as vwrap alone, with the same options.", nil
			}
			pages = append(pages, page)
			add(command.Subcommands)
		}
	}
	add(c.App.Commands)
	_, err := io.WriteString(c.App.Writer, manual.Roff(release, "run a command with secrets from Vault or OpenBao", appPage(c.App), pages, manualSections()))
	return err
}

// manualSections are what no command's help says.
func manualSections() []manual.Section {
	return []manual.Section{
		{Title: "Exit status", About: "That of the command, for vwrap, run, exec and dev; and:", Entries: []manual.Entry{
			{Name: "128+N", Text: "signal N ended the command"},
			{Name: "125", Text: "vwrap itself failed, before the command was run"},
			{Name: "126, 127", Text: "the command cannot be executed, or was not found"},
			{Name: "75", Text: "with --on-rotate exit: a value has changed, and vwrap is to be started anew"},
			{Name: "0, 1, 2", Text: "of check: clean, drift, could not be checked; of status: healthy, unhealthy, nothing runs here"},
		}},
		{Title: "Environment", Entries: []manual.Entry{
			{Name: "VWRAP_...", Text: "each flag of vwrap, run and export has such a twin: VWRAP_STOP_GRACE is --stop-grace"},
			{Name: "VAULT_ADDR, BAO_ADDR", Text: "where Vault is, before vwrap.yaml's vault.address"},
			{Name: "VAULT_TOKEN, VAULT_TOKEN_FILE, VAULT_NAMESPACE, VAULT_CACERT, ...", Text: "as for Vault's own command line; the command gets none of those that are credentials"},
			{Name: "VWRAP_RUNTIME_DIR, XDG_RUNTIME_DIR", Text: "where the sockets of the vwrap that runs are"},
		}},
		{Title: "Files", Entries: []manual.Entry{
			{Name: "vwrap.yaml", Text: "what is injected, and how it is kept alive; looked for up to the root of the repository"},
			{Name: "~/.vault-token", Text: "the token, where the environment has none"},
			{Name: "~/.config/vwrap/trust.json", Text: "the addresses that were approved by vwrap trust"},
		}},
	}
}
