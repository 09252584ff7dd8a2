package proc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	CloseInherited(3) // as the supervisor does: what this test's own parent had open is nobody's
	if err := AdoptOrphans(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// family is the one that reaps in this test: there must be no two.
func family(t *testing.T) *Children {
	t.Helper()
	c := NewChildren()
	t.Cleanup(c.Close)
	return c
}

// shell starts sh -c script with a pipe on descriptor 3, and returns what comes out of that.
func (c *Children) shell(t *testing.T, script string) (*Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	p, err := c.Start(Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Files: []int{int(w.Fd())}})
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		<-p.Ended()
		<-p.Drain()
	})
	return p, bufio.NewReader(r)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return strings.TrimSpace(text)
}

func TestStatus(t *testing.T) {
	c := family(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "kill -KILL $$": 137, "kill -TERM $$": 143} {
		p, _ := c.shell(t, script)
		<-p.Ended()
		if got := p.Status().Exit(); got != want {
			t.Errorf("%s: status %d, want %d", script, got, want)
		}
	}
}

func TestAProcessHasItsOwnGroupAndNoStrangersDescriptors(t *testing.T) {
	p, out := family(t).shell(t, `ps -o pgid= -p $$ >&3; (ls -m /proc/$$/fd >&3); exec sleep 100`)
	if got := line(t, out); got != strconv.Itoa(p.PID()) {
		t.Errorf("process group %s, want its own (%d)", got, p.PID())
	}
	if got := line(t, out); got != "0, 1, 2, 3" {
		t.Errorf("descriptors %s, want 0, 1, 2, 3", got)
	}
}

func TestASignalGoesToTheWholeGroupOrToOne(t *testing.T) {
	script := `trap 'echo parent >&3' USR1; sh -c 'trap "echo child >&3" USR1; echo ready >&3; while :; do sleep 0.05; done' & while :; do sleep 0.05; done`
	p, out := family(t).shell(t, script)
	line(t, out)
	if err := p.Signal(unix.SIGUSR1, false); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{line(t, out): true, line(t, out): true}
	if !got["parent"] || !got["child"] {
		t.Errorf("got the signal: %v", got)
	}
	if err := p.Signal(unix.SIGUSR1, true); err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "parent" {
		t.Errorf("alone: %s got the signal", got)
	}
}

func TestASignalToAnEndedProcessHitsNobody(t *testing.T) {
	p, _ := family(t).shell(t, "exit 0")
	<-p.Ended()
	if err := p.Signal(unix.SIGKILL, false); err != nil {
		t.Error(err)
	}
}

func TestStopsAreSeen(t *testing.T) {
	p, out := family(t).shell(t, "kill -STOP $$; echo on >&3; exit 3")
	if s := <-p.Stops(); s != unix.SIGSTOP {
		t.Errorf("stopped by %v", s)
	}
	if err := p.Signal(unix.SIGCONT, false); err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "on" {
		t.Errorf("continued: %s", got)
	}
	<-p.Ended()
	if p.Status().Code != 3 {
		t.Errorf("status %v", p.Status())
	}
}

// The thread that forks ends with Close, and so the kernel tells the child; not before, whatever other threads do.
func TestAProcessDiesWithItsParent(t *testing.T) {
	if os.Getpid() == 1 {
		t.Skip("as PID 1 the kernel ends everything by itself")
	}
	s := NewChildren()
	p, err := s.Start(Spec{Path: "/bin/sleep", Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	var churn sync.WaitGroup
	for range 100 {
		churn.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends
			_, _ = os.ReadFile("/proc/self/stat")
		})
	}
	churn.Wait()
	if e, ok := process(p.PID()); !ok || e.ended() {
		t.Error("it died with a thread that did not fork it")
	}
	s.Close()
	var ws unix.WaitStatus
	if err := ignoringEINTR(func() error { _, err := unix.Wait4(p.PID(), &ws, 0, nil); return err }); err != nil {
		t.Fatal(err)
	}
	if ws.Signal() != unix.SIGTERM {
		t.Errorf("ended by %v, want TERM", ws)
	}
}

// 200 starts at once from many goroutines: each status comes to its own.
func TestStatusesDoNotMix(t *testing.T) {
	s := NewChildren()
	defer s.Close()
	errs := make(chan error)
	const n = 200
	for i := range n {
		go func() {
			p, err := s.Start(Spec{Path: "/bin/sh", Args: []string{"sh", "-c", fmt.Sprintf("exit %d", i%100)}})
			if err != nil {
				errs <- err
				return
			}
			<-p.Ended()
			if got := p.Status().Code; got != i%100 {
				err = fmt.Errorf("status %d, want %d", got, i%100)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestStartOfWhatIsNotThere(t *testing.T) {
	s := NewChildren()
	defer s.Close()
	if _, err := s.Start(Spec{Path: "/no/such/program", Args: []string{"x"}}); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	put("a/prog", 0o644)
	put("b/prog", 0o755)
	put("a/data", 0o644)
	if err := os.MkdirAll(filepath.Join(dir, "a/dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a") + ":" + filepath.Join(dir, "b")
	if got, err := Resolve("prog", path); err != nil || got != filepath.Join(dir, "b/prog") {
		t.Errorf("%s, %v: what cannot be executed is passed over", got, err)
	}
	for name, want := range map[string]error{
		"nothing": ErrNotFound, "": ErrNotFound, "data": ErrNotExecutable, "dir": ErrNotExecutable,
		dir + "/none": ErrNotFound, dir + "/a/data": ErrNotExecutable, dir + "/a/dir": ErrNotExecutable, dir + "/a/data/x": ErrNotFound,
	} {
		if _, err := Resolve(name, path); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
	}
}

func TestCheckSizeIsTheKernels(t *testing.T) {
	value := func(n int) string { return "BIG=" + strings.Repeat("x", n-len("BIG=")) }
	if err := CheckSize([]string{"true"}, []string{value(maxString - 1)}); err != nil {
		t.Errorf("the largest string that the kernel takes: %v", err)
	}
	err := CheckSize([]string{"true"}, []string{value(maxString)})
	if !errors.Is(err, ErrTooBig) || !strings.HasPrefix(err.Error(), "BIG: ") {
		t.Errorf("one byte more: %v", err)
	}
	s := NewChildren()
	defer s.Close()
	for n, want := range map[int]bool{maxString - 1: true, maxString: false} {
		p, err := s.Start(Spec{Path: "/bin/true", Args: []string{"true"}, Env: []string{value(n)}})
		if (err == nil) != want {
			t.Errorf("the kernel, %d bytes: %v", n, err)
		}
		if err == nil {
			<-p.Ended()
		}
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", 100<<10)))
	}
	if err := CheckSize(nil, many); !errors.Is(err, ErrTooBig) {
		t.Errorf("all together: %v", err)
	}
}
