package doctor

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// root is a file system of files and what they hold.
func root(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		file := &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		if to, link := strings.CutPrefix(text, "-> "); link {
			file = &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
		}
		m[strings.TrimPrefix(name, "/")] = file
	}
	return m
}

// linux is a machine on which all is well, and changes to it.
func linux(changes map[string]string) map[string]string {
	files := map[string]string{
		"/proc/swaps":                        "Filename\tType\tSize\tUsed\tPriority\n",
		"/proc/version":                      "Linux version 6.18.0 (gcc)",
		"/proc/sys/kernel/core_pattern":      "core\n",
		"/proc/sys/kernel/yama/ptrace_scope": "1\n",
		"/proc/self/status":                  "Name:\tvwrap\nCapEff:\t0000000000000000\n",
		"/proc/self/limits":                  "Limit                     Soft Limit           Hard Limit           Units     \nMax core file size        0                    unlimited            bytes     \nMax locked memory         8388608              8388608              bytes     \n",
		"/proc/self/mountinfo":               "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n",
		"/proc/1/comm":                       "systemd\n",
		"/proc/1/cgroup":                     "0::/init.scope\n",
		"/proc/1/cmdline":                    "/sbin/init\x00",
		"/proc/cpuinfo":                      "processor\t: 0\nvendor_id\t: GenuineIntel\n",
	}
	maps.Copy(files, changes)
	return files
}

func facts(changes map[string]string) Facts {
	return Facts{
		Root: root(linux(changes)), Getenv: func(string) string { return "" }, PID: 4242, OS: "linux", Arch: "amd64", Hardware: "x86_64",
		Terminal: [3]bool{true, true, true}, Home: "/home/u", Dir: "/home/u/src/app", Sockets: "/run/user/1000/vwrap", StopGrace: 7 * time.Second,
	}
}

// said is each line as "state name: text", without those that are ok.
func said(lines []Line) (all []string) {
	for _, l := range lines {
		if l.State != OK {
			all = append(all, string(l.State)+" "+l.Name+": "+l.Text)
		}
	}
	return all
}

// mended complains where something has no mend.
func mended(t *testing.T, lines []Line) {
	t.Helper()
	for _, l := range lines {
		if l.Area == "" || l.Name == "" || l.Text == "" || (l.State == Warning || l.State == Fault) && l.Mend == "" {
			t.Errorf("incomplete: %+v", l)
		}
	}
}

func TestMachineWell(t *testing.T) {
	t.Parallel()
	lines := Machine(facts(nil))
	mended(t, lines)
	if got := said(lines); got != nil {
		t.Errorf("%q", got)
	}
	var names []string
	for _, l := range lines {
		names = append(names, l.Name)
	}
	if want := []string{"container", "sockets", "terminal", "swap", "core dumps", "ptrace scope", "memory locks"}; !slices.Equal(names, want) {
		t.Errorf("it looks at %q, want %q", names, want)
	}
}

