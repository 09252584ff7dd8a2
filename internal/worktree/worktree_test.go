package worktree

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A work tree's own configuration has nothing run: plain git runs its monitor.
func TestNothingIsRun(t *testing.T) {
	dir := t.TempDir()
	planted := filepath.Join(dir, "planted")
	script := filepath.Join(dir, "monitor")
	plain := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	plain("init", "--quiet")
	plain("config", "core.fsmonitor", script)
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch '"+planted+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	plain("-c", "core.fsmonitor=false", "add", "monitor")
	for _, args := range [][]string{{"ls-files", "-z", "--cached"}, {"ls-files", "--stage"}, {"check-ignore", "monitor"}, {"rev-parse", "--git-common-dir"}} {
		if err := Git(t.Context(), exec.CommandContext, dir, args...).Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Errorf("git %v: %v", args, err)
		}
		if _, err := os.Stat(planted); err == nil {
			t.Fatalf("git %v has run the monitor", args)
		}
	}
	plain("ls-files", "--cached")
	if _, err := os.Stat(planted); err != nil {
		t.Error("plain git runs no monitor either: nothing is shown by this test")
	}
}

// Which repository a hook is run for is nothing to who asks about another.
func TestAnotherRepository(t *testing.T) {
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "none"))
	dir := t.TempDir()
	if out, err := Git(t.Context(), exec.CommandContext, dir, "init", "--quiet").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		t.Error(err)
	}
}
