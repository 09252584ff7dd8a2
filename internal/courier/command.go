package courier

import (
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
)

// command is a process that is the user's command, or is to become it.
type command struct {
	process  *proc.Process
	terminal *proc.Terminal
	alone    bool // signals go to it alone
	ended    chan struct{}
}

// PID is the process's ID.
func (c *command) PID() int { return c.process.PID() }

// Has reports whether the command, or what descends from it, has the socket with this inode.
func (c *command) Has(inode uint64) bool { return c.process.HasSocket(inode) }

// Ended is closed when the process has ended; Status tells how.
func (c *command) Ended() <-chan struct{} { return c.ended }

// Status is how it ended.
func (c *command) Status() proc.Status { return c.process.Status() }

// Signal sends s to the command's process group, or to the command alone where that is asked for. What continues a command that was stopped gives it the terminal too, where vwrap has that.
func (c *command) Signal(s unix.Signal) error {
	if s == unix.SIGCONT {
		c.terminal.Give(c.process.PID())
	}
	return c.process.Signal(s, c.alone)
}

// Stop is Signal with a signal that asks the command to end.
func (c *command) Stop(s unix.Signal) error { return c.process.Stop(s, c.alone) }

// Kill kills the command and all that descends from it.
func (c *command) Kill() { c.process.Kill() }

// Drain is for a command that has ended: the channel is closed when all that descends from it has too. What was not
// reached by Stop is sent TERM.
func (c *command) Drain() <-chan struct{} { return c.process.Drain() }

// watch follows the process: job control while it lives, the terminal when it has ended.
func (c *command) watch() {
	for {
		select {
		case s := <-c.process.Stops():
			if stop, group := c.terminal.Suspend(c.process, s); stop {
				signals.StopSelf(s, group, c.process.IsStopped)
			}
		case <-c.process.Ended():
			c.terminal.Take(c.process.PID(), c.process.Status().Signal != 0)
			close(c.ended)
			return
		}
	}
}