// What one fact makes of a machine on which all is well. A text of "" wants nothing but ok lines; with ok, the line is to be ok.
func TestMachine(t *testing.T) {
	t.Parallel()
	docker := func(more map[string]string) map[string]string {
		files := map[string]string{"/.dockerenv": "", "/proc/1/comm": "vwrap\n"}
		maps.Copy(files, more)
		return files
	}
	env := func(name, value string) func(*Facts) {
		return func(f *Facts) {
			f.Getenv = func(asked string) string { return map[string]string{name: value}[asked] }
		}
	}
	for name, c := range map[string]struct {
		files map[string]string
		set   func(*Facts)
		want  string
	}{
		"docker":            {docker(nil), nil, "ok container: in one, of Docker"},
		"docker, cgroup":    {map[string]string{"/proc/1/cgroup": "12:pids:/docker/abc\n"}, nil, "ok container: in one, of Docker"},
		"podman":            {map[string]string{"/run/.containerenv": ""}, nil, "ok container: in one, of Podman"},
		"kubernetes":        {map[string]string{"/proc/1/cgroup": "0::/kubepods/pod1\n"}, nil, "ok container: in one, of Kubernetes"},
		"kubernetes, env":   {nil, env("KUBERNETES_SERVICE_HOST", "10.0.0.1"), "ok container: in one, of Kubernetes"},
		"lxc":               {map[string]string{"/proc/1/cgroup": "1:cpu:/lxc/a\n"}, nil, "ok container: in one, of LXC"},
		"tini":              {docker(map[string]string{"/proc/1/comm": "tini\n"}), nil, "ok PID 1: tini is PID 1"},
		"pid 1 is vwrap":    {docker(map[string]string{"/proc/1/comm": "sh\n"}), func(f *Facts) { f.PID = 1 }, "ok PID 1: vwrap is PID 1"},
		"pid 1 is a shell":  {docker(map[string]string{"/proc/1/comm": "sh\n"}), nil, "note PID 1: sh is PID 1"},
		"grace":             {docker(nil), nil, "ok stop_grace: 7s, within the 10s"},
		"long grace":        {docker(nil), func(f *Facts) { f.StopGrace = 10 * time.Second }, "warning stop_grace: rotation.stop_grace is 10s; Docker kills the container 10s after a stop"},
		"read-only":         {map[string]string{"/proc/self/mountinfo": "27 1 0:1 / / ro,relatime - overlay overlay rw\n"}, nil, "ok sockets: the root file system is read-only; they go to /run/user/1000/vwrap"},
		"no sockets":        {nil, func(f *Facts) { f.SocketsErr = errors.New("no folder") }, "warning sockets: no folder can hold one"},
		"no sockets, live":  {nil, func(f *Facts) { f.SocketsErr, f.Live = errors.New("no folder"), true }, "fault sockets: no folder can hold one, and a live channel is asked for"},
		"half a terminal":   {nil, func(f *Facts) { f.Terminal = [3]bool{true, false, true} }, "ok terminal: stdin, stderr"},
		"no terminal":       {nil, func(f *Facts) { f.Terminal = [3]bool{} }, "ok terminal: none"},
		"no terminal there": {docker(nil), func(f *Facts) { f.Terminal = [3]bool{} }, "note terminal: none"},
		"swap":              {map[string]string{"/proc/swaps": "Filename Type\n/dev/sda2 partition 1 0 -2\n/a\\040b file 1 0 -3\n"}, nil, "warning swap: on (/dev/sda2, /a b)"},
		"zram":              {map[string]string{"/proc/swaps": "Filename Type\n/dev/zram0 partition 1 0 100\n"}, nil, "ok swap: in memory only"},
		"cores piped":       {map[string]string{"/proc/sys/kernel/core_pattern": "|/usr/lib/systemd/systemd-coredump %P\n"}, nil, "ok core dumps: piped to systemd-coredump, which the limit of 1"},
		"cores, no limit left": {
			map[string]string{"/proc/sys/kernel/core_pattern": "|/usr/share/apport/apport %p", "/proc/self/limits": "Max core file size        0                    0                    bytes     \n"},
			nil, "warning core dumps: piped to apport, which a limit of 0 does not stop",
		},
		"ptrace scope 0": {map[string]string{"/proc/sys/kernel/yama/ptrace_scope": "0\n"}, nil, "note ptrace scope: 0: any process"},
		"no yama":        {map[string]string{"/proc/sys/kernel/yama/ptrace_scope": ""}, nil, "note ptrace scope: this kernel has no Yama"},
		"ipc lock":       {map[string]string{"/proc/self/status": "CapEff:\t0000000000004000\n"}, nil, "ok memory locks: vwrap takes none, and needs neither CAP_IPC_LOCK, which is here, nor a memlock limit (8192 KiB)"},
		"qemu":           {map[string]string{"/proc/cpuinfo": "CPU implementer\t: 0x61\n"}, nil, "warning processor: this vwrap is built for amd64 and runs emulated (the processor is an arm64)"},
		"rosetta":        {map[string]string{"/proc/cpuinfo": "vendor_id\t: VirtualApple\n"}, nil, "warning processor: this vwrap is built for amd64 and runs emulated (Rosetta)"},
		"registered":     {map[string]string{"/proc/sys/fs/binfmt_misc/qemu-x86_64": "enabled\ninterpreter /x\n"}, nil, "warning processor: this vwrap is built for amd64 and runs emulated (qemu-x86_64)"},
		"for others":     {map[string]string{"/proc/sys/fs/binfmt_misc/qemu-aarch64": "enabled\n"}, nil, ""},
		"not registered": {map[string]string{"/proc/sys/fs/binfmt_misc/qemu-x86_64": "disabled\n"}, nil, ""},
		"arm on x86":     {nil, func(f *Facts) { f.Arch, f.Hardware = "arm64", "aarch64" }, "warning processor: this vwrap is built for arm64 and runs emulated (the processor is an amd64)"},
		"arm":            {map[string]string{"/proc/cpuinfo": "CPU implementer\t: 0x61\n"}, func(f *Facts) { f.Arch, f.Hardware = "arm64", "aarch64" }, ""},
		"WSL":            {map[string]string{"/proc/version": "Linux version 5.15.0-microsoft-standard-WSL2"}, nil, "note WSL: version 2"},
		"WSL, mirrored":  {map[string]string{"/proc/version": "microsoft-standard-WSL2"}, func(f *Facts) { f.Networking = "mirrored\n" }, "ok WSL: version 2, networking mode mirrored: 127.0.0.1 is that of Windows too"},
		"WSL, nat":       {map[string]string{"/proc/version": "microsoft-standard-WSL2"}, func(f *Facts) { f.Networking = "NAT" }, "note WSL: version 2, networking mode nat: 127.0.0.1 is not that of Windows"},
		"WSL 1":          {map[string]string{"/proc/version": "Linux version 4.4.0-19041-Microsoft"}, nil, "warning WSL: version 1"},
		"WSL, drive":     {map[string]string{"/proc/version": "microsoft-standard-WSL2"}, func(f *Facts) { f.Dir = "/mnt/c/src/app" }, "warning work tree: /mnt/c/src/app is on a drive of Windows"},
		"a mount":        {nil, func(f *Facts) { f.Dir = "/mnt/c/src/app" }, ""},
		"Docker Desktop": {docker(map[string]string{"/proc/version": "Linux version 6.6.0-linuxkit"}), nil, "note Docker Desktop: 127.0.0.1 is this container"},
		"Desktop of WSL": {docker(map[string]string{"/proc/version": "Linux version 6.6.0-microsoft-standard-WSL2"}), nil, "note Docker Desktop: 127.0.0.1 is this container"},
		"Desktop, context": {
			map[string]string{"/home/u/.docker/config.json": `{"auths": {"hush": {}}, "currentContext": "desktop-linux"}`},
			nil,
			"note Docker Desktop: docker uses it (context desktop-linux)",
		},
		"Desktop, here":    {map[string]string{"/home/u/.docker/desktop/log": ""}, nil, "note Docker Desktop: it is here"},
		"another context":  {map[string]string{"/home/u/.docker/desktop/log": "", "/home/u/.docker/config.json": `{"currentContext": "default"}`}, nil, ""},
		"no such settings": {map[string]string{"/home/u/.docker/config.json": `{"currentContext": 1`}, nil, ""},
		"old loop":         {map[string]string{"/proc/77/cmdline": "bash\x00./scripts/rotate-local-secrets.sh\x00--token=hush\x00"}, nil, "warning old loop: process 77 is a shell that fetches secrets (rotate-local-secrets.sh)"},
		"old loop, -c":     {map[string]string{"/proc/78/cmdline": "/bin/sh\x00-c\x00while :; do vault kv get -field=hush secret/x; done\x00"}, nil, "warning old loop: process 78 is a shell that fetches secrets (vault kv get)"},
		"old loop, -o":     {map[string]string{"/proc/78/cmdline": "/bin/bash\x00-e\x00-o\x00pipefail\x00rotate_vault\x00"}, nil, "warning old loop: process 78 is a shell that fetches secrets (rotate_vault)"},
		"old loop, -eo":    {map[string]string{"/proc/78/cmdline": "-bash\x00-euo\x00pipefail\x00-c\x00vault lease renew hush\x00"}, nil, "warning old loop: process 78 is a shell that fetches secrets (vault lease renew)"},
		"script":           {map[string]string{"/proc/77/cmdline": "sh\x00../refresh-creds.sh\x00hush\x00", "/proc/77/cwd": "-> /home/u/src/app/ci", "/home/u/src/app/refresh-creds.sh": "#!/bin/sh\nvault  kv get -field=hush secret/dev/db > .env.local\n"}, nil, "warning old loop: process 77 is a shell that fetches secrets (refresh-creds.sh)"},
		"script, lease":    {map[string]string{"/proc/77/cmdline": "bash\x00-e\x00/opt/keep\x00", "/proc/77/root/opt/keep": "while :; do bao lease renew x; done"}, nil, "warning old loop: process 77 is a shell that fetches secrets (keep)"},
		"script, comment":  {map[string]string{"/proc/77/cmdline": "sh\x00./x.sh\x00", "/proc/77/cwd": "-> /home/u", "/home/u/x.sh": "# vault kv get\nvault status\n"}, nil, ""},
		"script, nowhere":  {map[string]string{"/proc/77/cmdline": "sh\x00x.sh\x00"}, nil, ""},
		"some shell":       {map[string]string{"/proc/78/cmdline": "-bash\x00", "/proc/79/cmdline": "", "/proc/80/cmdline": "sh\x00-c\x00"}, nil, ""},
		"its own process":  {map[string]string{"/proc/4242/cmdline": "sh\x00rotate-secrets.sh\x00"}, nil, ""},
		"an editor":        {map[string]string{"/proc/79/cmdline": "vim\x00rotate-local-secrets.sh\x00"}, nil, ""},
		"old password":     {map[string]string{"/tmp/.db_pass": "hush"}, nil, "warning old file: /tmp/.db_pass is where"},
		"old list":         {map[string]string{"/tmp/local_keys.txt": "hush"}, nil, "warning old file: /tmp/local_keys.txt is where scripts put the names of all secrets"},
		"old list of CI":   {map[string]string{"/var/tmp/ci_keys.txt": "hush"}, env("TMPDIR", "/var/tmp/"), "warning old file: /var/tmp/ci_keys.txt is where"},
		"old env, top":     {map[string]string{"/home/u/src/.env.local": "hush", "/home/u/src/.git/HEAD": ""}, nil, "note old file: ~/src/.env.local is there"},
		"old env, loop's":  {map[string]string{"/srv/.env.local": "hush", "/proc/77/cmdline": "sh\x00rotate-secrets\x00", "/proc/77/cwd": "-> /srv"}, nil, "warning old file: /srv/.env.local is there, and a loop runs"},
		"old env":          {map[string]string{"/home/u/src/app/.env.local": "hush"}, nil, "note old file: .env.local is here"},
		"old env, loop":    {map[string]string{"/home/u/src/app/.env.local": "hush", "/proc/77/cmdline": "sh\x00rotate-secrets\x00"}, nil, "warning old file: .env.local is here, and a loop runs"},
	} {
		f := facts(c.files)
		if c.set != nil {
			c.set(&f)
		}
		lines := Machine(f)
		mended(t, lines)
		found := c.want == "" && len(said(lines)) == 0
		for _, l := range lines {
			text := string(l.State) + " " + l.Name + ": " + l.Text
			found = found || c.want != "" && strings.HasPrefix(text, c.want)
			if strings.Contains(text+l.Mend, "hush") {
				t.Errorf("%s: it tells what is none of its business: %s", name, text)
			}
		}
		if !found {
			t.Errorf("%s: want %q in %+v", name, c.want, lines)
		}
	}
}

