package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// buildPrograms puts vwrap and the programs that scripts wrap into the programs folder.
func buildPrograms() error {
	if given := os.Getenv("VWRAP_E2E_BIN"); given != "" {
		absolute, err := filepath.Abs(given)
		if err != nil {
			return fmt.Errorf("find VWRAP_E2E_BIN: %w", err)
		}
		if err := os.Symlink(absolute, filepath.Join(programs, "vwrap")); err != nil {
			return fmt.Errorf("link VWRAP_E2E_BIN: %w", err)
		}
	} else if err := goBuild("..", ".", filepath.Join(programs, "vwrap")); err != nil {
		return err
	}
	for _, name := range []string{"query-loop", "show-env"} {
		if err := goBuild(".", "./cmd/"+name, filepath.Join(programs, name)); err != nil {
			return err
		}
	}
	return nil
}

// goBuild builds the way releases are built: static, and without this machine's paths.
func goBuild(dir, target, output string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-o", output}, flags...)
	cmd := exec.Command("go", append(args, target)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w\n%s", target, dir, err, said)
	}
	return nil
}

// vaultBinary is the server that VWRAP_E2E_VAULT names, else vaultserver.
func vaultBinary() (string, error) {
	if given := os.Getenv("VWRAP_E2E_VAULT"); given != "" {
		return filepath.Abs(given)
	}
	return cachedBuild("vaultserver", "the Vault server")
}

// vaultCLI is the program that VWRAP_E2E_VAULTCLI names, else vaultcli.
var vaultCLI = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("VWRAP_E2E_VAULTCLI"); given != "" {
		return filepath.Abs(given)
	}
	return cachedBuild("vaultcli", "Vault's own command line")
})

// devvault is the program that VWRAP_E2E_DEVVAULT names, else that of its folder.
var devvault = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("VWRAP_E2E_DEVVAULT"); given != "" {
		return filepath.Abs(given)
	}
	return cachedBuild(filepath.Join("..", "devvault"), "devvault")
})

// cachedBuild builds the module of a folder, once for its sources, into the user's cache: a cold build takes minutes.
func cachedBuild(dir, what string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	digest, err := sourcesDigest(dir)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(cache, "vwrap-e2e", filepath.Base(dir)+"-"+digest)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	fmt.Fprintf(os.Stderr, "e2e: building %s into %s (once; some minutes and 500 MB of modules when cold)\n", what, binary)
	// Under a name of its own until it is whole: another run may be looking for it.
	partial := fmt.Sprintf("%s.%d", binary, os.Getpid())
	defer os.Remove(partial)
	if err := goBuild(dir, ".", partial, "-mod=readonly", "-ldflags=-s -w"); err != nil {
		return "", err
	}
	if err := os.Rename(partial, binary); err != nil {
		return "", fmt.Errorf("keep %s: %w", what, err)
	}
	return binary, nil
}

// sourcesDigest names a folder's Go sources, its pins and the compiler.
func sourcesDigest(dir string) (string, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", fmt.Errorf("list sources of %s: %w", dir, err)
	}
	digest := sha256.New()
	fmt.Fprintln(digest, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range append(sources, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")) {
		content, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read sources of %s: %w", dir, err)
		}
		fmt.Fprintf(digest, "%s %d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(digest.Sum(nil))[:16], nil
}
