//go:build amd64 || arm64

package headstart

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// told is what testdata/begin prints.
type told struct {
	PID, Group    int
	Args, Environ []string
	Shown         [2]string
	Random        uint64
	Processors    int
	Courier       *told
}

// begins builds a program that begins at vwrap_entry, and returns what executes it by a line of sh's.
func begins(t *testing.T) func(t *testing.T, environ []string, line string) told {
	program := filepath.Join(t.TempDir(), "vwrap")
	build := exec.Command("go", "build", "-ldflags=-E vwrap_entry", "-o", program, "./testdata/begin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(t *testing.T, environ []string, line string) (got told) {
		t.Helper()
		c := exec.Command("/bin/sh", "-c", line)
		c.Dir, c.Env, c.Stderr = t.TempDir(), environ, os.Stderr
		c.Env = append(slices.Clone(environ), "BEGIN="+program)
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		return got
	}
}

// A courier that is forked before Go begins is what one is that was executed.
func TestForkedCourier(t *testing.T) {
	begin := begins(t)
	for name, c := range map[string]struct {
		environ []string
		line    string
		want    bool
	}{
		"an argument":               {nil, `exec "$BEGIN" -e A=vault:a#b -- true`, true},
		"a variable":                {[]string{"A=http://${vault:a#b}"}, `exec "$BEGIN" -- x`, true},
		"a file":                    {nil, `echo > vwrap.yaml; exec "$BEGIN" -- true`, true},
		"no environment":            {nil, `exec env -i "$BEGIN" -e A=vault:a#b -- true`, true},
		"a name of one letter":      {nil, `ln -s "$BEGIN" v; PATH=. A=vault:a#b; export A; exec v -- x`, true},
		"descriptors are open":      {nil, `exec 3< . 5< . 9< .; exec "$BEGIN" -e A=vault:a#b -- true`, true},
		"on one processor":          {nil, `exec taskset -c 0 "$BEGIN" -e A=vault:a#b -- true`, true},
		"nothing to inject":         {nil, `exec "$BEGIN" -- true`, false},
		"nothing to run":            {nil, `exec "$BEGIN" -e A=vault:a#b`, false},
		"not so, on a closer look":  {nil, `exec "$BEGIN" exec -- true vault:a#b`, false},
		"vwrap would begin anew":    {[]string{"GODEBUG=x=1"}, `exec "$BEGIN" -e A=vault:a#b -- true`, false},
		"children are there before": {nil, `sleep 0.1 & exec "$BEGIN" -e A=vault:a#b -- true`, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := begin(t, c.environ, c.line)
			if (got.Courier != nil) != c.want {
				t.Fatalf("a courier: %t, want %t; got %+v", got.Courier != nil, c.want, got)
			}
			if !c.want {
				return
			}
			is := got.Courier
			if !slices.Equal(is.Args, []string{"vwrap", Argument}) || !slices.Equal(is.Environ, Environ()) {
				t.Errorf("it was given %q and %q", is.Args, is.Environ)
			}
			if is.Group != is.PID || is.PID == got.PID {
				t.Errorf("process %d of group %d, of %d", is.PID, is.Group, got.PID)
			}
			if is.Random == got.Random {
				t.Errorf("both have the random number %d", got.Random)
			}
			if is.Processors != got.Processors || got.Processors < 1 {
				t.Errorf("it may run on %d processors, vwrap on %d", is.Processors, got.Processors)
			}
			if shown := strings.TrimRight(is.Shown[0], "\x00"); shown != "vwrap "+Argument || strings.Contains(is.Shown[1], "=") {
				t.Errorf("it is shown as %q, with the environment %q", shown, is.Shown[1])
			}
			if strings.Contains(got.Shown[0], Argument) || !slices.Contains(got.Args, "--") || !strings.Contains(got.Shown[1]+"BEGIN=", "BEGIN=") {
				t.Errorf("vwrap itself is %q, and shown as %q", got.Args, got.Shown)
			}
		})
	}
}

// Under a filter of system calls that ends who asks the scheduler for something, nothing is asked of it.
func TestForkedUnderAFilter(t *testing.T) {
	begin := begins(t)
	done := make(chan told)
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the filter is the thread's, and of what it starts
		if err := forbid(unix.SYS_SCHED_SETAFFINITY); err != nil {
			t.Error(err)
			return
		}
		done <- begin(t, nil, `exec "$BEGIN" -e A=vault:a#b -- true`)
	}()
	if got := <-done; got.Courier == nil {
		t.Errorf("there is no courier: %+v", got)
	}
}

// forbid has the kernel end this thread's process, and what it starts, at one system call (seccomp(2)).
func forbid(call uint32) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
