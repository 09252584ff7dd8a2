package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// memoryRotations is how often TestSupervisorHoldsNoValueInAnyMode rotates each command; make e2e-full does it 200 times.
var memoryRotations = 25

// TestSupervisorHoldsNoValueInAnyMode looks for the values in all of the supervisor's memory, after each of many rotations, in every way
// in which a rotation can be done and values be asked for. What it looks for it finds in the command, and there in its environment alone.
func TestSupervisorHoldsNoValueInAnyMode(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	check(t, err)
	const deaf = `trap : HUP; while :; do sleep 1000 & wait $!; kill $!; done` // a command that goes on after HUP
	for name, c := range map[string]struct {
		rotation string
		flags    []string
		command  []string
		stays    bool // the command is the first one, with the first value
	}{
		"restart":             {rotation: "action: restart", command: []string{"sleep", "1000"}},
		"restart, masked":     {rotation: "action: restart", flags: []string{"--mask", "always"}, command: []string{"sleep", "1000"}},
		"signal, live":        {rotation: "action: signal", command: []string{"sh", "-c", deaf}, stays: true},
		"none, live":          {rotation: "action: none", command: []string{"sleep", "1000"}, stays: true},
		"overlap":             {rotation: fmt.Sprintf("action: overlap, listen: [tcp 127.0.0.1:%d], ready: {delay: 1ms}", port), command: []string{"sleep", "1000"}},
		"restart, stop-first": {rotation: "action: restart, order: stop-first", command: []string{"sleep", "1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMode(t, filepath.Join(programs, "vwrap"), c.rotation, c.flags, c.command)
			during := watchMemory(m.pid(), 2, m.markers[0])
			for n := range memoryRotations {
				marker := randomHex(16)
				during.add(marker)
				m.rotateTo(marker)
				if n%20 == 0 || n == memoryRotations-1 {
					m.checkCommand(c.stays)
				}
				if n%10 == 0 && m.live.live != "" {
					m.exec()
				}
				m.checkSupervisor(m.markers[max(0, len(m.markers)-3):]...)
			}
			m.checkSupervisor(m.markers...)
			looks, found := during.stop()
			if found > 0 || looks == 0 {
				t.Errorf("the supervisor held %d copies of values in %d looks while it rotated", found, looks)
			}
			if copies := mustScan(t, m.pid(), m.own.vault.token); copies == 0 {
				t.Error("the scanner does not find the token, which the supervisor works with")
			} else if copies > mostCopies {
				t.Errorf("the supervisor has %d copies of the token", copies)
			} else {
				t.Logf("%d rotations, %d looks while they went on; %d copies of the token", memoryRotations, looks, copies)
			}
			check(t, m.signal(syscall.SIGTERM))
			<-m.exited
		})
	}
}

// TestLeakySupervisorIsFound: a supervisor that maps its generation's memory file is found out, by the look after a rotation and by those
// that go on meanwhile.
func TestLeakySupervisorIsFound(t *testing.T) {
	t.Parallel()
	m := startMode(t, leakyVwrap(t, "supervisor:map"), "action: restart", nil, []string{"sleep", "1000"})
	during := watchMemory(m.pid(), 2, m.markers[0])
	m.rotateTo(randomHex(16))
	if copies := mustScan(t, m.pid(), m.markers[1]); copies == 0 {
		t.Error("a supervisor that holds the value is not found out")
	}
	if looks, found := during.stop(); looks == 0 || found == 0 {
		t.Errorf("%d looks found %d copies of a value that the supervisor holds", looks, found)
	}
}

// mostCopies is more than the supervisor has of a credential (see SECURITY.md): that each login leaves some would be noticed.
const mostCopies = 32

// TestCopiesOfCredentials counts what the supervisor has of the secret_id that it logs in by, after many logins.
func TestCopiesOfCredentials(t *testing.T) {
	t.Parallel()
	j := &tracedJob{t: t, own: newTestTenant(t), dir: t.TempDir(), values: []string{randomHex(16)}}
	j.newValue()
	j.allowLogin("2s")
	w := startBackground(t, vwrap("--log-level", "debug", "--config", filepath.Join(j.dir, "vwrap.yaml"), "--", "sleep", "1000"),
		"VAULT_ADDR="+j.own.vault.address, "VWRAP_RUNTIME_DIR="+filepath.Join(j.dir, "run"))
	check(t, poll(2*patience, 20*time.Millisecond, func() error {
		if logins := strings.Count(w.complained(), "logged in again"); logins < 12 {
			return fmt.Errorf("%d logins after the first", logins)
		}
		return nil
	}))
	copies := mustScan(t, w.pid(), j.secretID)
	t.Logf("%d copies of the secret_id", copies)
	if copies == 0 || copies > mostCopies {
		t.Errorf("the supervisor has %d copies of the secret_id, want 1 to %d", copies, mostCopies)
	}
	check(t, w.signal(syscall.SIGTERM))
	<-w.exited
}

