package headstart

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	c := forked()
	switch wanted := wanted(os.Args, os.Environ(), there); {
	case c != nil && wanted:
		started = c
	case c != nil:
		c.abandon()
	case wanted && !parent():
		started = Start()
	}
}

// abandon ends a courier that is not needed after all.
func (c *Courier) abandon() {
	_ = unix.Kill(c.PID, unix.SIGKILL)
	for _, fd := range []int{c.Orders, c.Report, c.Gate, c.Memory} {
		_ = unix.Close(fd)
	}
	_, _ = unix.Wait4(c.PID, nil, 0, nil)
}

// parent reports whether this process has children already, its executor's: they would have to be told apart.
func parent() bool {
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != unix.ECHILD //nolint:errorlint // a bare errno
}

// Start starts a courier in a process group of its own; nil where that cannot be done: then it is tried, and told, later.
func Start() *Courier {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) != nil {
		return nil // Linux before 5.11
	}
	var orders, report, gate [2]int
	for _, pipe := range []*[2]int{&orders, &report, &gate} {
		if unix.Pipe2(pipe[:], unix.O_CLOEXEC) != nil {
			return nil
		}
	}
	memory, err := MemoryFile()
	if err != nil {
		return nil
	}
	attr := &syscall.ProcAttr{
		Env:   Environ(),
		Files: []uintptr{0, 1, 2, uintptr(orders[0]), uintptr(report[1]), uintptr(gate[0]), uintptr(memory), uintptr(memory)},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	if os.Getpid() != 1 {
		attr.Sys.Pdeathsig = syscall.SIGTERM // of the main thread, which stays as long as the process does
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"vwrap", Argument}, attr)
	if err != nil {
		return nil
	}
	for _, theirs := range []int{orders[0], report[1], gate[0]} {
		_ = unix.Close(theirs)
	}
	return &Courier{PID: pid, Orders: orders[1], Report: report[0], Gate: gate[1], Memory: memory}
}

// MemoryFile makes an empty memory file: pages of the kernel that have no name and are mapped by nobody.
func MemoryFile() (fd int, err error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err = unix.MemfdCreate("vwrap-generation", flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { //nolint:errorlint // a bare errno; before Linux 6.3 there is no MFD_NOEXEC_SEAL
		fd, err = unix.MemfdCreate("vwrap-generation", flags)
	}
	return fd, err
}
