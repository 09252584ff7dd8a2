//go:build amd64 || arm64

package headstart

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// told is what testdata/begin prints.
type told struct {
	PID, Group    int
	Args, Environ []string
	Shown         [2]string
	Random        uint64
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
			if shown := strings.TrimRight(is.Shown[0], "\x00"); shown != "vwrap "+Argument || strings.Contains(is.Shown[1], "=") {
				t.Errorf("it is shown as %q, with the environment %q", shown, is.Shown[1])
			}
			if strings.Contains(got.Shown[0], Argument) || !slices.Contains(got.Args, "--") || !strings.Contains(got.Shown[1]+"BEGIN=", "BEGIN=") {
				t.Errorf("vwrap itself is %q, and shown as %q", got.Args, got.Shown)
			}
		})
	}
}
