package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/vwrap/vwrap/e2e/built"
)

// buildPrograms puts vwrap and the programs that scripts wrap into the programs folder.
func buildPrograms() error {
	binary, err := built.Vwrap(scratch)
	if err != nil {
		return fmt.Errorf("find vwrap: %w", err)
	}
	if err := os.Symlink(binary, filepath.Join(programs, "vwrap")); err != nil {
		return fmt.Errorf("link vwrap: %w", err)
	}
	for _, name := range []string{"query-loop", "show-env"} {
		if err := built.Build(".", "./cmd/"+name, filepath.Join(programs, name)); err != nil {
			return err
		}
	}
	return nil
}

// leakyVwrap is a vwrap that does what none may do, where leak says: see ../envsource/secret/leak.go.
func leakyVwrap(t *testing.T, leak string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "vwrap")
	check(t, built.Build("..", ".", program, "-tags", "urfave_cli_no_docs,leaky", "-ldflags", "-X github.com/vwrap/vwrap/envsource/secret.leak="+leak))
	return program
}
