// Package built finds the programs that tests run, and builds those that are not there: vwrap each time, servers once for
// their sources.
package built

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// Vwrap is the program that VWRAP_E2E_BIN names, else one that is built into dir.
func Vwrap(dir string) (string, error) {
	if given := os.Getenv("VWRAP_E2E_BIN"); given != "" {
		return filepath.Abs(given)
	}
	program := filepath.Join(dir, "vwrap-built")
	return program, Build("..", ".", program)
}

// Server is the server that VWRAP_E2E_VAULT names, else vaultserver.
func Server() (string, error) { return given("VWRAP_E2E_VAULT", "vaultserver", "the Vault server") }

// VaultCLI is the program that VWRAP_E2E_VAULTCLI names, else vaultcli.
var VaultCLI = sync.OnceValues(func() (string, error) { return given("VWRAP_E2E_VAULTCLI", "vaultcli", "Vault's own program") })

// Devvault is the program that VWRAP_E2E_DEVVAULT names, else devvault.
var Devvault = sync.OnceValues(func() (string, error) {
	return given("VWRAP_E2E_DEVVAULT", filepath.Join("..", "devvault"), "devvault")
})

func given(variable, dir, what string) (string, error) {
	if program := os.Getenv(variable); program != "" {
		return filepath.Abs(program)
	}
	return cached(dir, what)
}

// Build builds a package the way releases are built: static, and without this machine's paths. dir is relative to the
// module's folder.
func Build(dir, target, output string, flags ...string) error {
	root, err := root()
	if err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-o", output}, flags...)
	cmd := exec.Command("go", append(args, target)...)
	cmd.Dir = filepath.Join(root, dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w\n%s", target, dir, err, said)
	}
	return nil
}

// root is the folder of this module: tests run in the folders of their packages.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("find the module: there is no go.mod above the working directory")
}

// cached builds the module of a folder, once for its sources, into the user's cache: a cold build takes minutes.
func cached(dir, what string) (string, error) {
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
	fmt.Fprintf(os.Stderr, "building %s into %s (once; some minutes and 500 MB of modules when cold)\n", what, binary)
	// Under a name of its own until it is whole: another run may be looking for it.
	partial := fmt.Sprintf("%s.%d", binary, os.Getpid())
	defer os.Remove(partial)
	if err := Build(dir, ".", partial, "-mod=readonly", "-ldflags=-s -w"); err != nil {
		return "", err
	}
	if err := os.Rename(partial, binary); err != nil {
		return "", fmt.Errorf("keep %s: %w", what, err)
	}
	return binary, nil
}

// sourcesDigest names a folder's Go sources, its pins and the compiler.
func sourcesDigest(dir string) (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return "", fmt.Errorf("list sources of %s: %w", dir, err)
	}
	digest := sha256.New()
	fmt.Fprintln(digest, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range append(sources, filepath.Join(root, dir, "go.mod"), filepath.Join(root, dir, "go.sum")) {
		content, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read sources of %s: %w", dir, err)
		}
		fmt.Fprintf(digest, "%s %d\n%s", filepath.Base(name), len(content), content)
	}
	return hex.EncodeToString(digest.Sum(nil))[:16], nil
}
