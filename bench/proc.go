package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// sleeper is the wrapped command, once it runs: a child called sleep, with the given variable.
func sleeper(pid int, variable string) (int, error) {
	for _, child := range children(pid) {
		name, nameErr := procFile(child, "comm")
		environ, environErr := procFile(child, "environ")
		if nameErr == nil && environErr == nil && name == "sleep\n" && strings.Contains("\x00"+environ, "\x00"+variable) {
			return child, nil
		}
	}
	return 0, fmt.Errorf("find the command of process %d: it does not run", pid)
}

// switches counts for each thread of a process how often it has left a processor: a thread that was woken does so again.
func switches(pid int) (map[string]int64, error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid)) // the pattern is sound
	if len(files) == 0 {
		return nil, fmt.Errorf("find threads of process %d: there are none", pid)
	}
	counts := map[string]int64{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // that thread has ended
		}
		for _, name := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			n, err := field(string(content), name)
			if err != nil {
				return nil, err
			}
			counts[file] += n
		}
	}
	return counts, nil
}

// switched is how many there were between two counts.
func switched(before, after map[string]int64) (n int64) {
	for thread, count := range after {
		n += count - before[thread]
	}
	return n
}
