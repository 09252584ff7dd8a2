package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// intruder tries to read another process, and prints what it could.
const intruder = `
import ctypes, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, try_it):
    try:
        if try_it():
            print(name)
    except OSError:
        pass
def readable(path):
    with open(path, "rb") as f:
        return len(f.read(1)) == 1
def memory():
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        mem.seek(int(maps.readline().split("-")[0], 16))
        return len(mem.read(1)) == 1
class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
def vm_readv():
    buffer = ctypes.create_string_buffer(1)
    here, there = iovec(ctypes.addressof(buffer), 1), iovec(int(sys.argv[2], 16), 1)
    return libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == 1
def getfd():
    fd = os.pidfd_open(pid)
    return libc.syscall(438, fd, 0, 0) >= 0
def attach():
    if libc.ptrace(16, pid, None, None) != 0:
        return False
    os.waitpid(pid, 0x40000000)
    return libc.ptrace(17, pid, None, None) == 0
tried("environ", lambda: readable("/proc/%d/environ" % pid))
tried("maps", lambda: readable("/proc/%d/maps" % pid))
tried("mem", memory)
tried("process_vm_readv", vm_readv)
tried("pidfd_getfd", getfd)
tried("fd", lambda: len(os.listdir("/proc/%d/fd" % pid)) >= 0)
tried("ptrace", attach)
`

// TestNobodyReadsVwrap: neither another user nor the same one reads the environment, the memory or the descriptors of the supervisor, of a
// courier at its gate, or of the process that masks, nor traces them. The same user can do all of that with a plain process of his.
func TestNobodyReadsVwrap(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to be other users")
	}
	const same, other = 65534, 1234
	w, _ := startAs(t, same, "--mask", "always", "--stop-grace", "1h")
	targets := map[string]int{"the supervisor": w.pid()}
	go over(w.control).Post("http://vwrap/v1/rotate", "application/json", strings.NewReader("{}")) //nolint:bodyclose,errcheck // it is never answered: the command does not end
	for _, name := range []string{"__courier", "__mask"} {
		check(t, poll(patience, 10*time.Millisecond, func() (err error) {
			targets[name], err = hidden(w.pid(), name)
			return err
		}))
	}
	plain := exec.Command("sleep", "1000")
	plain.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: same, Gid: same}}
	control, err := startProcess(plain, syscall.SIGKILL)
	check(t, err)
	t.Cleanup(func() { control.stop(syscall.SIGKILL) })

	if got := intrude(t, same, control.pid()); got != "environ maps mem process_vm_readv pidfd_getfd fd ptrace" {
		t.Errorf("of a plain process the same user can: %s", got)
	}
	for name, pid := range targets {
		for _, uid := range []uint32{same, other} {
			if got := intrude(t, uid, pid); got != "" {
				t.Errorf("of %s user %d can: %s", name, uid, got)
			}
		}
		if owner := ownerOf(t, fmt.Sprintf("/proc/%d/mem", pid)); owner != 0 {
			t.Errorf("%s is dumpable: its /proc belongs to user %d", name, owner)
		}
	}
}

// TestNobodyReadsTheFirstCourier: it is forked from vwrap, with what that was executed with; nothing of it is left to be seen while it waits for Vault,
// and nobody reads it.
func TestNobodyReadsTheFirstCourier(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to be other users")
	}
	const same, other = 65534, 1234
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { silent.Close() })
	p, _ := executeAs(t, same, []string{"VAULT_TOKEN=hvs.unseen", "VAULT_ADDR=http://" + silent.Addr().String()}, "--start-timeout", "1h", "-e", "KEY=vault:secret/dev/api#key", "--", "true", "an argument")
	var courier int
	check(t, poll(patience, 10*time.Millisecond, func() (err error) {
		if courier, err = hidden(p.pid(), "__courier"); err == nil && ownerOf(t, fmt.Sprintf("/proc/%d/mem", courier)) != 0 {
			err = errors.New("it is dumpable still")
		}
		return err
	}))
	for _, uid := range []uint32{same, other} {
		if got := intrude(t, uid, courier); got != "" {
			t.Errorf("user %d can: %s", uid, got)
		}
	}
	if got := environOf(t, courier); len(got) > 1 { // what there is are zeros
		t.Errorf("its environment is %q", got)
	}
	if limit := coreLimit(t, courier); limit != "1" {
		t.Errorf("its core file may have %s", limit)
	}
}

