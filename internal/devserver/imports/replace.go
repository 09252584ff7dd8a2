package imports

import (
	"bytes"
	"errors"
	"fmt"
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

// written is the path of a new file in dir that has text, on disk.
func written(dir, pattern string, text []byte, mode os.FileMode) (path string, err error) {
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
