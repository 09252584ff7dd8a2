// Package clock reads a clock that goes alike in all processes, so that one can say when and another how long since.
package clock

import (
	"syscall"
	"time"
	"unsafe"
)

const monotonic = 1 // CLOCK_MONOTONIC

// Now is the time since some fixed moment. (That of package time cannot be compared between processes.)
func Now() time.Duration {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&t)), 0) // never fails
	return time.Duration(t.Nano())
}
