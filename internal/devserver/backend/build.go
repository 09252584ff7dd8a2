package backend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// besides is a program that lies where vwrap does, or where BuildDevvault puts it; "" where there is none.
func besides(name string) string {
	var folders []string
	if self, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Dir(self))
	}
	if dir, err := cache(); err == nil {
		folders = append(folders, dir)
	}
	for _, dir := range folders {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

func cache() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "vwrap"), err
}

// module is devvault's, in vwrap's repository.
const module = "github.com/vwrap/vwrap/devvault"

// source is devvault's folder in the repository that vwrap was built in; "" where it lies elsewhere.
func source() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Join(filepath.Dir(self), "..", Devvault)
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(text), "module "+module+"\n") {
		return ""
	}
	return dir
}

// BuildDevvault builds devvault with the Go tools that are here, from the repository that vwrap lies in, else from the
// release of this version, and returns where it is.
func BuildDevvault(ctx context.Context, version string, tell func(string)) (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", errors.New("go is not on PATH: devvault is built by it (https://go.dev/dl)")
	}
	dir, err := cache()
	if err != nil {
		return "", fmt.Errorf("find a folder to build into: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, Devvault)
	cmd := exec.CommandContext(ctx, tool, "build", "-trimpath", "-mod=readonly", "-ldflags", "-s -w", "-o", path, ".")
	if cmd.Dir = source(); cmd.Dir == "" {
		cmd = exec.CommandContext(ctx, tool, "install", "-trimpath", "-ldflags", "-s -w", module+"@"+version)
	}
	tell("devvault is a Vault 1.13.2 (MPL-2.0) in one program of 79 MB. To build it, Go downloads 231 modules (400 MB), " +
		"if they are not here, and compiles for three minutes on two cores and for a gigabyte of memory; once")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+dir)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build devvault: go: %w", err)
	}
	return path, nil
}
