package courier

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/file"
	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/internal/headstart"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/wire"
)

// Sources opens the sources that orders call for. Its error is a line for the user.
type Sources func(o Orders) (map[string]envsource.Source, error)

// Serve is a courier's whole life. It returns vwrap's exit status, where it does not become the command. rehearse is
// called while there is nothing to do yet; set is called with the heading, and may do what can be done before there are orders.
func Serve(rehearse func(), set func(context.Context, Heading) Sources) int {
	parent := os.Getppid()
	pipes, err := openPipes()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vwrap: this command is vwrap's own: it is started by vwrap, not by hand")
		return StatusFailed
	}
	cores, err := proc.Conceal() // before there is anything to see
	if err != nil {
		pipes.fail(err)
		return StatusFailed
	}
	ctx, gate := pipes.watchGate()
	told := newInbox(pipes.orders)
	rehearse()
	heading, err := told.heading()
	if err != nil {
		return StatusFailed // the supervisor is gone, or has nothing to send for
	}
	open := set(ctx, heading)
	o, err := told.orders(heading)
	if err != nil {
		return StatusFailed // the supervisor is gone, or gave the errand up
	}
	if !o.Cores {
		if err := cores.Limit(); err != nil {
			pipes.fail(err)
			return StatusFailed
		}
	}
	cores.Close()
	began := time.Now()
	run := prepare(ctx, o, pipes, open)
	run.report.Took = time.Since(began)
	pipes.send(message{Report: &run.report})
	if !run.report.OK() || o.Errand != Launch {
		return run.report.Status
	}
	if !<-gate {
		return 0 // dismissed, or the supervisor is dead: a dead supervisor launches nothing
	}
	if !proc.DieWithParent(parent) {
		return 0
	}
	if o.Group != 0 {
		_ = unix.Setpgid(0, o.Group)
	}
	if err = pipes.makeRoom(o.Preserve); err == nil {
		err = proc.Exec(run.file, o.Argv, run.environ)
	}
	var errno syscall.Errno
	errors.As(err, &errno)
	pipes.send(message{Errno: int(errno)})
	return ExecStatus(errno)
}

// ExecStatus is the status that a shell gives where a program could not be executed.
func ExecStatus(errno syscall.Errno) int {
	if errno == unix.ENOENT {
		return StatusNotFound
	}
	return StatusNotExecutable
}

// ExecError says that the program could not be executed; it wraps errno.
func ExecError(program string, errno syscall.Errno) error {
	if errno == unix.ENOENT { // the file was there a moment ago: what is missing is what its first line names
		return fmt.Errorf("%s: cannot be executed: it, or the interpreter that it names, is not there: %w", program, errno)
	}
	return fmt.Errorf("%s: cannot be executed: %w", program, errno)
}

// pipes are a courier's lines to the supervisor.
type pipes struct {
	orders, report, gate, seal, carry *os.File
}

// openPipes takes the descriptors over. Each is closed by an exec: else the supervisor would wait for the life of
// the command.
func openPipes() (pipes, error) {
	d := headstart.Own()
	for _, fd := range []int{d.Orders, d.Report, d.Gate, d.Memory, d.Carry} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return pipes{}, err
		}
		unix.CloseOnExec(fd)
	}
	for _, fd := range []int{d.Orders, d.Gate} { // to wait for them is to keep nobody else from running
		_ = unix.SetNonblock(fd, true)
	}
	p := pipes{
		orders: os.NewFile(uintptr(d.Orders), "orders"), report: os.NewFile(uintptr(d.Report), "report"),
		gate: os.NewFile(uintptr(d.Gate), "gate"), seal: os.NewFile(uintptr(d.Memory), "seal"),
	}
	p.carry = p.seal
	if d.Carry != d.Memory {
		p.carry = os.NewFile(uintptr(d.Carry), "carry")
	}
	return p, nil
}

// makeRoom puts the n descriptors of the user's where the courier's own were. The report pipe is still needed, and
// moves out of their way.
func (p *pipes) makeRoom(n int) error {
	if n == 0 {
		proc.CloseInherited(3)
		return nil
	}
	proc.CloseInherited(headstart.Preserve)
	fd, err := unix.FcntlInt(p.report.Fd(), unix.F_DUPFD_CLOEXEC, headstart.Preserve+n)
	if err != nil {
		return fmt.Errorf("move the report pipe: %w", err)
	}
	p.report = os.NewFile(uintptr(fd), "report")
	return proc.MoveDown(headstart.Preserve, n)
}

// send writes one message. Where nobody reads any more there is nobody to tell.
func (p pipes) send(m message) { _ = wire.Write(p.report, m) }

// fail reports err, and nothing else.
func (p pipes) fail(err error) {
	p.send(message{Report: &Report{Errors: []string{err.Error()}, Status: StatusFailed}})
}

// watchGate returns a context that ends when the supervisor gives the errand up, and the channel that says
// whether the gate was opened.
func (p pipes) watchGate() (context.Context, <-chan bool) {
	ctx, cancel := context.WithCancel(context.Background())
	gate := make(chan bool, 1)
	go func() {
		n, _ := p.gate.Read(make([]byte, 1))
		if n == 0 {
			cancel()
		}
		gate <- n == 1
	}()
	return ctx, gate
}

