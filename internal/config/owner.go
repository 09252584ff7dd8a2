package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrForeign is wrapped where a file that was found may be somebody else's: who can write it decides what is run with which secrets.
var ErrForeign = errors.New("is not trusted")

// ours refuses a file that others may have put where it was found: as git does with repositories of other owners (git-config(1),
// safe.directory). A file that is named by --config is read whosever it is.
func ours(file string) error {
	for _, part := range []struct {
		what, path string
		look       func(string) (os.FileInfo, error)
	}{
		{"its folder", filepath.Dir(file), os.Stat},
		{"it", file, os.Lstat}, // a link of somebody's to a file of this user's is not this user's choice
		{"it", file, os.Stat},
	} {
		info, err := part.look(part.path)
		if err != nil {
			return fmt.Errorf("find %s: %w", Name, err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		switch {
		case ok && !mine(int(stat.Uid)):
			return fmt.Errorf("%s %w: %s belongs to another user (uid %d): if it is meant, name it: --config %[1]s", file, ErrForeign, part.what, stat.Uid)
		case info.Mode()&os.ModeSymlink != 0: // whose mode means nothing
		case info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0:
			return fmt.Errorf("%s %w: every user can write %s: chmod o-w %s; or, if it is meant, name it: --config %[1]s", file, ErrForeign, part.what, part.path)
		}
	}
	return nil
}

// mine reports whether a user is this one, or root, or who has become root by sudo(8).
func mine(uid int) bool {
	if uid == os.Geteuid() || uid == 0 {
		return true
	}
	before, err := strconv.Atoi(os.Getenv("SUDO_UID"))
	return err == nil && os.Geteuid() == 0 && uid == before
}
