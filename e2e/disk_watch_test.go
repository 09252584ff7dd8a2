package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// fileWatch hears of every file of a file system that any process wrote to and closed, by fanotify(7), and looks into it then: also what
// is removed at once is seen.
type fileWatch struct {
	group *os.File
	not   string // a file that may have it
	found []string
	done  chan struct{}

	mu    sync.Mutex
	wants []string // what must be in no file
}

// add has something more looked for.
func (w *fileWatch) add(want string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wants = append(w.wants, want)
}

// longestLooked bounds what is read of a file: others on this machine write, too.
const longestLooked = 1 << 20

// watchFiles looks for what must be in no file on the file systems of places.
func watchFiles(t *testing.T, wants []string, not string, places ...string) *fileWatch {
	t.Helper()
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_QUEUE, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	check(t, err)
	for _, place := range places {
		check(t, unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, unix.FAN_CLOSE_WRITE, unix.AT_FDCWD, place))
	}
	w := &fileWatch{group: os.NewFile(uintptr(fd), "fanotify"), wants: wants, not: not, done: make(chan struct{})}
	go w.run()
	return w
}

// end stops looking, when what was written until now has been looked at, and says what was found.
func (w *fileWatch) end(t *testing.T) []string {
	t.Helper()
	last, err := os.CreateTemp(t.TempDir(), "last")
	check(t, err)
	_, err = io.WriteString(last, w.mark())
	check(t, errors.Join(err, last.Close())) // events come in their order
	<-w.done
	check(t, w.group.Close())
	return w.found
}

// mark is in the last file.
func (w *fileWatch) mark() string { return fmt.Sprintf("the last file that %p looks at", w) }

func (w *fileWatch) run() {
	defer close(w.done)
	events := make([]byte, 64<<10)
	text := make([]byte, longestLooked)
	for {
		n, err := w.group.Read(events)
		if err != nil {
			w.found = append(w.found, "fanotify: "+err.Error())
			return
		}
		last := false
		for rest := events[:n]; len(rest) >= unix.FAN_EVENT_METADATA_LEN; rest = rest[binary.NativeEndian.Uint32(rest):] {
			file := os.NewFile(uintptr(binary.NativeEndian.Uint32(rest[16:])), "written")
			last = w.look(file, text) || last
			file.Close()
		}
		if last {
			return
		}
	}
}

// look reads file, and reports whether it is the last one.
func (w *fileWatch) look(file *os.File, text []byte) (last bool) {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil || path == w.not {
		return false
	}
	n, err := file.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, want := range w.wants {
		if holds(string(text[:n]), want) {
			w.found = append(w.found, strings.TrimSuffix(path, " (deleted)")+" had a secret in it when it was closed")
		}
	}
	return strings.Contains(string(text[:n]), w.mark())
}
