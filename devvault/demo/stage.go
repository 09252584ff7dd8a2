package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stage is where the story is played: the processes, and what they have said. One goroutine alone plays on it.
type stage struct {
	began   time.Time
	lines   chan line
	running []*process
	wrapped *process // vwrap; nil before it is started

	said   []string // by vwrap
	starts []start  // of the command
}

// line is one that a process has written.
type line struct{ who, text string }

// start is what the command said of itself.
type start map[string]string

func newStage() *stage { return &stage{began: time.Now(), lines: make(chan line)} }

// command is what to start. What it writes to standard output and standard error are lines of the stage, but for
// quiet, whose owner reads its output.
type command struct {
	name, program string
	args          []string
	dir           string
	environ       []string
	quiet         bool
	grace         time.Duration // between asking it to end and killing it
}

// process is a command that was started.
type process struct {
	command
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Reader     // of a quiet one
	exited chan struct{} // closed once cmd.ProcessState is set
}

// start starts c in a session of its own: Ctrl-C is for the demonstration, which then ends things in their order.
func (s *stage) start(c command) (*process, error) {
	cmd := exec.Command(c.program, c.args...)
	cmd.Dir, cmd.Env = c.dir, c.environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	stderr, errErr := cmd.StderrPipe()
	if err := errors.Join(inErr, outErr, errErr); err != nil {
		return nil, fmt.Errorf("make pipes: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p := &process{command: c, cmd: cmd, stdin: stdin, exited: make(chan struct{})}
	var readers sync.WaitGroup
	read := func(who string, r io.Reader) {
		readers.Add(1)
		go func() {
			defer readers.Done()
			s.read(who, r)
		}()
	}
	read(c.name, stderr)
	if c.quiet {
		p.stdout = stdout
	} else {
		read("child", stdout)
	}
	go func() {
		defer close(p.exited)
		readers.Wait()
		cmd.Wait() // its outcome is in ProcessState
	}()
	s.running = append(s.running, p)
	return p, nil
}

func (s *stage) read(who string, r io.Reader) {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		s.lines <- line{who, scanner.Text()}
	}
	io.Copy(io.Discard, r) // after a line too long for a scanner, say
}

// title begins an act.
func (s *stage) title(text string) {
	fmt.Println()
	s.tell("%s", text)
}

// tell is the narrator's voice.
func (s *stage) tell(format string, args ...any) { s.print("==", fmt.Sprintf(format, args...)) }

// proved tells of what has been looked at, not only heard of.
func (s *stage) proved(format string, args ...any) {
	s.print("==", "ok: "+fmt.Sprintf(format, args...))
}

// quote shows a text as it is.
func (s *stage) quote(text string) {
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fmt.Println(strings.Repeat(" ", indent) + "| " + l)
	}
}

// A row is the time, who says it, and what: indent columns and width columns.
const indent, width = 13, 66

// print writes text in rows.
func (s *stage) print(who, text string) {
	prefix := fmt.Sprintf("%5.1fs %-5s ", time.Since(s.began).Seconds(), who)
	row := ""
	for _, word := range strings.Split(text, " ") {
		if row != "" && len(row)+1+len(word) > width {
			fmt.Println(prefix + row)
			prefix, row = strings.Repeat(" ", indent), ""
		}
		if row != "" {
			row += " "
		}
		row += word
	}
	fmt.Println(prefix + row)
}

// heard shows a line and remembers what it says.
func (s *stage) heard(l line) {
	text := strings.TrimPrefix(l.text, l.who+": ")
	s.print(l.who, text)
	if l.who != "child" {
		s.said = append(s.said, text)
		return
	}
	about, starts := strings.CutPrefix(text, "starts ")
	if !starts {
		return
	}
	values := start{}
	for _, field := range strings.Fields(about) {
		name, value, _ := strings.Cut(field, "=")
		values[name] = value
	}
	s.starts = append(s.starts, values)
}

// now is the latest start of the command; there has been one.
func (s *stage) now() start { return s.starts[len(s.starts)-1] }

// saidSince counts the lines of vwrap, from the n-th on, that have all parts.
func (s *stage) saidSince(n int, parts ...string) (count int) {
	for _, text := range s.said[n:] {
		has := 0
		for _, part := range parts {
			if strings.Contains(text, part) {
				has++
			}
		}
		if has == len(parts) {
			count++
		}
	}
	return count
}

// errTooLate is wrapped by await when the limit has passed.
var errTooLate = errors.New("it did not come in time")

// await listens until happened. It is an error when vwrap ends meanwhile.
func (s *stage) await(ctx context.Context, limit time.Duration, what string, happened func() bool) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for !happened() {
		select {
		case l := <-s.lines:
			s.heard(l)
		case <-s.wrapped.exited:
			return fmt.Errorf("wait for %s: vwrap ended: %v", what, s.wrapped.cmd.ProcessState)
		case <-timer.C:
			return fmt.Errorf("wait %v for %s: %w", limit, what, errTooLate)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
	return nil
}

// pause listens for a while.
func (s *stage) pause(ctx context.Context, d time.Duration) error {
	err := s.await(ctx, d, "time to pass", func() bool { return false })
	if errors.Is(err, errTooLate) {
		return nil
	}
	return err
}

// end asks p to end with sig, and insists when its grace is over.
func (s *stage) end(p *process, sig syscall.Signal) {
	p.cmd.Process.Signal(sig) // one that has ended already is as good
	timer := time.NewTimer(p.grace)
	defer timer.Stop()
	for {
		select {
		case l := <-s.lines:
			s.heard(l)
		case <-p.exited:
			p.stdin.Close()
			return
		case <-timer.C:
			p.cmd.Process.Kill()
			p.stdin.Close() // ends what p started
		}
	}
}

// clear ends what runs still, last first.
func (s *stage) clear() {
	for i := len(s.running) - 1; i >= 0; i-- {
		s.end(s.running[i], syscall.SIGTERM)
	}
}
