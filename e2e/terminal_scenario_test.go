package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// wrapped is what stands before a command that vwrap runs, in the scenarios that are tried without it too.
const wrapped = "vwrap -- "

// sameOutcome tries a scenario twice: with commands as they are, and with vwrap before them. Whoever sits at the
// terminal must not see a difference: what the scenario expects, and what it returns, is the same both times.
func sameOutcome(t *testing.T, scenario func(t *testing.T, via string) string) {
	t.Helper()
	var mu sync.Mutex
	outcome := map[string]string{}
	t.Run("try", func(t *testing.T) {
		for name, via := range map[string]string{"bare": "", "wrapped": wrapped} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				found := scenario(t, via)
				mu.Lock()
				defer mu.Unlock()
				outcome[via] = found
			})
		}
	})
	if !t.Failed() && outcome[""] != outcome[wrapped] {
		t.Errorf("without vwrap:\n%s\nwith vwrap:\n%s", outcome[""], outcome[wrapped])
	}
}

// The programs that stand first on the PATH of each scenario. Perl, which every Debian has, stops and is continued
// without a process beside it that would have to be too.
var scenarioPrograms = map[string]string{
	// counter shows its process ID, and each INT, WINCH and CONT that it gets; the third INT ends it with 9.
	"counter": `#!/usr/bin/perl
$| = 1;
my $n = 0;
$SIG{INT} = sub { $n++; print "interrupted $n\n"; exit 9 if $n == 3 };
$SIG{WINCH} = sub { print "resized\n" };
$SIG{CONT} = sub { print "continued\n" };
print "up $$\n";
select(undef, undef, undef, 0.5) while 1;
`,
	// dozer shows its process ID, and each CONT that it gets; INT ends it.
	"dozer": `#!/usr/bin/perl
$| = 1;
$SIG{CONT} = sub { print "continued\n" };
print "up $$\n";
select(undef, undef, undef, 0.5) while 1;
`,
	// sleeper shows its process ID and handles nothing.
	"sleeper": "#!/bin/sh\necho \"up $$\"\nexec sleep 1000\n",
	// witness FILE writes what it gets to FILE, because it outlives its terminal.
	"witness": `#!/usr/bin/perl
open(my $out, '>', $ARGV[0]) or die;
for my $name (qw(HUP TERM CONT)) { $SIG{$name} = sub { syswrite($out, "$name\n"); exit if $name ne 'CONT' } }
$| = 1;
print "up $$\n";
select(undef, undef, undef, 0.5) while 1;
`,
	// raw puts the terminal into raw mode, says so, and shows the keys that it reads; q ends it and puts the terminal
	// back.
	"raw": `#!/usr/bin/perl
$| = 1;
my $was = ` + "`stty -g`" + `;
system('stty', 'raw', '-echo');
print "up $$\n";
my $key;
while (sysread(STDIN, $key, 1) && $key ne 'q') { print "<$key>" }
system('stty', split(' ', $was));
`,
	// place tells whether it is in the terminal's foreground.
	"place": `#!/bin/sh
set -- $(ps -o tpgid=,pgid= -p $$)
test "$1" = "$2" && echo foreground || echo "background: $*"
`,
}

// noVault is for commands that have no secret.
var noVault = &tenant{vault: &vaultServer{}}

// scenarioPath is an environment entry: the PATH that begins with scenarioPrograms.
func scenarioPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scenarioPrograms {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// shell is an interactive shell.
type shell struct {
	name    string
	argv    []string
	environ []string
	status  string // the name of the last status
}

// plainBash does no line editing, so that what it shows can be compared from beginning to end.
var plainBash = shell{name: "bash", argv: []string{"bash", "--norc", "--noprofile", "--noediting", "-i"}, status: "$?"}

var zsh = shell{name: "zsh", argv: []string{"zsh", "-f", "-i"}, status: "$?"}

// shells are those of the scenarios that every shell plays. All but the first and dash set the terminal's modes for
// line editing, and back for each job.
var shells = []shell{
	plainBash,
	{name: "bash with readline", argv: []string{"bash", "--norc", "--noprofile", "-i"}, environ: []string{"TERM=vt100"}, status: "$?"},
	{name: "dash", argv: []string{"dash", "-i"}, status: "$?"},
	{name: "ash", argv: []string{"busybox", "ash", "-i"}, status: "$?"},
	zsh,
	{name: "fish", argv: []string{"fish", "--no-config", "--private", "-C", "function fish_prompt; echo -n 'ready> '; end"}, status: "$status"},
}

// open starts the shell on a terminal of its own.
func (s shell) open(t *testing.T, environ ...string) *window {
	t.Helper()
	environ = append(append([]string{"PS1=ready> ", scenarioPath(t)}, s.environ...), environ...)
	w := openTerminal(t, noVault, s.argv, environ...)
	w.expect(`ready> `)
	return w
}

// inEachShell plays a scenario in every shell.
func inEachShell(t *testing.T, scenario func(t *testing.T, s shell, via string) string) {
	for _, s := range shells {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			needs(t, s.argv[0])
			sameOutcome(t, func(t *testing.T, via string) string { return scenario(t, s, via) })
		})
	}
}

// enter types a line.
func (w *window) enter(line string) {
	w.t.Helper()
	w.press(line + "\r")
}

