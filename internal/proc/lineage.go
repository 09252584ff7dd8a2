package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// entry is one process of the system's table.
type entry struct {
	pid, ppid, group, session int
	start                     uint64 // when it began, in the kernel's ticks: with pid, it names a process for good
	state                     byte   // as in proc_pid_stat(5)
}

// lineage is what descends from a process. A process tells its parent only while that lives; so what was seen once is
// kept, and what is given to vwrap as an orphan is known by that, or by its process group.
//
// It is no business of vwrap's whose environment is whose: nothing but the process table is read.
type lineage struct {
	root   int  // 0 once it was reaped: its number may be a stranger's then
	group  int  // that root began; 0 where a stranger has its number
	shared bool // root is in vwrap's own group instead, with others
	seen   map[int]uint64
}

// living are the kin that are left, but the root itself: zombies too, until their parent, which may be vwrap, has
// reaped them. The caller holds c.mu.
func (l *lineage) living(c *Children) (kin []entry) {
	table := map[int]entry{}
	for _, e := range processes() {
		table[e.pid] = e
	}
	if l.seen == nil {
		l.seen = map[int]uint64{}
	}
	if _, taken := table[l.group]; taken && l.root == 0 {
		l.group = 0 // a new process has its number: then no member was left of the group
	}
	known := map[int]bool{}
	for _, e := range table {
		if e.pid != l.root && l.descends(e, table, known, c) {
			kin = append(kin, e)
		}
	}
	for _, e := range kin {
		l.seen[e.pid] = e.start
	}
	return kin
}

// descends reports whether e does. known is what was found out of others in this look.
func (l *lineage) descends(e entry, table map[int]entry, known map[int]bool, c *Children) bool {
	answer, ok := known[e.pid]
	if ok {
		return answer
	}
	known[e.pid] = false // a loop there is not; a table read while it changes may look like one
	known[e.pid] = l.isKin(e, c) || e.ppid != os.Getpid() && hasParent(e, table) && l.descends(table[e.ppid], table, known, c)
	return known[e.pid]
}

func hasParent(e entry, table map[int]entry) bool {
	_, ok := table[e.ppid]
	return ok
}

// isKin reports what e itself tells.
func (l *lineage) isKin(e entry, c *Children) bool {
	start, seen := l.seen[e.pid]
	switch {
	case e.pid == l.root:
		return true
	case e.pid == os.Getpid(), c.own[e.pid] != nil, c.before[e.pid]:
		return false
	case seen && start == e.start:
		return true
	case l.group != 0 && !l.shared && (e.group == l.group || e.session == l.group):
		return true
	}
	if _, ok := l.seen[e.session]; ok {
		return true
	}
	return e.ppid == os.Getpid() && ours(e)
}

// ours reports whether an orphan that the kernel gave to vwrap comes from vwrap's own command. For a subreaper that
// is so. To PID 1 come those of docker exec too, which are nobody's here: an editor's server must outlive a
// rotation. They have a session of their own.
func ours(e entry) bool {
	if os.Getpid() != 1 {
		return true
	}
	session, err := unix.Getsid(0)
	return err == nil && session > 0 && e.session == session
}
