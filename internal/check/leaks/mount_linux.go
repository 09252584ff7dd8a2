package leaks

import (
	"os"
	"slices"
	"syscall"
)

// Of linux/magic.h: proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, devpts, bpf, configfs, pstore, efivarfs, binfmt_misc.
var pseudoTypes = []int64{
	0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0x1cd1, 0xcafe4a11, 0x62656570, 0x6165676c, 0xde5e81e4, 0x42494e4d,
}

// pseudo reports whether a directory is where the kernel shows itself: that is not at rest, and some of it never ends. The
// device is that of the walk's root: only what is mounted somewhere in it is asked about.
func pseudo(path string, of uint64) bool {
	if device(path) == of {
		return false
	}
	var s syscall.Statfs_t
	return syscall.Statfs(path, &s) == nil && slices.Contains(pseudoTypes, int64(s.Type))
}

func device(path string) uint64 {
	info, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	return uint64(info.Sys().(*syscall.Stat_t).Dev)
}
