package e2e

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/e2e/built"
	"github.com/vwrap/vwrap/internal/devserver"
)

// TestVaultCLIUnseals: the embedded server is sealed and unsealed by Vault's own program. Its key is told to nobody who
// runs vwrap dev, so this is no script.
func TestVaultCLIUnseals(t *testing.T) {
	t.Parallel()
	binary, err := built.VaultCLI()
	check(t, err)
	server := devserver.New("root-token")
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	vault := func(args ...string) string {
		cmd := exec.Command(binary, args...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "VAULT_ADDR=" + listener.URL, "VAULT_TOKEN=root-token"}
		said, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); err != nil && code != 2 { // 2 is sealed, for vault status
			t.Fatalf("vault %s: %v\n%s", strings.Join(args, " "), err, said)
		}
		return string(said)
	}
	vault("kv", "put", "secret/a", "x=kept")
	vault("operator", "seal")
	if said := vault("status"); !strings.Contains(said, "Unseal Progress    0/1") {
		t.Errorf("sealed: %s", said)
	}
	vault("operator", "unseal", server.UnsealKey())
	if said := vault("kv", "get", "-field=x", "secret/a"); strings.TrimSpace(said) != "kept" {
		t.Errorf("unsealed: %s", said)
	}
}
