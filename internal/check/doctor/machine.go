package doctor

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Machine is what of this machine matters to vwrap. What cannot be known is left out.
func Machine(f Facts) []Line {
	var lines []Line
	for _, look := range []func(Facts) []Line{
		container, pidOne, stopGrace, composed, sockets, terminal, swap, cores, tracing, locks, emulation, windows, desktop, oldLoops, oldFiles,
	} {
		lines = append(lines, look(f)...)
	}
	for i := range lines {
		lines[i].Area = AreaMachine
	}
	return lines
}

// Container is the kind of container that this is; "" is none.
func (f Facts) Container() string {
	cgroup := f.read("/proc/1/cgroup") + f.read("/proc/self/cgroup")
	has := func(word string) bool { return strings.Contains(cgroup, word) }
	switch {
	case f.Getenv("KUBERNETES_SERVICE_HOST") != "" || f.is("/run/secrets/kubernetes.io") || f.is("/var/run/secrets/kubernetes.io") || has("kubepods"):
		return "Kubernetes"
	case f.is("/run/.containerenv") || has("libpod"):
		return "Podman"
	case f.is("/.dockerenv") || has("/docker"):
		return "Docker"
	case has("/lxc"):
		return "LXC"
	}
	return ""
}

func container(f Facts) []Line {
	if f.OS != "linux" {
		return nil
	}
	text := "not in one"
	if kind := f.Container(); kind != "" {
		text = "in one, of " + kind
	}
	return []Line{{Name: "container", State: OK, Text: text}}
}

// inits are programs that do as PID 1 what vwrap does.
var inits = []string{"tini", "docker-init", "dumb-init", "catatonit", "s6-svscan", "systemd", "init", "podman-init"}

// pidOne is about the first process of a container, which gets the signal of a stop and the orphans.
func pidOne(f Facts) []Line {
	name := strings.TrimSpace(f.read("/proc/1/comm"))
	switch {
	case f.Container() == "":
		return nil
	case f.PID == 1, name == "vwrap":
		return []Line{{Name: "PID 1", State: OK, Text: "vwrap is PID 1: it reaps, and passes signals on; init: true is not needed"}}
	case slices.Contains(inits, name):
		return []Line{{Name: "PID 1", State: OK, Text: name + " is PID 1 (init: true): fine; vwrap does as PID 1 what it does, so that it can be left out"}}
	case name == "":
		return nil
	}
	return []Line{{
		Name: "PID 1", State: Note, Text: name + " is PID 1: a vwrap below it gets the signal of a stop only if that passes it on",
		Mend: `make vwrap the ENTRYPOINT, in brackets: ["vwrap", "--"]`,
	}}
}

// dockerGrace is what Docker gives a container between TERM and KILL, unless it is told otherwise.
const dockerGrace = 10 * time.Second

func stopGrace(f Facts) []Line {
	kind := f.Container()
	switch {
	case kind != "Docker" && kind != "Podman":
		return nil
	case f.StopGrace < dockerGrace:
		return []Line{{Name: "stop_grace", State: OK, Text: fmt.Sprintf("%v, within the %v that %s gives by default", f.StopGrace, dockerGrace, kind)}}
	}
	need := (f.StopGrace + 5*time.Second).Round(time.Second)
	return []Line{{
		Name: "stop_grace", State: Warning,
		Text: fmt.Sprintf("rotation.stop_grace is %v; %s kills the container %v after a stop, unless it is told otherwise, which cannot be seen from inside", f.StopGrace, kind, dockerGrace),
		Mend: fmt.Sprintf("stop_grace_period: %v in the Compose file, or docker stop -t %d; or a lower rotation.stop_grace", need, int(need/time.Second)),
	}}
}

// sockets is where the control socket goes.
func sockets(f Facts) []Line {
	root := ""
	if f.readOnlyRoot() {
		root = "the root file system is read-only; "
	}
	if f.SocketsErr == nil {
		return []Line{{Name: "sockets", State: OK, Text: root + "they go to " + f.tilde(f.Sockets)}}
	}
	l := Line{
		Name: "sockets", State: Warning, Text: root + "no folder can hold one: vwrap runs without vwrap status and rotate",
		Mend: "set VWRAP_RUNTIME_DIR to a folder of this user's own; in a container: tmpfs: [/run]",
	}
	if f.Live {
		l.State, l.Text = Fault, root+"no folder can hold one, and a live channel is asked for: vwrap does not start"
	}
	return []Line{l}
}

