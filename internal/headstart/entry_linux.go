//go:build amd64 || arm64

package headstart

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// early is what vwrap_entry leaves behind.
type early struct {
	pid         int32           // of the courier; -1: this is it; 0: there is none
	memory      int32           // a memory file, and
	pipes       [3][2]int32     // the pipes of the orders, the report and the gate, as far as they were made
	arguments   *[1 << 20]*byte // in the courier: what vwrap was executed with; nil ends it
	environment *[1 << 20]*byte // and its environment, whose texts stand behind those
	slack       int64           // of vwrap's timers, in nanoseconds, before it was set; 0: it was not
}

// begun is all zero where the linker was not told of vwrap_entry, or that saw no reason for a courier.
var begun early

// forked returns the courier that vwrap_entry has begun, to the process that is not it; nil where there is none.
func forked() *Courier {
	orders, report, gate := begun.pipes[0], begun.pipes[1], begun.pipes[2]
	switch {
	case begun.pid > 0:
		closeAll(orders[0], report[1], gate[0])
		return &Courier{PID: int(begun.pid), Orders: int(orders[1]), Report: int(report[0]), Gate: int(gate[1]), Memory: int(begun.memory)}
	case begun.pid < 0:
		closeAll(orders[1], report[0], gate[1])
		become(Descriptors{Orders: int(orders[0]), Report: int(report[1]), Gate: int(gate[0]), Memory: int(begun.memory), Carry: int(begun.memory)})
	default:
		closeAll(begun.memory, orders[0], orders[1], report[0], report[1], gate[0], gate[1])
	}
	return nil
}

// RestoreSlack gives this thread, and what it starts or executes, the slack of timers that vwrap was executed with. The
// goroutine is locked to its thread by it, where that was another.
func RestoreSlack() {
	if begun.slack > 0 {
		runtime.LockOSThread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(begun.slack), 0, 0, 0)
	}
}

func closeAll(fds ...int32) {
	for _, fd := range fds {
		if fd > 0 {
			_ = unix.Close(int(fd))
		}
	}
}

// become does for the courier what else is done on the way to an execve. What vwrap was left open is left until the
// command's.
func become(d Descriptors) {
	descriptors = d
	if os.Getppid() != 1 {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
	}
	forget()
}

// forget takes the texts away that vwrap was executed with, and has ps(1) show a courier. Where these are shorter than that
// takes, it is longer than the kernel was told, which then looks for its end (proc_pid_cmdline(5)).
func forget() {
	for _, texts := range []*[1 << 20]*byte{begun.environment, begun.arguments} {
		for i := 0; texts[i] != nil; i++ {
			for c := unsafe.Pointer(texts[i]); *(*byte)(c) != 0; c = unsafe.Add(c, 1) {
				*(*byte)(c) = 0
			}
		}
	}
	const shown = "vwrap " + Argument
	copy(unsafe.Slice(begun.arguments[0], len(shown)), shown)
}
