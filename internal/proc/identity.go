package proc

import (
	"fmt"
	"strconv"
	"strings"
)

// Identity names a process for as long as the system runs, and never another one: its PID is given to others when it has
// ended, but not with the moment at which it began.
func Identity(pid int) (string, error) {
	e, ok := process(pid)
	if !ok || e.state == 'Z' || e.state == 'X' { // nothing is left of a zombie but its status
		return "", fmt.Errorf("there is no process %d", pid)
	}
	return fmt.Sprintf("%d-%d", pid, e.start), nil
}

// Lives reports whether the process with that Identity is there.
func Lives(identity string) bool {
	number, _, _ := strings.Cut(identity, "-")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return false
	}
	now, err := Identity(pid)
	return err == nil && now == identity
}
