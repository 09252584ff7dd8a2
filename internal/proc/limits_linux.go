package proc

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// EndWithThread has the child sent TERM when the thread that forks it ends.
func EndWithThread(attr *syscall.SysProcAttr) {
	if os.Getpid() != 1 {
		attr.Pdeathsig = syscall.SIGTERM
	}
}

// DieWithParent has this process, and the program that it executes next from this goroutine, sent TERM when parent,
// its parent, is gone; it reports false where that is so already. The setting is a thread's own, and of the threads
// of a process the one that calls execve is the one that stays: what was set at the fork is lost where that is
// another (prctl(2), execve(2)). The goroutine is locked to its thread by it.
func DieWithParent(parent int) bool {
	if parent == 1 {
		return true // as EndWithThread has it
	}
	runtime.LockOSThread()
	if unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0) != nil {
		return true
	}
	return os.Getppid() == parent
}

// AdoptOrphans has the kernel give this process the orphans among its descendants, as it gives them to PID 1
// (prctl(2), PR_SET_CHILD_SUBREAPER). The setting outlives an execve: who executes another program in place does not
// want it.
func AdoptOrphans() error {
	if os.Getpid() == 1 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// Harden makes this process unreadable for others of its user and keeps it from dumping core. It undoes neither:
// execve does (the dumpable flag), or the program that follows gets its own limits (LimitCore).
func Harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make vwrap unreadable: %w", err)
	}
	return nil
}

// Cores is what becomes of this process's memory where it crashes.
type Cores struct{ filter *os.File } // nil: a kernel without ELF_CORE has none

func openCores() Cores {
	f, err := os.OpenFile("/proc/self/coredump_filter", os.O_WRONLY, 0)
	if err != nil {
		return Cores{}
	}
	return Cores{f}
}

// Conceal is Harden for a process that does not know yet whether its core dumps are to be limited: /proc/self is no
// longer its own afterwards.
func Conceal() (Cores, error) {
	c := openCores()
	return c, Harden()
}

// Limit turns core dumps off for this process and what it executes, since a core has the environment in it. The soft
// limit is 1, which unlike 0 stops handlers behind a pipe too (core(5)), and the filter leaves every mapping out.
func (c Cores) Limit() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	limit.Cur = min(1, limit.Max)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	if c.filter != nil {
		_, _ = c.filter.WriteString("0")
	}
	return nil
}

// Close leaves core dumps as they are from now on.
func (c Cores) Close() {
	if c.filter != nil {
		_ = c.filter.Close()
	}
}

// LimitCore is Cores.Limit. It must come before Harden.
func LimitCore() error {
	c := openCores()
	defer c.Close()
	return c.Limit()
}

// maxString is the most that one argument or variable may take, its closing NUL included (MAX_ARG_STRLEN,
// execve(2)).
const maxString = 128 << 10

// maxTotal is the most that all arguments and variables may take: a quarter of the stack limit, at least one string,
// at most 6 MiB (execve(2)).
func maxTotal() uint64 {
	stack := uint64(8 << 20)
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_STACK, &limit) == nil {
		stack = limit.Cur
	}
	return min(max(stack/4, maxString), 6<<20)
}
