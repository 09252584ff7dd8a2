package proc

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// EndWithThread: there is no parent-death signal here. A command outlives a vwrap that is killed with KILL.
func EndWithThread(*syscall.SysProcAttr) {}

// DieWithParent reports whether parent is there still. More cannot be had here.
func DieWithParent(parent int) bool { return os.Getppid() == parent }

// AdoptOrphans: there are no subreapers here. Orphans go to launchd, which reaps them.
func AdoptOrphans() error { return nil }

// Harden keeps debuggers from this process (ptrace(2), PT_DENY_ATTACH).
func Harden() error {
	if err := unix.PtraceDenyAttach(); err != nil {
		return fmt.Errorf("make vwrap unreadable: %w", err)
	}
	return nil
}

// Cores is what becomes of this process's memory where it crashes.
type Cores struct{}

// Conceal is Harden.
func Conceal() (Cores, error) { return Cores{}, Harden() }

// Limit is LimitCore.
func (Cores) Limit() error { return LimitCore() }

// Close has nothing to close.
func (Cores) Close() {}

// LimitCore turns core dumps off for this process and what it executes, since a core has the environment in it.
func LimitCore() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	limit.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	return nil
}

// Limits of an exec: here there is none for one string, and one for all together (getconf ARG_MAX).
const (
	maxString = 1 << 20
	argMax    = 1 << 20
)

func maxTotal() uint64 { return argMax }
