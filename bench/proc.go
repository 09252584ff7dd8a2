package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// procFile reads a file of a process's folder in /proc.
func procFile(pid int, name string) (string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	return string(content), err
}

// field is a number in a file of lines such as "VmRSS:  1234 kB".
func field(content, name string) (int64, error) {
	for line := range strings.Lines(content) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			words := strings.Fields(rest)
			if len(words) == 0 {
				break
			}
			return strconv.ParseInt(words[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("find %s: there is none", name)
}

// kilobytes is such a field of a process, in bytes.
func kilobytes(pid int, file, name string) (int64, error) {
	content, err := procFile(pid, file)
	if err != nil {
		return 0, err
	}
	n, err := field(content, name)
	return n * 1024, err
}

// pssOf is the memory of a process, with its share of what others have too; 0 where only root can read it.
func pssOf(pid int) (int64, error) {
	n, err := kilobytes(pid, "smaps_rollup", "Pss")
	if errors.Is(err, fs.ErrPermission) {
		return 0, nil
	}
	return n, err
}

// children are the processes that a process has started.
func children(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is sound
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // that thread has ended
		}
		for word := range strings.FieldsSeq(string(content)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// asleep is the comm of the command that wrappers are watched with.
const asleep = "sleep\n"

// wrapping are the processes of a wrapper: itself and what descends from it, but for the command that sleeps.
func wrapping(pid int) (pids []int, sleeps bool) {
	if comm, _ := procFile(pid, "comm"); comm == asleep {
		return nil, true
	}
	pids = []int{pid}
	for _, child := range children(pid) {
		below, found := wrapping(child)
		pids, sleeps = append(pids, below...), sleeps || found
	}
	return pids, sleeps
}

// sleeper is the wrapped command, once it runs: a child called sleep, with the given variable.
func sleeper(pid int, variable string) (int, error) {
	for _, child := range children(pid) {
		name, nameErr := procFile(child, "comm")
		environ, environErr := procFile(child, "environ")
		if nameErr == nil && environErr == nil && name == asleep && strings.Contains("\x00"+environ, "\x00"+variable) {
			return child, nil
		}
	}
	return 0, fmt.Errorf("find the command of process %d: it does not run", pid)
}

// activity is what the threads of a process have done.
type activity struct {
	switches map[string]int64 // how often each has left a processor: a thread that was woken does so again
	ran      map[string]int64 // how many nanoseconds each has been on one
}

func activityOf(pid int) (activity, error) {
	a := activity{map[string]int64{}, map[string]int64{}}
	folders, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid)) // the pattern is sound
	if len(folders) == 0 {
		return a, fmt.Errorf("find threads of process %d: there are none", pid)
	}
	for _, folder := range folders {
		status, statusErr := os.ReadFile(filepath.Join(folder, "status"))
		schedstat, schedErr := os.ReadFile(filepath.Join(folder, "schedstat"))
		if statusErr != nil || schedErr != nil {
			continue // that thread has ended
		}
		for _, name := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			n, err := field(string(status), name)
			if err != nil {
				return a, err
			}
			a.switches[folder] += n
		}
		first, _, _ := strings.Cut(string(schedstat), " ")
		ran, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return a, fmt.Errorf("read schedstat of process %d: %q is no number", pid, first)
		}
		a.ran[folder] = ran
	}
	return a, nil
}

// since is what lies between two looks.
func (a activity) since(before activity) (switches int64, ran time.Duration) {
	for thread, n := range a.switches {
		switches += n - before.switches[thread]
		ran += time.Duration(a.ran[thread] - before.ran[thread])
	}
	return switches, ran
}
