package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/headstart"
)

// Errors of Resolve and CheckSize, told apart because a shell gives them different statuses.
var (
	// ErrNotFound: no such program; status 127.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable: it is there, but cannot be executed; status 126.
	ErrNotExecutable = errors.New("cannot be executed")
	// ErrTooBig: the kernel would refuse the environment (E2BIG).
	ErrTooBig = errors.New("too big")
)

// Resolve finds the program that name means with the given PATH, as execvp(3) does.
func Resolve(name, path string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%q: %w", name, ErrNotFound)
	}
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	var refused error
	for dir := range strings.SplitSeq(path, ":") {
		file := filepath.Join(dir, name)
		if dir == "" || dir == "." {
			file = "./" + name
		}
		switch err := executable(file); {
		case err == nil:
			return file, nil
		case errors.Is(err, ErrNotExecutable) && refused == nil:
			refused = err
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", fmt.Errorf("%s: %w", name, ErrNotFound)
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%s: %w", file, ErrNotFound)
	case err != nil:
		return fmt.Errorf("%s: %w: %w", file, ErrNotExecutable, errors.Unwrap(err))
	case info.IsDir():
		return fmt.Errorf("%s: %w: it is a directory", file, ErrNotExecutable)
	}
	if err := unix.Access(file, unix.X_OK); err != nil {
		return fmt.Errorf("%s: %w: permission denied", file, ErrNotExecutable)
	}
	return nil
}

// CheckSize returns an error wrapping ErrTooBig where the kernel would refuse to execute argv with env: a string
// over 128 KiB, or all of them over a quarter of the stack limit, at most 6 MiB. It names the variable, and the
// largest ones where it is the sum.
func CheckSize(argv, env []string) error {
	total := uint64(0)
	largest, size := "", 0
	for i, s := range append(append([]string(nil), argv...), env...) {
		name := fmt.Sprintf("argument %d", i)
		if i >= len(argv) {
			name, _, _ = strings.Cut(s, "=")
		}
		if len(s)+1 > maxString {
			return fmt.Errorf("%s: %w: %d KiB, the kernel takes at most %d KiB in one string", name, ErrTooBig, len(s)>>10, maxString>>10)
		}
		if len(s) > size {
			largest, size = name, len(s)
		}
		total += uint64(len(s)) + 1 + 8
	}
	if most := maxTotal(); total > most {
		return fmt.Errorf("the environment and the arguments: %w: %d KiB, the kernel takes at most %d KiB (largest: %s with %d KiB)",
			ErrTooBig, total>>10, most>>10, largest, size>>10)
	}
	return nil
}

// Exec replaces this process by the program in file. It returns only where that fails. A file that the kernel
// does not know how to execute is given to /bin/sh, as execvp(3) does.
func Exec(file string, argv, env []string) error {
	headstart.RestoreSlack()
	err := syscall.Exec(file, argv, env)
	if errors.Is(err, unix.ENOEXEC) {
		return syscall.Exec("/bin/sh", append([]string{"/bin/sh", file}, argv[1:]...), env)
	}
	return err
}
