package proc

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processes is the process table, as far as it can be seen. It is empty where /proc is not that of this PID
// namespace: numbers from there would mean other processes.
func processes() (table []entry) {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return nil
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if e, ok := process(pid); ok {
			table = append(table, e)
		}
	}
	return table
}

// process reads one entry (proc_pid_stat(5)); there is none for a process that is gone.
func process(pid int) (entry, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return entry{}, false
	}
	return parseStat(text)
}

// parseStat reads "PID (NAME) STATE PPID PGRP SESSION …", with the start time as the 22nd field. NAME may have
// blanks and parentheses in it.
func parseStat(text []byte) (e entry, ok bool) {
	head, _, found := bytes.Cut(text, []byte(" "))
	end := bytes.LastIndex(text, []byte(") "))
	if !found || end < 0 {
		return e, false
	}
	fields := strings.Fields(string(text[end+2:]))
	if len(fields) < 20 || len(fields[0]) != 1 {
		return e, false
	}
	e.state = fields[0][0]
	for i, to := range []*int{&e.pid, &e.ppid, &e.group, &e.session} {
		from := string(head)
		if i > 0 {
			from = fields[i]
		}
		n, err := strconv.Atoi(from)
		if err != nil {
			return e, false
		}
		*to = n
	}
	var err error
	e.start, err = strconv.ParseUint(fields[19], 10, 64)
	return e, err == nil
}

// signal sends s to the process, and not to a stranger that has got its number since (pidfd_open(2)).
func (e entry) signal(s unix.Signal) error {
	fd, err := unix.PidfdOpen(e.pid, 0)
	old := errors.Is(err, unix.ENOSYS) // a kernel before 5.3
	if err != nil && !old {
		return err
	}
	if !old {
		defer func() { _ = unix.Close(fd) }()
	}
	if now, ok := process(e.pid); !ok || now.start != e.start {
		return unix.ESRCH
	}
	if old {
		return unix.Kill(e.pid, s)
	}
	return unix.PidfdSendSignal(fd, s, nil, 0)
}
