package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoCores: with unlimited core files for whoever wants them, neither vwrap nor the command leaves one when it is ended by a signal that
// makes one; with --allow-core-dumps the command does, and the value is in it.
func TestNoCores(t *testing.T) {
	t.Parallel()
	files := coresAreFiles(t)
	for name, c := range map[string]struct {
		flags  []string
		signal syscall.Signal
		core   bool
	}{
		"ABRT":                {signal: syscall.SIGABRT},
		"QUIT":                {signal: syscall.SIGQUIT},
		"SEGV":                {signal: syscall.SIGSEGV},
		"ABRT, where allowed": {flags: []string{"--allow-core-dumps"}, signal: syscall.SIGABRT, core: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := newTestTenant(t)
			marker := randomHex(16)
			check(t, own.put("dev/api", map[string]any{"key": marker}))
			dir := t.TempDir()
			argv := append([]string{"-c", `ulimit -c unlimited; exec "$@"`, "sh", filepath.Join(programs, "vwrap")}, c.flags...)
			cmd := exec.Command("sh", append(argv, "-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", "echo up >up; exec sleep 1000")...)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token, "VWRAP_RUNTIME_DIR=" + filepath.Join(dir, "run")}
			p, err := startProcess(cmd, syscall.SIGKILL)
			check(t, err)
			t.Cleanup(func() { p.stop(syscall.SIGKILL) })
			var command int
			check(t, poll(patience, 10*time.Millisecond, func() error {
				found, err := filepath.Glob(filepath.Join(dir, "run", "*.control"))
				if err != nil || len(found) != 1 {
					return errors.New("there is no control socket")
				}
				if _, err := os.Stat(filepath.Join(dir, "up")); err != nil {
					return err
				}
				command, err = (&mode{live: &live{control: found[0]}}).command()
				return err
			}))
			if got := coreLimit(t, command); (got == "unlimited") != c.core {
				t.Errorf("the command's core files may have %s", got)
			}
			if got := coreLimit(t, p.pid()); (got == "unlimited") != c.core {
				t.Errorf("vwrap's core files may have %s", got)
			}
			for name, pid := range map[string]int{"the command": command, "vwrap": p.pid()} {
				if got, all := coreFilter(t, pid), coreFilter(t, os.Getpid()); (got == all) != c.core || !c.core && strings.Trim(got, "0") != "" {
					t.Errorf("a core of %s has the mappings %s, of any other process %s", name, got, all)
				}
			}
			check(t, p.signal(c.signal)) // which vwrap passes on
			if !p.waitFor(patience) || p.status() != 128+int(c.signal) {
				t.Errorf("vwrap ends with %d, want the command's %d", p.status(), 128+int(c.signal))
			}
			if !files {
				return
			}
			cores := coresIn(t, dir)
			switch {
			case !c.core && len(cores) > 0:
				t.Errorf("there is a core: %q", cores)
			case c.core && len(cores) != 1:
				t.Errorf("there are %d cores where one is allowed: what is not there elsewhere says nothing", len(cores))
			case c.core:
				text, err := os.ReadFile(cores[0])
				check(t, err)
				if !strings.Contains(string(text), marker) {
					t.Error("the value is not in the core, where it is")
				}
			}
		})
	}
}

// TestNoCoresAtTheGate: a courier that is ended at its gate, with values in its memory, by a signal that makes a core file leaves none and
// shows nothing of them, also where the command may leave one; the command that runs is left alone. A plain process leaves one there.
func TestNoCoresAtTheGate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal syscall.Signal
		flags  []string
		limit  string
	}{
		"QUIT":                          {syscall.SIGQUIT, nil, "1"}, // byte, which also those who are piped cores respect: core(5)
		"ABRT":                          {syscall.SIGABRT, nil, "1"},
		"QUIT, where cores are allowed": {syscall.SIGQUIT, []string{"--allow-core-dumps"}, "unlimited"},
		"SEGV, where cores are allowed": {syscall.SIGSEGV, []string{"--allow-core-dumps"}, "unlimited"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, value := startAs(t, 65534, append(c.flags, "--stop-grace", "1h")...)
			dir := filepath.Dir(filepath.Dir(w.control))
			command, err := (&mode{live: w}).command()
			check(t, err)
			courier := atTheGate(t, w, value)
			if got := coreLimit(t, courier); got != c.limit {
				t.Errorf("the courier's core file may have %s, want %s", got, c.limit)
			}
			if got := coreFilter(t, courier); c.flags == nil && strings.Trim(got, "0") != "" {
				t.Errorf("a core of the courier has the mappings %s", got)
			}
			check(t, syscall.Kill(courier, c.signal))
			check(t, poll(patience, 10*time.Millisecond, func() error {
				if now, err := hidden(w.pid(), "__courier"); err == nil && now == courier {
					return errors.New("the courier lives")
				}
				return nil
			}))
			said, err := os.ReadFile(filepath.Join(dir, "said"))
			check(t, err)
			if strings.Contains(string(said), value) {
				t.Errorf("the value is shown:\n%s", said)
			}
			if cores := coresIn(t, dir); len(cores) > 0 {
				t.Errorf("there are cores: %q", cores)
			}
			if err := syscall.Kill(command, 0); err != nil {
				t.Errorf("the command does not run: %v", err)
			}
			if coresAreFiles(t) && len(coresOfPlain(t, dir, 65534, c.signal)) == 0 {
				t.Error("a plain process leaves no core there: what is not there elsewhere says nothing")
			}
		})
	}
}

// atTheGate has w rotate a command that does not end, and returns the courier that waits for that, with the value in its memory.
func atTheGate(t *testing.T, w *live, value string) (courier int) {
	t.Helper()
	go over(w.control).Post("http://vwrap/v1/rotate", "application/json", strings.NewReader("{}")) //nolint:bodyclose,errcheck // it is never answered: the command does not end
	check(t, poll(patience, 10*time.Millisecond, func() (err error) {
		if courier, err = hidden(w.pid(), "__courier"); err != nil {
			return err
		}
		n, err := scan(courier, value)
		if err == nil && n == 0 {
			err = errors.New("the courier has no value yet")
		}
		return err
	}))
	return courier
}

// coresAreFiles reports whether a core is a file of the working directory; else it goes elsewhere, and the limits alone tell.
func coresAreFiles(t *testing.T) bool {
	t.Helper()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	check(t, err)
	return !strings.ContainsAny(string(pattern), "|/")
}

func coresIn(t *testing.T, dir string) []string {
	t.Helper()
	cores, err := filepath.Glob(filepath.Join(dir, "core*"))
	check(t, err)
	return cores
}

// coresOfPlain are what a process leaves that is not vwrap's, and ends by s.
func coresOfPlain(t *testing.T, dir string, uid uint32, s syscall.Signal) []string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("ulimit -c unlimited; kill -%d $$", s))
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Run() // it fails, as it is to
	return coresIn(t, dir)
}

// coreFilter is which mappings of a process a core of it has: core(5).
func coreFilter(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/coredump_filter", pid))
	check(t, err)
	return strings.TrimSpace(string(text))
}

// coreLimit is the soft limit of a process's core files.
func coreLimit(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	check(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			return strings.Fields(rest)[0]
		}
	}
	t.Fatalf("process %d has no limit of core files", pid)
	return ""
}