// A system without /proc is told about what can be known there.
func TestMachineWithoutProc(t *testing.T) {
	t.Parallel()
	f := Facts{Root: root(nil), Getenv: func(string) string { return "" }, OS: "darwin", Arch: "arm64", Hardware: "arm64", Sockets: "/tmp/vwrap-501"}
	lines := Machine(f)
	mended(t, lines)
	var names []string
	for _, l := range lines {
		names = append(names, l.Name)
	}
	if want := []string{"sockets", "terminal"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

func TestProtection(t *testing.T) {
	t.Parallel()
	f := facts(nil)
	if got := said(Protection(f, nil)); got != nil {
		t.Errorf("%q", got)
	}
	lines := Protection(f, errors.New("make vwrap unreadable: denied"))
	mended(t, lines)
	if lines[0].State != Warning {
		t.Errorf("%+v", lines)
	}
	lines = Protection(facts(map[string]string{"/.dockerenv": ""}), nil)
	mended(t, lines)
	if len(lines) != 2 || lines[1].State != Note {
		t.Errorf("%+v", lines)
	}
}

// This machine, whatever it is.
func TestLook(t *testing.T) {
	t.Parallel()
	f := Look(func(name string) string { return map[string]string{"VWRAP_RUNTIME_DIR": t.TempDir()}[name] })
	if f.Sockets == "" || f.Hardware == "" || f.Dir == "" {
		t.Errorf("%+v", f)
	}
	mended(t, Machine(f))
}

func FuzzMachine(f *testing.F) {
	f.Add("Filename\n/dev/a\\040b x\n", "27 1 254:0 / / ro - ext4 x\n", "sh\x00-c\x00vault kv get", "Max core file size 0 0 bytes\n", "CapEff:\t0000000000004000\n")
	f.Add("", " - ", "\x00", "Max core file size", "CapEff:")
	f.Fuzz(func(t *testing.T, swaps, mounts, cmdline, limits, status string) {
		machine := facts(map[string]string{
			"/proc/swaps": swaps, "/proc/self/mountinfo": mounts, "/proc/77/cmdline": cmdline, "/proc/self/limits": limits, "/proc/self/status": status,
			"/proc/sys/kernel/core_pattern": "|" + cmdline, "/proc/1/comm": cmdline, "/proc/version": swaps, "/proc/cpuinfo": status, "/.dockerenv": "",
		})
		lines := Machine(machine)
		mended(t, lines)
		var b strings.Builder
		if err := Text(&b, Style{}, lines); err != nil || strings.ContainsFunc(b.String(), func(c rune) bool { return c < ' ' && c != '\n' }) {
			t.Errorf("%v %q", err, b.String())
		}
	})
}