// readied is what a courier has when it comes to the gate.
type readied struct {
	report  Report
	file    string // of the program
	environ []string
}

// prepare does all that can fail before the gate.
func prepare(ctx context.Context, o Orders, p pipes, open Sources) readied {
	var r readied
	result, err := fetch(ctx, o, p.carry, open, func(line string) { p.send(message{Waiting: line}) })
	r.environ = result.Environ
	r.report = Report{Holdings: result.Holdings, Failed: result.Failed, Warnings: result.Warnings, Outage: result.Outage, Wait: result.Wait}
	r.report.Warnings = append(r.report.Warnings, secret.Leak("courier", r.environ...)...) // nothing, but in a build for tests
	if err != nil {
		r.report.fail(StatusFailed, err)
		r.report.Outage = envsource.OutageOf(err)
		return r
	}
	if o.Errand == Probe {
		if _, err := Program(o.Argv, r.environ); err != nil {
			r.report.fail(StatusOf(err), err)
		}
		return r
	}
	var live map[string]string
	if o.Live != "" {
		live = result.Injected
		r.environ = set(r.environ, LiveVariable, o.Live)
	}
	if len(o.Listen) > 0 {
		r.environ = set(r.environ, "LISTEN_FDS", strconv.Itoa(len(o.Listen)))
		r.environ = set(r.environ, "LISTEN_FDNAMES", strings.Join(o.Listen, ":"))
		r.environ = set(r.environ, "LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	if o.Notify != "" {
		r.environ = set(r.environ, "NOTIFY_SOCKET", o.Notify)
	}
	var secrets map[string]string
	if o.Mask {
		secrets = result.SecretNames()
	}
	if r.report.Live, err = lay(p.seal, result.Carry, live, secrets); err != nil {
		r.report.fail(StatusFailed, err)
	}
	if o.Errand == Launch {
		r.file, err = Program(o.Argv, r.environ)
		if err != nil {
			r.report.fail(StatusOf(err), err)
		}
	}
	return r
}

// fail notes err, a line for each line of it.
func (r *Report) fail(status int, err error) {
	r.Status = status
	r.Errors = append(r.Errors, strings.Split(err.Error(), "\n")...)
}

// fetch resolves the environment that o asks for.
// say is called when a start has to wait for a server, with why.
func fetch(ctx context.Context, o Orders, carry *os.File, open Sources, say func(string)) (envsource.Result, error) {
	plan, err := envsource.NewPlan(o.Input)
	if err != nil {
		return envsource.Result{}, err
	}
	sources, err := open(o)
	if err != nil {
		return envsource.Result{}, err
	}
	f := envsource.Fetch{Sources: sources, Digest: o.Digest, Due: o.Due, Strict: o.Strict}
	if o.Carry {
		text, err := content(carry)
		if err != nil || wire.Read(bytes.NewReader(text), &f.Carry) != nil { // more comes after it
			return envsource.Result{}, errors.New("the last generation's memory file is not readable")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, max(o.Patience, time.Second))
	defer cancel()
	if o.Retry {
		p := envsource.NewPatience(func(problem string) { say(Waiting(problem, o.Vault.Address, files(plan), o.Patience)) })
		defer p.Done()
		f.Again = p.Again
	}
	if o.Errand == Probe {
		return envsource.Probe(ctx, plan, f)
	}
	return plan.Resolve(ctx, f)
}

// files are those that a start reads.
func files(plan envsource.Plan) (all []string) {
	for _, r := range plan.Reads() {
		if r.Source != envsource.SourceVault {
			all = append(all, r.Path)
		}
	}
	return all
}

// Waiting says what a start waits for, and for how long at most: for a problem to pass, or, where there is none, for
// the first answer of the server at address ("": of none), or of one of files that is a pipe.
func Waiting(problem, address string, files []string, atMost time.Duration) string {
	if problem == "" {
		var awaited []string
		if address != "" {
			awaited = append(awaited, "Vault at "+address)
		}
		for _, path := range files {
			if file.Pipe(path) {
				awaited = append(awaited, path+" (a pipe)")
			}
		}
		problem = "no answer yet from " + cmp.Or(strings.Join(awaited, " or "), "the files that are read")
	}
	return fmt.Sprintf("waiting, for up to %v: %s", atMost, problem)
}

// Program finds the file of argv[0] by environ's own PATH and checks that the kernel takes both. Its errors wrap
// those of package proc.
func Program(argv, environ []string) (string, error) {
	path := "/usr/local/bin:/usr/bin:/bin" // where PATH is not set, as execvp(3) has it
	if i := slices.IndexFunc(environ, func(e string) bool { return strings.HasPrefix(e, "PATH=") }); i >= 0 {
		path = environ[i][len("PATH="):]
	}
	file, err := proc.Resolve(argv[0], path)
	if err != nil {
		return "", err
	}
	return file, proc.CheckSize(argv, environ)
}

// StatusOf is the exit status that an error of Program means.
func StatusOf(err error) int {
	switch {
	case errors.Is(err, proc.ErrNotFound):
		return StatusNotFound
	case errors.Is(err, proc.ErrNotExecutable):
		return StatusNotExecutable
	}
	return StatusFailed
}
