package proc

import (
	"fmt"
	"os"
	"path/filepath"
)

// hasSocket looks at what the process has open (/proc/PID/fd, proc(5)).
func hasSocket(pid int, inode uint64) bool {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return false
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == fmt.Sprintf("socket:[%d]", inode) {
			return true
		}
	}
	return false
}
