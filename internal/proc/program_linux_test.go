package proc

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestFileMappings(t *testing.T) {
	const maps = `00400000-00401000 r--p 00000000 fe:00 1 /usr/bin/vwrap
00401000-00a00000 r-xp 00001000 fe:00 1 /usr/bin/vwrap
00a00000-00b00000 rw-p 00600000 fe:00 1 /usr/bin/vwrap
c000000000-c000400000 rw-p 00000000 00:00 0
7f0000000000-7f0000001000 r--p 00000000 fe:00 2 /usr/lib/libc.so.6
7f0000002000-7f0000003000 r--s 00000000 00:01 9 /memfd:vwrap-generation (deleted)
7ffe00000000-7ffe00001000 r-xp 00000000 00:00 0 [vdso]
zzz r--p 0 0 0 /usr/bin/vwrap
`
	want := []mapping{{0x400000, 0x401000}, {0x401000, 0xa00000}}
	if got := fileMappings(strings.NewReader(maps), "/usr/bin/vwrap"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func FuzzFileMappings(f *testing.F) {
	f.Add("00400000-00401000 r--p 00000000 fe:00 1 /usr/bin/vwrap\n", "/usr/bin/vwrap")
	f.Add("2-1 r-xp 0 0 0 a\nffffffffffffffffff-1 r-xp 0 0 0 a\n", "a")
	f.Fuzz(func(t *testing.T, maps, self string) {
		for _, m := range fileMappings(strings.NewReader(maps), self) {
			if m.start >= m.end {
				t.Errorf("%x", m)
			}
		}
	})
}

// What is let go is gone, and comes back.
func TestLetGo(t *testing.T) {
	before := residentFile(t)
	LetGoOfProgram()
	if after := residentFile(t); after >= before {
		t.Errorf("%d KiB of files are in memory, %d before", after, before)
	}
}

func residentFile(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssFile:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
