package mask

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// stream copies what comes out of a pipe to a file, masked. What cannot be written ends it, and closes the pipe, so that who writes
// into it learns of it as he would have without it (SIGPIPE, EPIPE).
type stream struct {
	in, out *os.File // in does not block (O_NONBLOCK), so that its deadlines hold
	set     *atomic.Pointer[set]

	mu      sync.Mutex // guards what follows
	drained []chan<- struct{}
	over    bool
}

// past is a deadline that ends a read before it begins.
var past = time.Unix(1, 0)

// run copies until the pipe's last writer is gone.
func (s *stream) run() {
	defer s.end()
	var f filter
	buffer := make([]byte, 64<<10)
	for {
		s.arm(f.due())
		n, err := s.in.Read(buffer)
		out := f.pass(s.set.Load(), buffer[:n], time.Now())
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !s.pause(&f) {
				return
			}
			continue
		case err != nil: // the end, as a rule
			out = append(out, f.flush(s.set.Load())...)
		}
		if !s.write(out) || err != nil {
			return
		}
	}
}

// pause is when nothing came in time: what is held is written, and who waits for that is told.
func (s *stream) pause(f *filter) bool {
	s.mu.Lock()
	waiting := s.drained
	s.mu.Unlock()
	if due := f.due(); len(waiting) == 0 && (due.IsZero() || time.Now().Before(due)) {
		return true
	}
	if !s.write(f.flush(s.set.Load())) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range waiting {
		close(w)
	}
	s.drained = s.drained[len(waiting):]
	return true
}

// arm sets the time at which the next read ends that gets nothing; zero is never.
func (s *stream) arm(due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.drained) > 0 && readable(s.in):
		due = time.Time{} // the read does not wait, and is not to end before it begins
	case len(s.drained) > 0:
		due = past
	}
	_ = s.in.SetReadDeadline(due)
}

// drain returns a channel that is closed when all is written that has come so far.
func (s *stream) drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := make(chan struct{})
	if s.over {
		close(done)
		return done
	}
	s.drained = append(s.drained, done)
	_ = s.in.SetReadDeadline(past)
	return done
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, w := range s.drained {
		close(w)
	}
	s.drained = nil
	_ = s.in.Close()
}

func (s *stream) write(out []byte) bool {
	if len(out) == 0 {
		return true
	}
	_, err := s.out.Write(out)
	return err == nil
}

// readable reports whether a read would not wait.
func readable(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = conn.Control(func(fd uintptr) { n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) })
	return err == nil && n > 0
}
