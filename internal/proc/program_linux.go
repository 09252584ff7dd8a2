package proc

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LetGoOfProgram has the kernel take the pages of the program's file out of this process, those that can be read there
// again at any time (madvise(2), MADV_DONTNEED, of what is mapped without being writable). Most were used at start and
// will not be again; the others come back when they are used.
func LetGoOfProgram() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for _, m := range fileMappings(maps, self) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// fileMappings are those in proc_pid_maps(5) that are of the file self and cannot be written.
func fileMappings(maps io.Reader, self string) (all []mapping) {
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 6 || fields[5] != self || len(fields[1]) != 4 || fields[1][1] != '-' || fields[1][3] != 'p' {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		start, err := strconv.ParseUint(from, 16, int(8*unsafe.Sizeof(uintptr(0))))
		end, err2 := strconv.ParseUint(to, 16, int(8*unsafe.Sizeof(uintptr(0))))
		if err == nil && err2 == nil && start < end {
			all = append(all, mapping{uintptr(start), uintptr(end)})
		}
	}
	return all
}
