package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
)

// glance is how often a wait looks whether it is to end.
const glance = 100 * time.Millisecond

// emptyIsOver: a pipe that nobody has opened for writing yet can be told from one that was closed without a byte.
const emptyIsOver = runtime.GOOS == "linux"

// Content reads the file at path, at most limit bytes. A pipe is waited for, until ctx ends: who feeds it may come later. Its errors
// wrap envsource's sentinels and never quote the content.
func Content(ctx context.Context, path string, limit int64) (string, error) {
	fd, err := open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", envsource.Mark(fmt.Errorf("%s: no such file", path), envsource.ErrMissing)
	case errors.Is(err, fs.ErrPermission):
		return "", envsource.Mark(fmt.Errorf("%s: permission denied", path), envsource.ErrDenied)
	case err != nil:
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	content, err := read(ctx, fd, limit)
	switch {
	case err != nil && ctx.Err() != nil && Pipe(path):
		return "", fmt.Errorf("%s: a pipe whose end has not come in time: somebody has to write into it, and close it", path)
	case err != nil:
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	case int64(len(content)) > limit:
		return "", fmt.Errorf("%s: longer than %d KiB", path, limit>>10)
	}
	return string(content), nil
}

// Pipe reports whether path is a pipe: one that is fed, and can be read once.
func Pipe(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

// open does not wait for who writes into a pipe: nothing could end that.
func open(path string) (fd int, err error) {
	for {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// read reads to the end, but for what is beyond limit: of that one byte at least.
func read(ctx context.Context, fd int, limit int64) (content []byte, err error) {
	buffer := make([]byte, min(limit+1, 32<<10))
	for int64(len(content)) <= limit {
		if err := arrival(ctx, fd); err != nil {
			return nil, err
		}
		n, err := unix.Read(fd, buffer)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case n == 0 && len(content) == 0 && awaited(fd):
			if err := pause(ctx); err != nil {
				return nil, err
			}
		case n == 0:
			return content, nil
		}
		content = append(content, buffer[:max(n, 0)]...)
	}
	return content, nil
}

// arrival waits until there is something to read, or nothing more to come.
func arrival(ctx context.Context, fd int) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(glance.Milliseconds()))
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// awaited reports whether what looks like the end of a file may be a pipe without a writer yet.
func awaited(fd int) bool {
	var stat unix.Stat_t
	return !emptyIsOver && unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(glance)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
