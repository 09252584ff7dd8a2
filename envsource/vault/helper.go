package vault

import (
	"fmt"

	"github.com/hashicorp/vault/api/cliconfig"
	"github.com/hashicorp/vault/api/tokenhelper"
)

// HelperCommand is the program that Vault's own client gets its token from, where ~/.vault names one (token_helper), with
// its arguments; nil where there is none (https://developer.hashicorp.com/vault/docs/commands/token-helper).
func HelperCommand() ([]string, error) {
	helper, err := cliconfig.DefaultTokenHelper()
	if err != nil {
		return nil, fmt.Errorf("find the token helper that ~/.vault names (is it there?): %w", err)
	}
	if external, ok := helper.(*tokenhelper.ExternalTokenHelper); ok {
		return append(append([]string{external.BinaryPath}, external.Args...), "get"), nil
	}
	return nil, nil
}
