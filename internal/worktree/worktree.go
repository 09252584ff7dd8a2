// Package worktree asks git about a work tree that may be somebody else's: what the tree's own configuration has git run is not run.
package worktree

import (
	"context"
	"os/exec"
	"slices"
	"strings"
)

// Maker makes a command, as exec.CommandContext does.
type Maker func(ctx context.Context, name string, args ...string) *exec.Cmd

// Git is a command of git's in the folder dir. It writes nothing (no index is refreshed, nothing fetched) and runs nothing (no
// monitor). What a hook's environment says of the repository is for another one.
func Git(ctx context.Context, make Maker, dir string, args ...string) *exec.Cmd {
	cmd := make(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, args...)...)
	cmd.Env = slices.DeleteFunc(cmd.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") && !strings.HasPrefix(v, "GIT_CONFIG_") })
	cmd.Env = append(cmd.Env, "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1", "GIT_NO_REPLACE_OBJECTS=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	return cmd
}
