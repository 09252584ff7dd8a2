package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// What rotated secrets before vwrap did: a shell in a loop that writes them to files.

// loop is such a shell.
type loop struct {
	pid  int
	what string // a script's name, or what it does; nothing else of its command line, which may have a secret in it
}

// oldLoops finds them by their command lines alone: an environment is nobody's business.
func oldLoops(f Facts) (lines []Line) {
	for _, l := range f.loops() {
		lines = append(lines, Line{
			Name: "old loop", State: Warning, Text: fmt.Sprintf("process %d is a shell that fetches secrets (%s): it writes them where anybody may find them, and rotates nothing", l.pid, l.what),
			Mend: fmt.Sprintf("kill %d, and take it out of what starts it (cron, systemd, a shell's profile, Task Scheduler); vwrap -- CMD does its work", l.pid),
		})
	}
	return lines
}

func (f Facts) loops() (found []loop) {
	entries, err := fs.ReadDir(f.Root, "proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == f.PID {
			continue
		}
		if what := rotates(f.read("/proc/" + e.Name() + "/cmdline")); what != "" {
			found = append(found, loop{pid, what})
		}
	}
	slices.SortFunc(found, func(a, b loop) int { return a.pid - b.pid })
	return found
}

var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"}

// rotates says what a command line (proc_pid_cmdline(5)) does that vwrap does; "" is nothing of that.
func rotates(cmdline string) string {
	argv := strings.Split(strings.TrimRight(cmdline, "\x00"), "\x00")
	if !slices.Contains(shells, strings.TrimPrefix(path.Base(argv[0]), "-")) {
		return ""
	}
	for i := 1; i < len(argv); i++ {
		arg := argv[i]
		option, long := strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "+"), strings.HasPrefix(arg, "--")
		switch {
		case option && !long && strings.ContainsRune(arg, 'c'):
			return inline(strings.Join(argv[i+1:], " "))
		case option && !long && strings.HasSuffix(strings.ToLower(arg), "o"): // -o pipefail
			i++
		case option, slices.Contains(shells, arg): // busybox sh
		default:
			return script(path.Base(arg))
		}
	}
	return ""
}

// script is a script's name, where that says that it rotates secrets.
func script(name string) string {
	lower := strings.ToLower(name)
	if strings.Contains(lower, "rotat") && (strings.Contains(lower, "secret") || strings.Contains(lower, "vault")) {
		return name
	}
	return ""
}

// inline is what a shell was told to do itself.
func inline(text string) string {
	for _, command := range []string{"vault kv get", "vault lease renew", "bao kv get", "bao lease renew"} {
		if strings.Contains(text, command) {
			return command
		}
	}
	if strings.Contains(text, "rotate-local-secrets") {
		return "rotate-local-secrets"
	}
	return ""
}

// oldFiles are those that such scripts write.
func oldFiles(f Facts) (lines []Line) {
	for _, dir := range []string{"/tmp", f.Getenv("TMPDIR")} {
		if name := path.Join(dir, ".db_pass"); dir != "" && f.is(name) && (dir == "/tmp" || path.Clean(dir) != "/tmp") {
			lines = append(lines, Line{
				Name: "old file", State: Warning, Text: name + " is where scripts put a database's password, in clear",
				Mend: "rm " + name + "; change that password; refer to it in vwrap.yaml",
			})
		}
	}
	if name := path.Join(f.Dir, ".env.local"); f.Dir != "" && f.is(name) {
		l := Line{
			Name: "old file", State: Note, Text: ".env.local is here: scripts put decrypted secrets there",
			Mend: "vwrap check leaks says whether it has one; then rm .env.local",
		}
		if len(f.loops()) > 0 {
			l.State, l.Text = Warning, ".env.local is here, and a loop runs that may write it anew"
		}
		lines = append(lines, l)
	}
	return lines
}
