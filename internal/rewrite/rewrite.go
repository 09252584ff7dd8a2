// Package rewrite puts a text where another was, or where none was, so that nothing of somebody's is lost: a file is replaced only
// while it is what its reader saw, and nobody ever sees half of one.
package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrChanged is returned where a file is not what it was when it was read.
var ErrChanged = errors.New("the file has changed meanwhile: nothing is written")

// Replace makes new of the file at path, which has to be old still: by a new file beside it with the same mode, which then takes its
// name, so that nobody sees half of it. A link is followed: what it leads to is replaced.
func Replace(path string, old, new []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("rewrite: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("rewrite: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("rewrite %s: not a file", path)
	}
	beside, err := written(filepath.Dir(path), "."+filepath.Base(path)+".*", new, info.Mode().Perm())
	if err != nil {
		return fmt.Errorf("rewrite %s: %w", path, err)
	}
	defer os.Remove(beside) // gone already where all went well
	switch now, err := os.ReadFile(path); {
	case err != nil:
		return fmt.Errorf("rewrite: %w", err)
	case !bytes.Equal(now, old):
		return fmt.Errorf("rewrite %s: %w", path, ErrChanged)
	}
	if err := os.Rename(beside, path); err != nil {
		return fmt.Errorf("rewrite: %w", err)
	}
	return nil
}

// Suffix ends the name under which what a file had is kept, where that may be nowhere else.
const Suffix = ".before-vwrap"

// Keep writes text beside path, for its owner alone, under path's name and Suffix. What was kept there before stays, and is an error.
func Keep(path string, text []byte) error {
	kept := path + Suffix
	err := Create(kept, text, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there: it may have values that are nowhere else: move it away", kept)
	}
	return err
}

// Create makes a file that is not there yet. Errors wrap fs.ErrExist where it is.
func Create(path string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}

// written is the path of a new file in dir that has text, on disk.
func written(dir, pattern string, text []byte, mode fs.FileMode) (path string, err error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}
