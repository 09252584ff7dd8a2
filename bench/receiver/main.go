// Command receiver is the wrapped program whose begin, signals and end are timed. It writes what happened, and when by
// the clock that the measurement reads too, to stdout: the way of the answer then is no part of what is measured.
//
//	receiver signals NUMBER...   answers each of these signals, and the moment it is ready with a 0
//	receiver exit DURATION       rests, writes when it ends, and ends
//	receiver first               writes when it began, with a 0, and ends
//	receiver lives               writes when it began, with a 0, and when it ends by a TERM
//
// An answer is two numbers of 8 bytes: the signal and the time in nanoseconds.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/vwrap/vwrap/bench/clock"
)

// began is read before anything else of this program, which is its first instruction as far as Go lets it.
var began = clock.Now()

func main() {
	fmt.Fprintln(os.Stderr, "receiver:", run(os.Args[1:]))
	os.Exit(125)
}

// run returns only where it fails.
func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "exit":
		rest, err := time.ParseDuration(args[1])
		if err != nil {
			return fmt.Errorf("read arguments: %w", err)
		}
		return exit(rest)
	case len(args) == 1 && args[0] == "first":
		return last(0, began)
	case len(args) == 1 && args[0] == "lives":
		return live()
	case len(args) > 1 && args[0] == "signals":
		set, err := parse(args[1:])
		if err != nil {
			return err
		}
		return blocked(set, args[1:])
	case len(args) > 1 && args[0] == "blocked":
		set, err := parse(args[1:])
		if err != nil {
			return err
		}
		return serve(set)
	}
	return fmt.Errorf("read arguments: want signals NUMBER..., exit DURATION, first or lives")
}

// signals is a set as the kernel has it.
type signals uint64

func parse(numbers []string) (set signals, err error) {
	for _, word := range numbers {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 64 {
			return 0, fmt.Errorf("read arguments: %q is no signal", word)
		}
		set |= 1 << (n - 1)
	}
	return set, nil
}

// blocked starts the program anew with the signals blocked: Go's runtime leaves them so in all its threads, and what
// comes waits for serve. No handler and no scheduler of the runtime's is in the way then.
func blocked(set signals, numbers []string) error {
	runtime.LockOSThread()
	const block, size = 0, unsafe.Sizeof(set)
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, block, uintptr(unsafe.Pointer(&set)), 0, size, 0, 0); errno != 0 {
		return fmt.Errorf("block signals: %w", errno)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find itself: %w", err)
	}
	environ := append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1") // calm
	return fmt.Errorf("start anew: %w", syscall.Exec(self, append([]string{self, "blocked"}, numbers...), environ))
}

// serve waits in the kernel without the runtime's knowledge: it would hand the thread's place on and take it back.
func serve(set signals) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0); errno != 0 {
		return fmt.Errorf("end with the wrapper: %w", errno)
	}
	if err := answer(0, clock.Now()); err != nil {
		return err
	}
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, 0, unsafe.Sizeof(set), 0, 0)
		at := clock.Now()
		if errno == syscall.EINTR || errno == syscall.EAGAIN {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("wait for a signal: %w", errno)
		}
		if err := answer(int(n), at); err != nil {
			return err
		}
	}
}

func exit(rest time.Duration) error {
	time.Sleep(rest)
	return last(0, clock.Now())
}

func live() error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	if err := answer(0, began); err != nil {
		return err
	}
	<-asked
	return last(int(syscall.SIGTERM), clock.Now())
}

// last answers, and ends as fast as can be.
func last(signal int, at time.Duration) error {
	if err := answer(signal, at); err != nil {
		return err
	}
	syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	return nil
}

func answer(signal int, at time.Duration) error {
	text := binary.NativeEndian.AppendUint64(nil, uint64(signal))
	text = binary.NativeEndian.AppendUint64(text, uint64(at))
	if _, err := syscall.Write(1, text); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}