func (f Facts) readOnlyRoot() bool {
	m, ok := mountAt(f.read("/proc/self/mountinfo"), "/")
	return ok && slices.Contains(m.options, "ro")
}

type mount struct {
	options []string
	kind    string
}

// mountAt finds the last mount at a point in the text of mountinfo (proc_pid_mountinfo(5)).
func mountAt(text, point string) (found mount, ok bool) {
	for line := range strings.Lines(text) {
		own, other, _ := strings.Cut(line, " - ")
		fields, kinds := strings.Fields(own), strings.Fields(other)
		if len(fields) < 6 || len(kinds) == 0 || fields[4] != point {
			continue
		}
		found, ok = mount{strings.Split(fields[5], ","), kinds[0]}, true
	}
	return found, ok
}

func terminal(f Facts) []Line {
	var names []string
	for fd, is := range f.Terminal {
		if is {
			names = append(names, []string{"stdin", "stdout", "stderr"}[fd])
		}
	}
	if len(names) > 0 {
		return []Line{{Name: "terminal", State: OK, Text: strings.Join(names, ", ")}}
	}
	l := Line{Name: "terminal", State: OK, Text: "none, which is right for a service"}
	if f.Container() != "" {
		l.State, l.Mend = Note, "for a command that wants one: docker run -it; in Compose: tty: true, stdin_open: true"
	}
	return []Line{l}
}

// swap is the disk that memory may go to.
func swap(f Facts) []Line {
	text := f.read("/proc/swaps")
	if text == "" {
		return nil
	}
	disks, compressed := swapsOf(text)
	switch {
	case len(disks) > 0:
		return []Line{{
			Name: "swap", State: Warning, Text: "on (" + strings.Join(disks, ", ") + "): memory, that of the command with its secrets too, may be written there",
			Mend: "swapoff -a, or swap on an encrypted device, unless it is one",
		}}
	case compressed:
		return []Line{{Name: "swap", State: OK, Text: "in memory only (zram)"}}
	}
	return []Line{{Name: "swap", State: OK, Text: "off"}}
}

// swapsOf are the swaps of /proc/swaps: devices and files, and whether there is one in memory.
func swapsOf(text string) (disks []string, compressed bool) {
	first := true
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case first, len(fields) == 0: // the head
		case strings.HasPrefix(path.Base(fields[0]), "zram"):
			compressed = true
		default:
			disks = append(disks, unescape(fields[0]))
		}
		first = false
	}
	return disks, compressed
}

// unescape undoes \ooo, as the kernel writes blanks in names.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// cores is where a core of the command would go, which has its environment in it.
func cores(f Facts) []Line {
	pattern := strings.TrimSpace(f.read("/proc/sys/kernel/core_pattern"))
	if pattern == "" {
		return nil
	}
	handler, piped := strings.CutPrefix(pattern, "|")
	if !piped {
		return []Line{{Name: "core dumps", State: OK, Text: "to files, which the limit that vwrap sets stops"}}
	}
	name := "a program"
	if fields := strings.Fields(handler); len(fields) > 0 {
		name = path.Base(fields[0])
	}
	if most, ok := limitOf(f.read("/proc/self/limits"), "Max core file size"); ok && most == "0" {
		return []Line{{
			Name: "core dumps", State: Warning, Text: "piped to " + name + ", which a limit of 0 does not stop, and the hard limit here leaves no other: a core of the command may get there, though without memory in it where the kernel knows filters",
			Mend: "a hard limit of at least 1: docker run --ulimit core=1; in Compose: ulimits: {core: 1}; in limits.conf: * hard core 1",
		}}
	}
	return []Line{{Name: "core dumps", State: OK, Text: "piped to " + name + ", which the limit of 1 that vwrap sets stops"}}
}

// limitOf is a hard limit in the text of /proc/PID/limits, as it stands there.
func limitOf(text, name string) (hard string, ok bool) {
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, name)
		if fields := strings.Fields(rest); found && len(fields) >= 2 {
			return fields[1], true
		}
	}
	return "", false
}