// mode is a wrapped command that is rotated in one way.
type mode struct {
	*live
	own     *tenant
	dir     string
	markers []string // all values so far
}

func startMode(t *testing.T, program, rotation string, flags, command []string) *mode {
	t.Helper()
	m := &mode{own: newTestTenant(t), markers: []string{randomHex(16)}}
	check(t, m.own.put("dev/api", map[string]any{"key": m.markers[0]}))
	var err error
	m.dir, err = os.MkdirTemp("", "v")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(m.dir) })
	config := fmt.Sprintf("version: 1\nenv:\n  KEY: vault:%s/dev/api#key\n  URL: http://${vault:%[1]s/dev/api#key | base64}@localhost/\nrotation: {poll: 1h, settle: 0s, %s}\n", m.own.kv, rotation)
	check(t, os.WriteFile(filepath.Join(m.dir, "vwrap.yaml"), []byte(config), 0o600))
	argv := append([]string{"--config", filepath.Join(m.dir, "vwrap.yaml")}, flags...)
	m.live = &live{background: startBackground(t, append(append(append([]string{program}, argv...), "--"), command...),
		"VAULT_ADDR="+m.own.vault.address, "VAULT_TOKEN="+m.own.vault.token, "VWRAP_RUNTIME_DIR="+filepath.Join(m.dir, "run"))}
	check(t, poll(patience, 10*time.Millisecond, func() error {
		for suffix, socket := range map[string]*string{"live": &m.live.live, "control": &m.control} {
			if found, err := filepath.Glob(filepath.Join(m.dir, "run", "*."+suffix)); err == nil && len(found) == 1 {
				*socket = found[0]
			}
		}
		_, err := m.command()
		return err
	}))
	return m
}

// command is the process that runs now.
func (m *mode) command() (pid int, err error) {
	answer, err := over(m.control).Get("http://vwrap/v1/status")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var status struct {
		Command int `json:"command_pid"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		return 0, err
	}
	if status.Command == 0 {
		return 0, errors.New("no command runs")
	}
	return status.Command, nil
}

// rotateTo gives the command another value.
func (m *mode) rotateTo(marker string) {
	m.t.Helper()
	m.markers = append(m.markers, marker)
	check(m.t, m.own.put("dev/api", map[string]any{"key": marker}))
	m.rotate()
}

// exec becomes a command with the values of now.
func (m *mode) exec() {
	m.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "vwrap"), "exec", "--", "printenv", "KEY")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "VWRAP_RUNTIME_DIR=" + filepath.Dir(m.control)}
	if said, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(said)) != m.markers[len(m.markers)-1] {
		m.t.Errorf("vwrap exec: %v, and not the value of now: %s", err, said)
	}
}

// checkCommand finds the value in the command: in the environment that execve(2) gave it, at the end of its stack, and nowhere else,
// where the program makes no copies itself.
func (m *mode) checkCommand(stays bool) {
	m.t.Helper()
	pid, err := m.command()
	check(m.t, err)
	marker := m.markers[len(m.markers)-1]
	if stays {
		marker = m.markers[0]
	}
	where, err := mappingsWith(pid, marker)
	check(m.t, err)
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	check(m.t, err)
	switch {
	case !slices.Contains(where, "[stack]"):
		m.t.Errorf("generation %d: the scanner does not find the value in the command itself, where it is: %q", len(m.markers), where)
	case filepath.Base(name) == "sleep" && len(where) > 1:
		m.t.Errorf("generation %d: the command has the value elsewhere than in its environment: %q", len(m.markers), where)
	}
}

func (m *mode) checkSupervisor(markers ...string) {
	m.t.Helper()
	copies, err := scan(m.pid(), markers...)
	check(m.t, err)
	if copies > 0 {
		m.t.Errorf("generation %d: the supervisor holds %d copies of values", len(m.markers), copies)
	}
}

// mappingsWith are the names of a process's mappings that have a value in them.
func mappingsWith(pid int, value string) (names []string, err error) {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(maps)) {
		start, end, ok := readable(line)
		if !ok {
			continue
		}
		if copies, _ := scanMapping(io.NewSectionReader(memory, start, end-start), encodings(value)); copies > 0 {
			fields := strings.Fields(line)
			names = append(names, fields[len(fields)-1])
		}
	}
	return names, nil
}
