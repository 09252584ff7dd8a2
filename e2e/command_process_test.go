package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/e2e/built"
)

// start NAME CMD [ARG...] runs a command in the background. What it says goes to NAME.out and NAME.err in $WORK as it
// says it, and its process ID to $NAME_pid.
func start(s *session, args []string) error {
	if len(args) < 2 {
		return usageError("start NAME CMD [ARG...]")
	}
	name := args[0]
	if old := s.processes[name]; old != nil && old.running() {
		return usageError("start " + name + ": it runs already")
	}
	cmd, err := s.prepare(args[1:])
	if err != nil {
		return err
	}
	stdout, err := os.Create(s.inWork(name + ".out"))
	if err != nil {
		return fmt.Errorf("make output: %w", err)
	}
	defer stdout.Close()
	stderr, err := os.Create(s.inWork(name + ".err"))
	if err != nil {
		return fmt.Errorf("make output: %w", err)
	}
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	p, err := startProcess(cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	s.processes[name] = p
	s.ts.Setenv(name+"_pid", strconv.Itoa(p.pid()))
	return nil
}

// prepare is argv as a command in the script's folder with the script's environment.
func (s *session) prepare(argv []string) (*exec.Cmd, error) {
	environ, err := s.environ()
	if err != nil {
		return nil, err
	}
	path := argv[0]
	if strings.Contains(path, "/") {
		path = s.ts.MkAbs(path)
	}
	cmd := exec.Command(path, argv[1:]...)
	cmd.Dir, cmd.Env = s.ts.MkAbs("."), environ
	return cmd, nil
}

// environ asks a child for it: testscript tells its commands only single variables.
func (s *session) environ() ([]string, error) {
	file, err := os.CreateTemp(scratch, "environ-")
	if err != nil {
		return nil, fmt.Errorf("read script's environment: %w", err)
	}
	file.Close()
	defer os.Remove(file.Name())
	if err := s.ts.Exec("cp", "/proc/self/environ", file.Name()); err != nil {
		return nil, fmt.Errorf("read script's environment: %w", err)
	}
	content, err := os.ReadFile(file.Name())
	if err != nil {
		return nil, fmt.Errorf("read script's environment: %w", err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00"), nil
}

// signal NAME SIGTERM
func signalProcess(s *session, args []string) error {
	const usage = usageError("signal NAME SIGNAL")
	if len(args) != 2 {
		return usage
	}
	p, ok := s.processes[args[0]]
	number := unix.SignalNum("SIG" + strings.TrimPrefix(args[1], "SIG"))
	if !ok || number == 0 {
		return usage
	}
	return p.signal(number)
}

// exit-status NAME CODE within 10s waits for a background command to end. CODE is as in a shell: 143 after a TERM.
func exitStatus(s *session, args []string) error {
	const usage = usageError("exit-status NAME CODE within DURATION")
	if len(args) != 4 || args[2] != "within" {
		return usage
	}
	p, ok := s.processes[args[0]]
	want, err := strconv.Atoi(args[1])
	if !ok || err != nil {
		return usage
	}
	limit, err := time.ParseDuration(args[3])
	if err != nil {
		return usage
	}
	if !p.waitFor(limit) {
		return fmt.Errorf("%s still runs after %v", args[0], limit)
	}
	if got := p.status(); got != want {
		return fmt.Errorf("%s ended with %d, not %d", args[0], got, want)
	}
	return nil
}

// status CODE CMD [ARG...] is exec for a command whose exit status matters; stdout and stderr can be looked at after.
func status(s *session, args []string) error {
	const usage = usageError("status CODE CMD [ARG...]")
	if len(args) < 2 {
		return usage
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return usage
	}
	s.executed = true
	err = s.ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = (&process{cmd: &exec.Cmd{ProcessState: exit.ProcessState}}).status()
	} else if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s ended with %d, not %d", args[1], got, want)
	}
	return nil
}

// tally FILE [-failed N] [-ok-min N] [-runs-min N] sums the lines that query-loop left.
func tally(s *session, args []string) error {
	flags := newFlags("tally")
	failed := flags.Int("failed", -1, "exactly so many failed queries")
	okMin := flags.Int("ok-min", 0, "at least so many good ones")
	runsMin := flags.Int("runs-min", 0, "at least so many runs")
	files, err := parseMixed(flags, args)
	if err != nil || len(files) != 1 {
		return usageError("tally FILE [-failed N] [-ok-min N] [-runs-min N]")
	}
	content, err := os.ReadFile(s.ts.MkAbs(files[0]))
	if err != nil {
		return fmt.Errorf("read tally: %w", err)
	}
	runs, oks, fails := 0, 0, 0
	for line := range bytes.Lines(content) {
		var ok, fail int
		if _, err := fmt.Sscanf(string(line), "ok=%d failed=%d", &ok, &fail); err != nil {
			return fmt.Errorf("read tally %q: %w", line, err)
		}
		runs, oks, fails = runs+1, oks+ok, fails+fail
	}
	fmt.Fprintf(s.out, "runs=%d ok=%d failed=%d\n", runs, oks, fails)
	if (*failed >= 0 && fails != *failed) || oks < *okMin || runs < *runsMin {
		return fmt.Errorf("the tally is runs=%d ok=%d failed=%d", runs, oks, fails)
	}
	return nil
}

// runtime-dir gives the script's vwraps, and who looks for them, a folder of their own. Its path is short: a socket's has to be.
func runtimeDir(s *session, args []string) error {
	if len(args) != 0 {
		return usageError("runtime-dir")
	}
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	s.ts.Defer(func() { os.RemoveAll(dir) })
	s.ts.Setenv("VWRAP_RUNTIME_DIR", filepath.Join(dir, "run"))
	return os.Chmod(dir, 0o755)
}

// junitValid holds files against the schema of JUnit reports.
func junitValid(s *session, args []string) error {
	if len(args) == 0 {
		return usageError("junit-valid FILE...")
	}
	schema, err := built.JUnitSchema()
	if err != nil {
		return err
	}
	for _, name := range args {
		if said, err := exec.Command("xmllint", "--noout", "--schema", schema, s.ts.MkAbs(name)).CombinedOutput(); err != nil {
			return fmt.Errorf("%s is no JUnit report: %w\n%s", name, err, said)
		}
	}
	return nil
}