// tracing is who may read the command's memory (Yama, ptrace_scope).
func tracing(f Facts) []Line {
	if f.OS != "linux" || !f.is("/proc/self") {
		return nil
	}
	scope := strings.TrimSpace(f.read("/proc/sys/kernel/yama/ptrace_scope"))
	name := "ptrace scope"
	switch scope {
	case "1", "2", "3":
		return []Line{{Name: name, State: OK, Text: scope + ": processes of this user cannot trace one another at will"}}
	case "0":
		return []Line{{
			Name: name, State: Note, Text: "0: any process of this user can trace the command; vwrap itself cannot be traced",
			Mend: "sysctl -w kernel.yama.ptrace_scope=1, and a line in /etc/sysctl.d",
		}}
	}
	return []Line{{Name: name, State: Note, Text: "this kernel has no Yama: any process of this user can trace the command; vwrap itself cannot be traced"}}
}

// ipcLock is the number of a capability (capabilities(7)).
const ipcLock = 14

// locks is about memory that is kept from being swapped out, which vwrap does without.
func locks(f Facts) []Line {
	has, known := capability(f.read("/proc/self/status"), ipcLock)
	most, limited := limitOf(f.read("/proc/self/limits"), "Max locked memory")
	if !known || !limited {
		return nil
	}
	is := "is not here"
	if has {
		is = "is here"
	}
	if n, err := strconv.ParseUint(most, 10, 64); err == nil {
		most = fmt.Sprintf("%d KiB", n>>10)
	}
	return []Line{{
		Name: "memory locks", State: OK,
		Text: fmt.Sprintf("vwrap takes none, and needs neither CAP_IPC_LOCK, which %s, nor a memlock limit (%s)", is, most),
	}}
}

// capability reports whether a process has one effectively, by the text of its status (proc_pid_status(5)).
func capability(status string, number uint) (has, known bool) {
	for line := range strings.Lines(status) {
		if text, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
			return set>>number&1 == 1, err == nil
		}
	}
	return false, false
}

// emulation is that of another processor.
func emulation(f Facts) []Line {
	by := f.emulator()
	if by == "" {
		return nil
	}
	return []Line{{
		Name: "processor", State: Warning, Text: fmt.Sprintf("this vwrap is built for %s and runs emulated (%s): slowly, and with some of the kernel missing", f.Arch, by),
		Mend: "take the image or the binary for this machine's own processor: docker run --platform, or no platform: line in the Compose file",
	}}
}

// emulator says by what vwrap is emulated; "" is by nothing that could be seen. An emulator tells programs what they want to
// hear, but not all do so in /proc/cpuinfo, and none needs to be registered for the machine's own processor.
func (f Facts) emulator() string {
	info := f.read("/proc/cpuinfo")
	arm, x86 := strings.Contains(info, "CPU implementer"), strings.Contains(info, "vendor_id")
	registered := func(names ...string) string {
		for _, name := range names {
			if strings.HasPrefix(f.read("/proc/sys/fs/binfmt_misc/"+name), "enabled") {
				return name
			}
		}
		return ""
	}
	switch {
	case f.Arch == "amd64" && strings.Contains(info, "VirtualApple"):
		return "Rosetta"
	case f.Arch == "amd64" && (arm || f.Hardware == "aarch64" || f.Hardware == "arm64"):
		return "the processor is an arm64"
	case f.Arch == "arm64" && (x86 && !arm || f.Hardware == "x86_64"):
		return "the processor is an amd64"
	case f.Arch == "amd64":
		return registered("rosetta", "qemu-x86_64")
	case f.Arch == "arm64":
		return registered("qemu-aarch64")
	}
	return ""
}

// windows is about the Windows Subsystem for Linux.
func windows(f Facts) (lines []Line) {
	version := strings.ToLower(f.read("/proc/version"))
	switch {
	case !f.onWSL() || f.Container() != "": // a container on its kernel is Docker Desktop's
		return nil
	case !strings.Contains(version, "wsl2") && !strings.Contains(version, "microsoft-standard"):
		return []Line{{Name: "WSL", State: Warning, Text: "version 1, which has no Linux kernel", Mend: "wsl --set-version DISTRIBUTION 2"}}
	}
	lines = append(lines, networking(strings.ToLower(strings.TrimSpace(f.Networking))))
	if OnWindows(f.Dir) {
		lines = append(lines, Line{
			Name: "work tree", State: Warning, Text: f.Dir + " is on a drive of Windows: slow, and file modes mean nothing there",
			Mend: "keep the work tree below " + f.tilde(f.Home+"/src"),
		})
	}
	return lines
}

