package courier

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/internal/headstart"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/wire"
)

// Hidden is the argument by which vwrap knows that it is to be a courier.
const Hidden = headstart.Argument

// Launcher sends couriers out.
type Launcher struct {
	Self         string // the file of vwrap itself
	Children     *proc.Children
	Terminal     *proc.Terminal
	Alone        bool                           // signals go to the command alone, not to its process group
	Out, Err     *os.File                       // where the command writes; nil is where vwrap does
	Preserve     []int                          // descriptors for the command's 3 and on
	Orders       Orders                         // what is the same for all errands
	Token        func() (id secret.Text, e int) // the token of now, and its epoch; nil where there is none
	StartTimeout time.Duration                  // how long the first courier may try
	Waiting      func(line string)              // told what the first courier waits for, where that takes long; nil: nobody is

	reads int      // that the first courier is likely to make
	spare *Courier // started, without orders
}

// Adopt takes over the courier that was started before there was a launcher. l.Children has to be that of proc.Adopt,
// where p is from.
func (l *Launcher) Adopt(h *headstart.Courier, p *proc.Process) {
	l.spare = newCourier(p, os.NewFile(uintptr(h.Orders), "orders"), os.NewFile(uintptr(h.Report), "report"),
		os.NewFile(uintptr(h.Gate), "gate"), os.NewFile(uintptr(h.Memory), "generation"))
}

// Announce says where the first courier will be sent, before there are orders for it.
func (l *Launcher) Announce(h Heading) {
	l.reads = h.Reads
	if l.spare != nil {
		l.spare.head(h)
	}
}

// Close sends a courier away that was started and not needed.
func (l *Launcher) Close() {
	if l.spare == nil {
		return
	}
	c := l.spare
	l.spare = nil
	_ = c.orders.Close()
	_ = c.report.Close()
	c.Dismiss()
	c.Forget()
	<-c.process.Ended()
}

// recruit returns a courier that has its heading and waits for orders: the one that was started already, where it can
// serve, since it has no descriptors for the command. due is how many requests another one is likely to make.
func (l *Launcher) recruit(from *Courier, due int) (*Courier, error) {
	h := Heading{Vault: l.Orders.Vault, Reads: l.reads}
	if from != nil {
		h.Reads = due
	}
	c := l.spare
	if c != nil && from == nil && len(l.Preserve) == 0 && l.Out == nil {
		l.spare = nil
	} else {
		var err error
		if c, err = l.spawn(from); err != nil {
			return nil, err
		}
	}
	if !c.headed {
		c.head(h)
	}
	return c, nil
}

// laterPatience is how long a later courier may fetch: the command runs meanwhile, and the wrapper tries again.
const laterPatience = 30 * time.Second

// Launch sends a courier out for t. from is the courier whose generation it starts from; nil at the first start,
// the only one at which an unreachable server is asked again. The courier reports on its own time; the error is
// that of starting it.
func (l *Launcher) Launch(t Task, from *Courier) (*Courier, error) {
	o := l.Orders
	o.Task, o.Carry = t, from != nil
	o.Patience, o.Retry = l.StartTimeout, true
	if from != nil {
		o.Patience, o.Retry = laterPatience, false
	}
	o.Preserve = len(l.Preserve)
	shared := l.Terminal.Mode == proc.Shared
	if shared {
		o.Group = unix.Getpgrp()
	}
	epoch := 0
	if l.Token != nil {
		o.Token, epoch = l.Token()
	}
	c, err := l.recruit(from, len(t.Due))
	if err != nil {
		return nil, err
	}
	if len(o.Argv) > 0 {
		c.program = o.Argv[0]
	}
	c.errand, c.terminal, c.alone = t.Errand, l.Terminal, l.Alone
	if shared {
		c.process.JoinedOurs()
	}
	c.tell(o)
	go c.listen(epoch, l.Waiting)
	go c.watch()
	return c, nil
}

