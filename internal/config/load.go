package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Name is what the file is called.
const Name = "vwrap.yaml"

// maxSize is the largest file that is read.
const maxSize = 1 << 20

// Here finds the vwrap.yaml of the working directory; "" where there is none. The error wraps ErrForeign where others may have put it
// there.
func Here() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find %s: %w", Name, err)
	}
	home, _ := os.UserHomeDir() // without one the repository's root ends the search
	file := Find(dir, home)
	if file == "" {
		return "", nil
	}
	return file, ours(file)
}

// Find walks up from dir to the first folder that is a repository's root (.git) or home, and returns the first
// vwrap.yaml on the way, or "". Where the way up meets neither, dir alone is looked at: a file in /tmp or / is
// nobody's project.
func Find(dir, home string) string {
	found := ""
	if home != "" {
		home = filepath.Clean(home)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if file := filepath.Join(at, Name); found == "" && isFile(file) {
			found = file
		}
		if exists(filepath.Join(at, ".git")) || at == home {
			return found
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	if file := filepath.Join(dir, Name); isFile(file) {
		return file
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Load reads the file at path with a profile laid over it ("" is none). With no path it returns Defaults. All that
// is wrong with the file is returned together, a line each; problems of the text are *Problem.
func Load(path, profile string) (Config, error) {
	if path == "" {
		if profile != "" {
			return Defaults(), fmt.Errorf("profile %s: there is no %s here that could have it", profile, Name)
		}
		return Defaults(), nil
	}
	file, err := filepath.Abs(path)
	if err != nil {
		return Defaults(), fmt.Errorf("find %s: %w", path, err)
	}
	text, err := read(file)
	if err != nil {
		return Defaults(), err
	}
	conf, err := parse(text, path, profile)
	conf.File = file
	dir := filepath.Dir(file)
	for i, f := range conf.Fallback {
		conf.Fallback[i] = relativeTo(dir, f)
	}
	for _, f := range []*string{
		&conf.Vault.Auth.SecretIDFile, &conf.Vault.Auth.TokenFile, &conf.Vault.Auth.JWTFile, &conf.Vault.Auth.PasswordFile,
	} {
		*f = relativeTo(dir, *f)
	}
	return conf, err
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("%s: larger than %d KiB", path, maxSize>>10)
	}
	return text, nil
}
