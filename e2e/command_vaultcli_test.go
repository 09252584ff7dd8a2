package e2e

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vwrap/vwrap/e2e/built"
)

// vault-cli puts Vault's own program on the script's PATH, for `exec vault …`. The command `vault` stays what it is.
func vaultProgram(s *session, args []string) error {
	if len(args) != 0 {
		return usageError("vault-cli")
	}
	binary, err := built.VaultCLI()
	if err != nil {
		return err
	}
	dir := s.inWork("vault-cli")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "vault")); err != nil {
		return fmt.Errorf("link Vault's program: %w", err)
	}
	s.ts.Setenv("PATH", dir+string(os.PathListSeparator)+s.ts.Getenv("PATH"))
	return nil
}
