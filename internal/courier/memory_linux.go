package courier

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/internal/headstart"
)

// seals are what a memory file has before anybody relies on it: it cannot be written, grown, shrunk or unsealed.
const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// newMemoryFile makes an empty memory file.
func newMemoryFile() (*os.File, error) {
	fd, err := headstart.MemoryFile()
	if err != nil {
		return nil, fmt.Errorf("make a memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), "generation"), nil
}

// fill writes text into an empty memory file and seals that.
func fill(f *os.File, text []byte) error {
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("write the memory file: %w", err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal the memory file: %w", err)
	}
	return nil
}

// content reads a memory file, and leaves its offset alone: that is shared by all who have the file.
func content(f *os.File) ([]byte, error) { return io.ReadAll(io.NewSectionReader(f, 0, 1<<40)) }

// sealed reports whether f has all seals.
func sealed(f *os.File) bool {
	secret.LeakFile("supervisor", f) // nothing, but in a build for tests
	got, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	return err == nil && got&seals == seals
}

// room is how many bytes a pipe takes that has a heading in it, without waiting for anybody.
func room(f *os.File) int {
	size, err := unix.FcntlInt(f.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return 0
	}
	return size - os.Getpagesize() // a pipe has pages, and what is written to it has its own (pipe(7))
}
