package proc

import "golang.org/x/sys/unix"

// zombie is p_stat of a process that has ended (sys/proc.h).
const zombie = 5

// stopped is p_stat of one that is stopped.
const stopped = 4

// processes is the process table (sysctl(3), kern.proc).
func processes() (table []entry) {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil
	}
	for i := range all {
		table = append(table, entryOf(&all[i]))
	}
	return table
}

// process is one entry of it; there is none for a process that is gone.
func process(pid int) (entry, bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return entry{}, false
	}
	return entryOf(k), true
}

// entryOf leaves the session out, which the table does not have as a number: what began one of its own is known by
// its parents alone.
func entryOf(k *unix.KinfoProc) entry {
	began := k.Proc.P_starttime
	e := entry{
		pid: int(k.Proc.P_pid), ppid: int(k.Eproc.Ppid), group: int(k.Eproc.Pgid),
		start: uint64(began.Sec)*1e6 + uint64(began.Usec),
		state: 'R',
	}
	switch k.Proc.P_stat {
	case zombie:
		e.state = 'Z'
	case stopped:
		e.state = 'T'
	}
	return e
}

// signal sends s to the process, and not to a stranger that has got its number since, as far as that can be seen.
func (e entry) signal(s unix.Signal) error {
	if now, ok := process(e.pid); !ok || now.start != e.start {
		return unix.ESRCH
	}
	return unix.Kill(e.pid, s)
}
