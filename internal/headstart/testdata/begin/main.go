// Command begin tells what became of it: alone, or with a courier, and then what that is.
package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/headstart"
)

// Told is what it prints of itself, and of the courier.
type Told struct {
	PID, Group    int
	Args, Environ []string
	Shown         [2]string // by /proc/PID/cmdline and environ
	Random        uint64
	Processors    int // that it may run on
	Courier       *Told
}

func main() {
	told := self()
	if len(os.Args) == 2 && os.Args[1] == headstart.Argument {
		own := headstart.Own()
		_, _ = io.ReadAll(os.NewFile(uintptr(own.Orders), "orders")) // it ends when vwrap closes it: nobody else has it open
		_, _ = io.ReadAll(os.NewFile(uintptr(own.Gate), "gate"))
		told.Processors = processors() // now that vwrap has come here
		_ = json.NewEncoder(os.NewFile(uintptr(own.Report), "report")).Encode(told)
		return
	}
	if c := headstart.Take(); c != nil {
		_ = unix.Close(c.Orders)
		_ = unix.Close(c.Gate)
		if text, err := io.ReadAll(os.NewFile(uintptr(c.Report), "report")); err == nil {
			_ = json.Unmarshal(text, &told.Courier)
		}
		if pid, err := unix.Wait4(c.PID, nil, 0, nil); err != nil || told.Courier != nil && pid != told.Courier.PID {
			told.Courier = nil
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(told)
}

func processors() int {
	var allowed unix.CPUSet
	if unix.SchedGetaffinity(0, &allowed) != nil {
		return -1
	}
	return allowed.Count()
}

func self() *Told {
	cmdline, _ := os.ReadFile("/proc/self/cmdline")
	environ, _ := os.ReadFile("/proc/self/environ")
	return &Told{
		PID: os.Getpid(), Group: unix.Getpgrp(), Args: os.Args, Environ: os.Environ(), Shown: [2]string{string(cmdline), string(environ)}, Random: rand.Uint64(),
		Processors: processors(),
	}
}
