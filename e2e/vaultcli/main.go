// Command vaultcli is the `vault` program of Vault 1.13.2, whole: its command line, and its server. End-to-end tests
// drive the embedded development server with it, to see that what people type at a real Vault works there too.
//
// Vault 1.13.2 is licensed under the MPL-2.0. The program is for tests alone: it is a module of its own, nothing in
// vwrap imports it, and it is never shipped.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:]))
}
