// Command vwrap runs a program with short-lived secrets from Vault or OpenBao, and keeps them alive.
package main

import (
	"os"

	"github.com/vwrap/vwrap/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
