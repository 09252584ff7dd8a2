package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/internal/proc"
)

// Hidden is the argument by which vwrap knows that it is to mask.
const Hidden = "__mask"

// The descriptors of the process that masks: where it is told what, and the pipes that the command writes into; the second only where
// standard error goes elsewhere than standard output.
const (
	controlFD = 3 + iota
	outFD
	errFD
)

// single says, in the environment of the process, that there is no second pipe.
const single = "SINGLE=1"

// generations is of how many generations the values are masked: programs print old ones too.
const generations = 16

// request is what the process is told: one, and then its answer.
type request struct {
	Publish *Section `json:"publish,omitempty"` // of the memory file that comes with it
	Drain   bool     `json:"drain,omitempty"`
}

// reply is the answer to one.
type reply struct {
	Left  []string `json:"left,omitempty"` // names of the values that are not masked
	Error string   `json:"error,omitempty"`
}

// Serve is the life of the process that masks. It ends when nobody is left who could write; who sent it out may be gone before.
func Serve() int {
	control, err := controlOf(controlFD)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vwrap: this command is vwrap's own: it is started by vwrap, not by hand")
		return 1
	}
	signal.Ignore(unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGTSTP, unix.SIGTTOU, unix.SIGPIPE) // the last output is to come through
	if errors.Join(proc.LimitCore(), proc.Harden()) != nil {
		return 1
	}
	m := masker{}
	empty, _ := newSet(nil)
	m.set.Store(empty)
	var copying sync.WaitGroup
	pipes := map[int]*os.File{outFD: os.Stdout, errFD: os.Stderr}
	if slices.Contains(os.Environ(), single) {
		delete(pipes, errFD)
	}
	for fd, to := range pipes {
		if unix.SetNonblock(fd, true) != nil { // else its reads would have no end
			return 1
		}
		unix.CloseOnExec(fd)
		s := &stream{in: os.NewFile(uintptr(fd), "pipe"), out: to, set: &m.set}
		m.streams = append(m.streams, s)
		copying.Go(s.run)
	}
	go m.listen(control)
	copying.Wait()
	return 0
}

func controlOf(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "control")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a Unix socket")
	}
	return u, nil
}

// masker is what the streams have in common.
type masker struct {
	set     atomic.Pointer[set]
	streams []*stream
	values  [][]Value // a generation each, the newest last
}

// listen does what it is told, until nobody tells any more.
func (m *masker) listen(c *net.UnixConn) {
	defer func() { _ = c.Close() }()
	buffer, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	for {
		n, oob, _, _, err := c.ReadMsgUnix(buffer, rights)
		if err != nil || n == 0 {
			return
		}
		answer := m.obey(buffer[:n], received(rights[:oob]))
		text, _ := json.Marshal(answer) // of strings
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

// obey does what a request says, with the files that came along, and closes these.
func (m *masker) obey(text []byte, files []*os.File) (answer reply) {
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	var r request
	switch err := json.Unmarshal(text, &r); {
	case err != nil:
		answer.Error = "the request cannot be read"
	case r.Publish != nil && len(files) != 1:
		answer.Error = "no memory file came"
	case r.Publish != nil:
		if answer.Left, err = m.publish(files[0], *r.Publish); err != nil {
			answer.Error = err.Error()
		}
	case r.Drain:
		m.drain()
	}
	return answer
}

// publish masks the values that a section of a memory file has, beside those of before.
func (m *masker) publish(f *os.File, at Section) (left []string, err error) {
	info, err := f.Stat()
	if err != nil || at.Offset < 0 || at.Length < 0 || at.Offset > info.Size() || at.Length > info.Size()-at.Offset {
		return nil, errors.New("the generation's memory file has no such section")
	}
	var values []Value
	if err := json.NewDecoder(io.NewSectionReader(f, at.Offset, at.Length)).Decode(&values); err != nil {
		return nil, errors.New("the generation's memory file cannot be read")
	}
	for _, v := range values {
		secret.Leak("mask", v.Value) // nothing, but in a build for tests
	}
	m.values = append(m.values, values)
	m.values = m.values[max(0, len(m.values)-generations):]
	var all []Value
	for _, generation := range m.values {
		all = append(all, generation...)
	}
	s, left := newSet(all)
	m.set.Store(s)
	return left, nil
}

// received are the files that came along.
func received(rights []byte) (files []*os.File) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "generation"))
		}
	}
	return files
}

// drain waits until all is written that has come.
func (m *masker) drain() {
	var all []<-chan struct{}
	for _, s := range m.streams {
		all = append(all, s.drain())
	}
	for _, done := range all {
		<-done
	}
}
