// Command prepare builds the servers that tests run, where they are not there yet: once for their sources, and some
// minutes each when cold, which is no test's time.
package main

import (
	"fmt"
	"os"

	"github.com/vwrap/vwrap/e2e/built"
)

func main() {
	for _, build := range []func() (string, error){built.Server, built.Devvault, built.VaultCLI} {
		program, err := build()
		if err != nil {
			fmt.Fprintln(os.Stderr, "prepare:", err)
			os.Exit(1)
		}
		fmt.Println("==", program)
	}
}
