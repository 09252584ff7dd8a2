// Package mask keeps values of secrets out of what a command prints: a process of its own stands between the command and its standard
// output and error, and writes *** for each value, also where it is written in another form.
//
// It is the one long-lived process of vwrap's that holds values. It is a guard against accidents, such as a log line with a connection
// string. It is no boundary: a program that wants to print a value finds a form that nobody knows.
//
// Serve is that process, Process the supervisor's hold on it.
package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/proc"
)

// ErrEnded is returned where the process is gone.
var ErrEnded = errors.New("the masking process has ended")

// Section is where in a memory file the values are, in bytes: a JSON array of Value.
type Section struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// Process masks until the last who writes into it is gone.
type Process struct {
	process  *proc.Process
	control  *net.UnixConn
	out, err *os.File
}

// Start starts the process. self is the file of vwrap itself.
func Start(children *proc.Children, self string) (_ *Process, err error) {
	p := &Process{}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		if err != nil {
			p.Close()
			err = fmt.Errorf("start the masking process: %w", err)
		}
	}()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, null)
	control, err := p.connect()
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, control)
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	theirs, p.out, p.err = append(theirs, outR), outW, outW
	environ := []string{single}
	if !same(1, 2) {
		environ = []string{}
		errR, errW, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		theirs, p.err = append(theirs, errR), errW
	}
	var fds []int
	for _, f := range theirs[1:] {
		fds = append(fds, int(f.Fd()))
	}
	p.process, err = children.Start(proc.Spec{Path: self, Args: []string{"vwrap", Hidden}, Env: environ, Files: fds, In: null})
	return p, err
}

// connect makes the control socket, and returns the other end.
func (p *Process) connect() (*os.File, error) {
	syscall.ForkLock.RLock() // no child is to have them
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	p.control, err = controlOf(fds[0])
	return theirs, err
}

// same reports whether two descriptors lead to one file: then what is written to both keeps its order.
func same(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino && x.Rdev == y.Rdev
}

// Outputs are where the command is to write.
func (p *Process) Outputs() (stdout, stderr *os.File) { return p.out, p.err }

// Ended is closed when the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.process.Ended() }

// answerTime is how long the process may take to learn a generation's values.
const answerTime = 10 * time.Second

// Publish has the values masked that a section of a generation's memory file has, beside those of generations before. It returns, once
// they are, the names of those that are left as they are: too short, or everyday words. The file is passed on, and not read here.
func (p *Process) Publish(memory *os.File, at Section) (left []string, err error) {
	_ = p.control.SetDeadline(time.Now().Add(answerTime))
	r, err := p.ask(request{Publish: &at}, unix.UnixRights(int(memory.Fd())))
	_ = p.control.SetDeadline(time.Time{})
	return r.Left, err
}

// Drain waits until all is written that has come out of the command so far, or giveUp is closed.
func (p *Process) Drain(giveUp <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = p.ask(request{Drain: true}, nil) // where it is gone there is nothing to wait for
	}()
	select {
	case <-done:
	case <-giveUp:
		_ = p.control.SetDeadline(time.Now())
		<-done
	}
}

func (p *Process) ask(r request, rights []byte) (answer reply, err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return answer, err
	}
	if _, _, err = p.control.WriteMsgUnix(text, rights, nil); err != nil {
		return answer, ErrEnded
	}
	if json.NewDecoder(p.control).Decode(&answer) != nil {
		return answer, ErrEnded
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}

// Kill ends the process at once: what the command writes then goes nowhere.
func (p *Process) Kill() { p.process.Kill() }

// Close lets the process end when the last of the command's processes is gone.
func (p *Process) Close() {
	for _, f := range []*os.File{p.out, p.err} {
		if f != nil {
			_ = f.Close()
		}
	}
	if p.control != nil {
		_ = p.control.Close()
	}
}