// lastStatus asks the shell for the status of the last command.
func (w *window) lastStatus(s shell) string {
	w.t.Helper()
	w.enter("echo status=" + s.status + ".")
	status := w.expect(`status=(\d+)\.`)[1]
	w.expect(`ready> `)
	if status != "0" {
		w.t.Logf("with status %s the terminal had shown:\n%q", status, w.text())
	}
	return status
}

// expectLastStatus is for what every shell says.
func (w *window) expectLastStatus(s shell, want string) {
	w.t.Helper()
	if got := w.lastStatus(s); got != want {
		w.t.Errorf("the status is %s, not %s", got, want)
	}
}

// transcript is all that the terminal showed until the shell was told to exit, without vwrap, and with all process
// IDs the same.
func (w *window) transcript() string {
	text, _, _ := strings.Cut(w.text(), "exit 0")
	return withoutNumbers(text)
}

// withoutNumbers is what a terminal showed without vwrap, and with all process IDs the same.
func withoutNumbers(text string) string {
	return regexp.MustCompile(`\d{3,}`).ReplaceAllString(strings.ReplaceAll(text, wrapped, ""), "N")
}

// count is how often the terminal showed text.
func (w *window) count(text string) int { return strings.Count(w.text(), text) }

// job is the process that the shell knows of a command that was started with via.
func job(t *testing.T, command int, via string) int {
	t.Helper()
	if via == "" {
		return command
	}
	return parent(t, command)
}

// awaitFrozen waits until all the processes are stopped.
func awaitFrozen(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := poll(patience, 10*time.Millisecond, func() error { return expectFrozen(pid) }); err != nil {
			t.Fatalf("process %d: %v", pid, err)
		}
	}
}

// awaitThawed waits until all the processes run.
func awaitThawed(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		check(t, poll(patience, 10*time.Millisecond, func() error {
			if expectFrozen(pid) == nil {
				return fmt.Errorf("process %d is stopped", pid)
			}
			return nil
		}))
	}
}

// awaitGone waits until the processes have ended; who started them may not have asked for their status yet.
func awaitGone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		check(t, poll(patience, 10*time.Millisecond, func() error {
			if e, err := readEntry(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && e.state != 'Z' {
				return fmt.Errorf("process %d is there still", pid)
			}
			return nil
		}))
	}
}

// send is a kill from another window.
func send(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("send %v to %d: %v", s, pid, err)
	}
}

// groups reads a process's group and its terminal's foreground group, which stand behind the name, the state, the
// parent and before and behind the session and the terminal in /proc/PID/stat.
func groups(pid int) (own, foreground string, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", fmt.Errorf("read process groups: %w", err)
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	return fields[2], fields[5], nil
}

// awaitForeground waits until one of the processes is in the foreground of its terminal.
func awaitForeground(t *testing.T, pids ...int) {
	t.Helper()
	check(t, poll(patience, 10*time.Millisecond, func() error {
		for _, pid := range pids {
			own, foreground, err := groups(pid)
			if err != nil {
				return err
			}
			if own == foreground {
				return nil
			}
		}
		return fmt.Errorf("none of %v is in the foreground", pids)
	}))
}

// awaitContinued waits until processes of the window's session that are executed as name are in the foreground, and all
// that are run.
func awaitContinued(t *testing.T, w *window, name string) {
	t.Helper()
	awaitCommand(t, w, name)
	for _, pid := range members(w.pid()) {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(comm)) == name {
			awaitThawed(t, pid)
		}
	}
}

// awaitCommand waits until a process of the window's session that is executed as name is in the foreground or in a
// shared group of it.
func awaitCommand(t *testing.T, w *window, name string) {
	t.Helper()
	check(t, poll(patience, 10*time.Millisecond, func() error {
		for _, pid := range members(w.pid()) {
			if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(comm)) == name {
				if own, foreground, err := groups(pid); err == nil && own == foreground {
					return nil
				}
			}
		}
		return fmt.Errorf("no %s is in the foreground", name)
	}))
}

// awaitWaiting waits until the shell that executes a script in the window waits for the script's command: one that is
// interrupted before dies of that, whatever the command does.
func awaitWaiting(t *testing.T, w *window, name string) {
	t.Helper()
	check(t, poll(patience, 10*time.Millisecond, func() error {
		for _, pid := range members(w.pid()) {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			within, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid)) // the kernel's function that it sleeps in
			waits := strings.HasPrefix(string(within), "do_wait") || strings.HasPrefix(string(within), "sigsuspend")
			if pid != w.pid() && strings.TrimSpace(string(comm)) == name && waits {
				return nil
			}
		}
		return fmt.Errorf("%s does not wait for its script's command", name)
	}))
}

// members are the processes of a session.
func members(leader int) (pids []int) {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended since
		}
		_, rest, _ := strings.Cut(string(content), ") ")
		if fields := strings.Fields(rest); len(fields) > 3 && fields[3] == strconv.Itoa(leader) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// folder is the working directory of a process.
func folder(t *testing.T, pid int) string {
	t.Helper()
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	check(t, err)
	return dir
}

// touch makes an empty file.
func touch(name string) error { return os.WriteFile(name, nil, 0o600) }
