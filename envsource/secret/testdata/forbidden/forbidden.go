// Package forbidden does what the linter forbids: .ci/lint looks whether it says so. Nothing builds it otherwise.
package forbidden

import (
	"fmt"
	"log"
	"os"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource/secret"
)

// Do has a line for each finding that is wanted, and says which.
func Do(token secret.Text, client *api.Client) { // want: only envsource/vault speaks to Vault (of the import)
	client.SetToken(token.Reveal())           // want: a token is shown to Vault
	fmt.Println("x")                          // want: goes through its log
	log.Printf("x")                           // want: goes through its log
	_ = os.WriteFile("x", nil, 0o600)         // want: no file is written
	if f, err := os.Create("x"); err == nil { // want: no file is written
		f.Close()
	}
	if f, err := os.CreateTemp("", "x"); err == nil { // want: no file is written
		f.Close()
	}
}