// networking is about the mode of the network between Windows and its Linux, as wslinfo names it.
func networking(mode string) Line {
	l := Line{Name: "WSL", State: Note, Mend: "networkingMode=mirrored below [wsl2] in .wslconfig, then wsl --shutdown, makes them the same"}
	switch mode {
	case "mirrored":
		return Line{Name: "WSL", State: OK, Text: "version 2, networking mode mirrored: 127.0.0.1 is that of Windows too"}
	case "nat", "bridged":
		l.Text = "version 2, networking mode " + mode + ": 127.0.0.1 is not that of Windows; a Vault there is not at it"
	default:
		l.Text = "version 2: whether 127.0.0.1 is that of Windows too depends on its networking mode, which cannot be seen here"
		l.Mend = "wslinfo --networking-mode says it; " + l.Mend
	}
	return l
}

// OnWindows reports whether path is on a drive of Windows, as the Windows Subsystem for Linux mounts them.
func OnWindows(name string) bool {
	rest, ok := strings.CutPrefix(name, "/mnt/")
	return ok && len(rest) > 0 && rest[0] >= 'a' && rest[0] <= 'z' && (len(rest) == 1 || rest[1] == '/')
}

// desktop is about Docker Desktop, whose containers run in a virtual machine: by its kernel in a container, by its settings
// outside of one.
func desktop(f Facts) []Line {
	const name = "Docker Desktop"
	if f.Container() != "" {
		if !f.onWSL() && !strings.Contains(f.read("/proc/version"), "linuxkit") {
			return nil
		}
		return []Line{{
			Name: name, State: Note, Text: "127.0.0.1 is this container, not the machine",
			Mend: "a Vault on the machine is at host.docker.internal, one in the Compose file at its service's name",
		}}
	}
	context := f.dockerContext()
	switch {
	case strings.HasPrefix(context, "desktop-"):
		context = "docker uses it (context " + context + ")"
	case context == "" && (f.is(path.Join(f.Home, ".docker/desktop")) || f.is("/mnt/wsl/docker-desktop")):
		context = "it is here"
	default:
		return nil
	}
	return []Line{{
		Name: name, State: Note, Text: context + ": its containers run in a virtual machine, whose 127.0.0.1 is not this one",
		Mend: "in a container a Vault of this machine is at host.docker.internal; a port that a container publishes is at 127.0.0.1 here",
	}}
}

// dockerContext is the one that docker would take; "" where none is chosen.
func (f Facts) dockerContext() string {
	if f.Getenv("DOCKER_HOST") != "" {
		return "of DOCKER_HOST"
	}
	if context := f.Getenv("DOCKER_CONTEXT"); context != "" {
		return context
	}
	dir := f.Getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = path.Join(f.Home, ".docker")
	}
	var config struct{ CurrentContext string }
	if json.Unmarshal([]byte(f.read(path.Join(dir, "config.json"))), &config) != nil {
		return ""
	}
	return config.CurrentContext
}

// Protection is what vwrap has done to itself to keep the token from others, which ended in err.
func Protection(f Facts, err error) []Line {
	const name = "protection"
	if err != nil {
		return []Line{{
			Area: AreaMachine, Name: name, State: Warning, Text: "vwrap could not keep others from its memory, where the token is: " + err.Error(),
			Mend: "allow prctl and setrlimit to it (seccomp)",
		}}
	}
	lines := []Line{{Name: name, State: OK, Text: "vwrap can be neither traced nor read by other processes of its user, and dumps no core"}}
	if f.OS == "linux" && f.Container() != "" {
		lines = append(lines, Line{
			Name: "/proc/1/fd", State: Note,
			Text: "the price of that where vwrap is PID 1: what docker exec starts cannot write to /proc/1/fd/1 without CAP_SYS_PTRACE",
			Mend: "have it write to its own output, or to a file or pipe that the command reads",
		})
	}
	for i := range lines {
		lines[i].Area = AreaMachine
	}
	return lines
}
