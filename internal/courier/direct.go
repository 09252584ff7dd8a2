package courier

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/proc"
)

// Direct is a command into which nothing is injected: no value has to be kept from the supervisor, and a courier
// would cost more than all the rest of the start. Its methods are for one goroutine.
//
// A command that gets the terminal has to have it from its first instruction on, and so has to wait for it: that
// takes a courier.
type Direct struct {
	command
	launcher *Launcher
	program  readied
	reported chan Report
	executed chan error
	opened   bool
}

// CanDirect reports whether a command that needs nothing read needs no courier either.
func (l *Launcher) CanDirect() bool { return l.Terminal.Mode != proc.Handoff }

// Direct prepares the launcher's command, whose plan must need nothing read. It starts with Open, in this process's
// limits of core dumps.
func (l *Launcher) Direct(plan envsource.Plan) *Direct {
	d := &Direct{
		command:  command{terminal: l.Terminal, alone: l.Alone, ended: make(chan struct{})},
		launcher: l, reported: make(chan Report, 1), executed: make(chan error, 1),
	}
	d.program = ready(l.Orders.Argv, plan)
	d.reported <- d.program.report
	return d
}

// ready does all that can fail before the command is started, as a courier does.
func ready(argv []string, plan envsource.Plan) (r readied) {
	result, err := plan.Compose()
	r.environ = result.Environ
	r.report.Warnings = result.Warnings
	if err != nil {
		r.report.fail(StatusFailed, err)
		return r
	}
	if r.file, err = Program(argv, r.environ); err != nil {
		r.report.fail(StatusOf(err), err)
	}
	return r
}

// Reported gives the report, once.
func (d *Direct) Reported() <-chan Report { return d.reported }

// Executed tells, after Open, how that went: nil once the program runs, or an ExecError.
func (d *Direct) Executed() <-chan error { return d.executed }

// Open starts the command.
func (d *Direct) Open() {
	l := d.launcher
	spec := proc.Spec{Path: d.program.file, Args: l.Orders.Argv, Env: d.program.environ, Files: l.Preserve, Join: l.Terminal.Mode == proc.Shared}
	process, err := l.Children.Start(spec)
	if errors.Is(err, unix.ENOEXEC) { // as execvp(3) has it
		spec.Path, spec.Args = "/bin/sh", append([]string{"/bin/sh", spec.Path}, spec.Args[1:]...)
		process, err = l.Children.Start(spec)
	}
	if err != nil {
		errno := unix.EIO
		errors.As(err, &errno)
		d.executed <- ExecError(l.Orders.Argv[0], syscall.Errno(errno))
		return
	}
	d.opened, d.process = true, process
	go d.watch()
	d.executed <- nil
}

// Dismiss gives a command up that was not started.
func (d *Direct) Dismiss() {
	if !d.opened {
		d.opened = true
		close(d.ended)
	}
}

// Forget has nothing to forget.
func (d *Direct) Forget() {}
