package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/config"
)

// trust approves the address that vwrap.yaml names for that file; said so, that of its manifest's server.
func (i *invocation) trust(c *cli.Context) error {
	conf, err := load(c)
	if err != nil {
		return err
	}
	if conf.File == "" {
		return errors.New("there is no vwrap.yaml here: an address is approved for a file that names it")
	}
	named := conf.Vault.Address
	address := c.Args().First()
	switch {
	case c.Args().Len() > 1:
		return errors.New("one address at most: vwrap trust [ADDRESS]")
	case address == "":
		address = named
	}
	if address == "" {
		return fmt.Errorf("%s names no vault.address: there is nothing to approve", conf.File)
	}
	want, err := config.NormalizeAddress(address)
	if err != nil {
		return err
	}
	if has, err := config.NormalizeAddress(named); (err != nil || has != want) && want != conf.ManifestServer() {
		return fmt.Errorf("%s names the address %q, not %q: run \"vwrap trust\" after you have looked at it", conf.File, named, address)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return fmt.Errorf("find your config folder: %w", err)
	}
	if err := config.Approve(dir, conf.File, address); err != nil {
		return err
	}
	i.status = 0
	_, err = fmt.Fprintf(os.Stderr, "vwrap: credentials may go to %s while %s names it\n", want, conf.File)
	return err
}

// trustManifest refuses to send the manifest's token to a server that vwrap.yaml alone names, and nobody has approved.
func trustManifest(c *cli.Context, conf config.Config) error {
	if c.String("manifest-token") == "" || c.String("manifest") != "" || !strings.Contains(conf.Check.Manifest, "://") {
		return nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = ""
	}
	return config.TrustedManifest(conf, dir)
}
