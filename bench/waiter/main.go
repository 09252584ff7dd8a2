// Command waiter is the least that a supervisor in Go can do: one fork and execve, one wait, and the status. It passes
// no signal on; what vwrap costs with nothing to inject is measured against it.
package main

import (
	"os"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(argv []string) int {
	if len(argv) == 0 {
		return 125
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 126
	}
	var status syscall.WaitStatus
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	switch {
	case err != nil:
		return 125
	case status.Signaled():
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