// spawn starts the process, with its pipes.
func (l *Launcher) spawn(from *Courier) (_ *Courier, err error) {
	var theirs, ours []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		if err != nil {
			for _, f := range ours {
				_ = f.Close()
			}
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	ordersR, ordersW := pipe()
	reportR, reportW := pipe()
	gateR, gateW := pipe()
	if err != nil {
		return nil, fmt.Errorf("start a courier: %w", err)
	}
	theirs, ours = []*os.File{ordersR, reportW, gateR}, []*os.File{ordersW, reportR, gateW}
	memory, err := newMemoryFile()
	if err != nil {
		return nil, err
	}
	ours = append(ours, memory)
	carry := memory // where there is none, something has to hold its place
	if from != nil {
		carry = from.memory
	}
	var fds []int
	for _, f := range []*os.File{ordersR, reportW, gateR, memory, carry} {
		fds = append(fds, int(f.Fd()))
	}
	p, err := l.Children.Start(proc.Spec{Path: l.Self, Args: []string{"vwrap", Hidden}, Env: headstart.Environ(), Files: append(fds, l.Preserve...), Out: l.Out, Err: l.Err})
	if err != nil {
		return nil, err
	}
	return newCourier(p, ordersW, reportR, gateW, memory), nil
}

// Courier is a courier, and later the command that it became. Its methods are for one goroutine.
type Courier struct {
	command
	errand   Errand
	program  string // as it was named, for messages
	headed   bool   // it has its heading
	orders   *os.File
	report   *os.File
	gate     *os.File
	memory   *os.File // its generation, sealed: passed on, never read here
	live     Sections // of that; known with the report
	reported chan Report
	executed chan error
}

func newCourier(p *proc.Process, orders, report, gate, memory *os.File) *Courier {
	return &Courier{
		command: command{process: p, ended: make(chan struct{})}, orders: orders, report: report, gate: gate, memory: memory,
		reported: make(chan Report, 1), executed: make(chan error, 1),
	}
}

// head tells it its heading: less than a pipe holds, so that it waits for nothing. One that is gone says so on its other
// pipe.
func (c *Courier) head(h Heading) {
	c.headed = true
	_ = wire.Write(c.orders, h)
}

// tell gives the courier its orders. What its pipe has no room for waits, in a goroutine, for the courier to read.
func (c *Courier) tell(o Orders) {
	if err := o.encode(prompt{c.orders}); !errors.Is(err, errNoRoom) {
		_ = c.orders.Close()
		return
	}
	go func() {
		_ = o.encode(c.orders)
		_ = c.orders.Close()
	}()
}

// prompt writes into a pipe what that has room for, and else nothing.
type prompt struct{ pipe *os.File }

var errNoRoom = errors.New("no room")

// Write implements io.Writer.
func (p prompt) Write(text []byte) (int, error) {
	if len(text) > room(p.pipe) {
		return 0, errNoRoom
	}
	return p.pipe.Write(text)
}

// Reported gives the courier's report, once: also where it died without one.
func (c *Courier) Reported() <-chan Report { return c.reported }

// Executed tells, after Open, how that went: nil once the program runs, or an ExecError.
func (c *Courier) Executed() <-chan error { return c.executed }

// Live is its generation's file, and where in it the live channel's answers and the secrets are, once it has reported. The file is the
// courier's until Forget.
func (c *Courier) Live() (*os.File, Sections) { return c.memory, c.live }

// Open gives the courier the terminal and opens the gate.
func (c *Courier) Open() {
	c.terminal.Give(c.process.PID())
	_, _ = c.gate.Write([]byte{1}) // a courier that is gone says so on its other pipe
	_ = c.gate.Close()
}

// Dismiss sends the courier away: it will execute nothing. What it has fetched is in its report.
func (c *Courier) Dismiss() { _ = c.gate.Close() }

// Forget closes the courier's memory file: nothing will start from its generation any more.
func (c *Courier) Forget() { _ = c.memory.Close() }

// listen hears what the courier says, until its end of the pipe is closed: by the exec, or by its death.
func (c *Courier) listen(epoch int, waiting func(string)) {
	defer c.report.Close()
	said := bufio.NewReader(c.report)
	var m message
	err := wire.Read(said, &m)
	if err == nil && m.Waiting != "" {
		if waiting != nil {
			waiting(m.Waiting)
		}
		err = wire.Read(said, &m)
	}
	if err != nil || m.Report == nil {
		m.Report = &Report{Errors: []string{"the courier ended before it reported"}, Status: StatusFailed}
	}
	r := *m.Report
	if r.OK() && c.errand != Probe && !sealed(c.memory) {
		r.Errors, r.Status = []string{"the courier's memory file is not sealed"}, StatusFailed
	}
	now := time.Now()
	for i := range r.Holdings {
		r.Holdings[i].Asked, r.Holdings[i].Epoch = now.Add(-r.Holdings[i].Age), epoch
	}
	c.live = r.Live
	c.reported <- r
	if wire.Read(said, &m) == nil && m.Errno != 0 {
		c.executed <- ExecError(c.program, syscall.Errno(m.Errno))
		return
	}
	c.executed <- nil
}
