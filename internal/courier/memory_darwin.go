package courier

import (
	"crypto/rand"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newMemoryFile makes an empty memory file: POSIX shared memory (shm_open(2)) whose name is taken away at once. There
// are no seals here; nobody but vwrap ever has the descriptor.
func newMemoryFile() (*os.File, error) {
	name, err := syscall.BytePtrFromString("/vwrap-" + rand.Text()[:16]) // 31 bytes at most (PSHMNAMLEN)
	if err != nil {
		return nil, err
	}
	fd, _, errno := syscall.Syscall(syscall.SYS_SHM_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600) //nolint:staticcheck // there is no other way without C
	if errno != 0 {
		return nil, fmt.Errorf("make a memory file: %w", errno)
	}
	_, _, _ = syscall.Syscall(syscall.SYS_SHM_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0) //nolint:staticcheck // as above
	unix.CloseOnExec(int(fd))
	return os.NewFile(fd, "generation"), nil
}

// fill lays text into an empty memory file, behind its length: the file's own is in whole pages. It can be given a
// size only once.
func fill(f *os.File, text []byte) error {
	const header = 8
	if err := unix.Ftruncate(int(f.Fd()), int64(header+len(text))); err != nil {
		return fmt.Errorf("size the memory file: %w", err)
	}
	pages, err := unix.Mmap(int(f.Fd()), 0, header+len(text), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("write the memory file: %w", err)
	}
	for i := range header {
		pages[i] = byte(len(text) >> (8 * i))
	}
	copy(pages[header:], text)
	return unix.Munmap(pages)
}

// content reads a memory file.
func content(f *os.File) ([]byte, error) {
	const header = 8
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil || stat.Size < header {
		return nil, fmt.Errorf("read the memory file: it is empty")
	}
	pages, err := unix.Mmap(int(f.Fd()), 0, int(stat.Size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("read the memory file: %w", err)
	}
	length := 0
	for i := range header {
		length |= int(pages[i]) << (8 * i)
	}
	text := append([]byte(nil), pages[header:header+min(length, len(pages)-header)]...)
	return text, unix.Munmap(pages)
}

// sealed reports whether f was filled.
func sealed(f *os.File) bool {
	var stat unix.Stat_t
	return unix.Fstat(int(f.Fd()), &stat) == nil && stat.Size > 0
}

// room is how many bytes a pipe takes that has a heading in it, without waiting for anybody: that is not known.
func room(*os.File) int { return 0 }