// TestGoIsToldNothing: what Go's runtime would show to whoever debugs it is asked of the command alone, not of any process of vwrap's.
func TestGoIsToldNothing(t *testing.T) {
	t.Parallel()
	w, value := startAs(t, 65534, "--mask", "always", "--stop-grace", "1h")
	command, err := (&mode{live: w}).command()
	check(t, err)
	go over(w.control).Post("http://vwrap/v1/rotate", "application/json", strings.NewReader("{}")) //nolint:bodyclose,errcheck // it is never answered: the command does not end
	targets := map[string]int{"the supervisor": w.pid()}
	for _, name := range []string{"__courier", "__mask"} {
		check(t, poll(patience, 10*time.Millisecond, func() (err error) {
			targets[name], err = hidden(w.pid(), name)
			return err
		}))
	}
	if got := environOf(t, command); got["GODEBUG"] != "http2debug=2" || got["GOTRACEBACK"] != "crash" || got["KEY"] != value {
		t.Errorf("the command has %v", got)
	}
	for name, pid := range targets {
		got := environOf(t, pid)
		_, debug := got["GODEBUG"]
		_, traceback := got["GOTRACEBACK"]
		_, resolved := got["KEY"]
		if debug || traceback || resolved {
			t.Errorf("%s has GODEBUG: %t, GOTRACEBACK: %t, a value: %t", name, debug, traceback, resolved)
		}
	}
}

// environOf is the environment that a process was executed with.
func environOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	check(t, err)
	all := map[string]string{}
	for entry := range strings.SplitSeq(string(text), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		all[name] = value
	}
	return all
}

// startAs runs, for another user, a command under vwrap that does not end when it is asked to, and returns its secret too. Whoever wants may
// leave core files of any size.
func startAs(t *testing.T, uid uint32, flags ...string) (*live, string) {
	t.Helper()
	own := newTestTenant(t)
	value := "k-" + randomHex(8)
	check(t, own.put("dev/api", map[string]any{"key": value}))
	argv := append(flags, "-e", "KEY=vault:"+own.kv+"/dev/api#key", "--", "sh", "-c", `trap "" TERM; while :; do sleep 1; done`)
	p, dir := executeAs(t, uid, []string{"GODEBUG=http2debug=2", "GOTRACEBACK=crash", "VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token}, argv...)
	l := &live{background: &background{t: t, process: p}}
	check(t, poll(patience, 10*time.Millisecond, func() error {
		found, err := filepath.Glob(filepath.Join(dir, "run", "*.control"))
		if err != nil || len(found) != 1 {
			return errors.New("there is no control socket")
		}
		l.control = found[0]
		_, err = (&mode{live: l}).command()
		return err
	}))
	return l, value
}

// executeAs runs vwrap for another user, in a folder of its own.
func executeAs(t *testing.T, uid uint32, environ []string, argv ...string) (p *process, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "v")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chown(dir, int(uid), int(uid)))
	program := filepath.Join(dir, "vwrap") // where another user may execute it
	text, err := os.ReadFile(filepath.Join(programs, "vwrap"))
	check(t, err)
	check(t, os.WriteFile(program, text, 0o755))
	cmd := exec.Command("/bin/sh", append([]string{"-c", `ulimit -c unlimited; exec "$@"`, "sh", program}, argv...)...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + dir, "VWRAP_RUNTIME_DIR=" + filepath.Join(dir, "run")}, environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	said, err := os.Create(filepath.Join(dir, "said")) // no pipe: what is left behind would hold it
	check(t, err)
	defer said.Close()
	cmd.Stderr = said
	p, err = startProcess(cmd, syscall.SIGKILL)
	check(t, err)
	t.Cleanup(func() {
		p.stop(syscall.SIGKILL)
		for _, e := range sessionMembers(p.pid()) {
			syscall.Kill(e.pid, syscall.SIGKILL)
		}
	})
	return p, dir
}

// hidden is vwrap's own process of that name below parent.
func hidden(parent int, name string) (int, error) {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, file := range all {
		text, err := os.ReadFile(file)
		shown := strings.ReplaceAll(strings.TrimRight(string(text), "\x00"), "\x00", " ")
		if err != nil || shown != "vwrap "+name {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && fields[1] == strconv.Itoa(parent) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("there is no %s", name)
}

// intrude returns what a user can do with a process.
func intrude(t *testing.T, uid uint32, pid int) string {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid)) // root tells where there is something
	check(t, err)
	at, _, _ := strings.Cut(string(maps), "-")
	cmd := exec.Command("/usr/bin/python3", "-c", intruder, strconv.Itoa(pid), at)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return strings.Join(strings.Fields(string(said)), " ")
}

func ownerOf(t *testing.T, file string) uint32 {
	t.Helper()
	info, err := os.Stat(file)
	check(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner")
	}
	return stat.Uid
}
