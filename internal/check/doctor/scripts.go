package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/vwrap/vwrap/internal/pattern"
)

// What rotated secrets before vwrap did: a shell in a loop that writes them to files.

// loop is such a shell.
type loop struct {
	pid  int
	what string // a script's name, or what it does; nothing else of its command line, which may have a secret in it
	dir  string // the folder that it runs in; "" where that cannot be seen
}

// oldLoops finds them by their command lines and the scripts that these name: an environment is nobody's business.
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
		dir, _ := fs.ReadLink(f.Root, "proc/"+e.Name()+"/cwd") // "" is another user's
		if what := f.rotates("/proc/"+e.Name(), dir); what != "" {
			found = append(found, loop{pid, what, dir})
		}
	}
	slices.SortFunc(found, func(a, b loop) int { return a.pid - b.pid })
	return found
}

var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"}

// rotates says what a process does that vwrap does, by its folder in /proc and the one that it runs in; "" is nothing of that.
func (f Facts) rotates(process, dir string) string {
	file, text := shellWork(f.read(process + "/cmdline"))
	switch name := path.Base(file); {
	case text != "":
		return inline(text)
	case file == "":
		return ""
	case named(name), fetches().MatchString(f.script(process, dir, file)):
		return name
	}
	return ""
}

// script is the text of a script that a process runs in dir, which may have a root of its own: a container's.
func (f Facts) script(process, dir, file string) string {
	if !path.IsAbs(file) {
		if file = path.Join(dir, file); !path.IsAbs(file) {
			return ""
		}
	}
	return f.read(process+"/root"+path.Clean(file)) + "\n" + f.read(file)
}

// shellWork is what a command line (proc_pid_cmdline(5)) has a shell do: a script, or a text; neither where it is no shell's.
func shellWork(cmdline string) (file, text string) {
	argv := strings.Split(strings.TrimRight(cmdline, "\x00"), "\x00")
	if !slices.Contains(shells, strings.TrimPrefix(path.Base(argv[0]), "-")) {
		return "", ""
	}
	for i := 1; i < len(argv); i++ {
		arg := argv[i]
		option, long := strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "+"), strings.HasPrefix(arg, "--")
		switch {
		case option && !long && strings.ContainsRune(arg, 'c'):
			return "", strings.Join(argv[i+1:], " ")
		case option && !long && strings.HasSuffix(strings.ToLower(arg), "o"): // -o pipefail
			i++
		case option, slices.Contains(shells, arg): // busybox sh
		default:
			return arg, ""
		}
	}
	return "", ""
}

// named reports whether a script's name says that it rotates secrets.
func named(name string) bool {
	lower := strings.ToLower(name)
	return strings.Contains(lower, "rotat") && (strings.Contains(lower, "secret") || strings.Contains(lower, "vault"))
}

// fetches finds a line of a script that fetches secrets or keeps them alive, and is no comment.
var fetches = pattern.Of(`(?m)^[^#\n]*\b(?:vault|bao)[ \t]+(?:kv[ \t]+get|lease[ \t]+renew)\b`)

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

// scratch are the files that such scripts leave in folders for temporary ones: what they have, and what to do.
var scratch = []struct{ name, has, mend string }{
	{".db_pass", "a database's password, in clear", "change that password; refer to it in vwrap.yaml"},
	{"local_keys.txt", "the names of all secrets, for all to read", "vwrap check parity keeps its lists in memory"},
	{"ci_keys.txt", "the names of all secrets, for all to read", "vwrap check parity keeps its lists in memory"},
}

// oldFiles are those that such scripts write.
func oldFiles(f Facts) (lines []Line) {
	dirs := []string{"/tmp"}
	if dir := f.Getenv("TMPDIR"); dir != "" && path.Clean(dir) != "/tmp" {
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		for _, s := range scratch {
			if name := path.Join(dir, s.name); f.is(name) {
				lines = append(lines, Line{Name: "old file", State: Warning, Text: name + " is where scripts put " + s.has, Mend: "rm " + name + "; " + s.mend})
			}
		}
	}
	loops := f.loops()
	for _, dir := range f.workFolders(loops) {
		name := path.Join(dir, ".env.local")
		if !f.is(name) {
			continue
		}
		shown := ".env.local is here"
		if dir != f.Dir {
			shown = f.tilde(name) + " is there"
		}
		l := Line{
			Name: "old file", State: Note, Text: shown + ": scripts put decrypted secrets there",
			Mend: "vwrap check leaks says whether it has one; then rm " + f.tilde(name),
		}
		if dir == f.Dir {
			l.Mend = "vwrap check leaks says whether it has one; then rm .env.local"
		}
		if len(loops) > 0 {
			l.State, l.Text = Warning, shown+", and a loop runs that may write it anew"
		}
		lines = append(lines, l)
	}
	return lines
}

// workFolders are those in which scripts write: the folder that this is, the top of its repository, and where loops run.
func (f Facts) workFolders(loops []loop) []string {
	dirs := []string{f.Dir}
	for _, dir := range upwards(f.Dir) {
		if f.is(path.Join(dir, ".git")) {
			dirs = append(dirs, dir)
			break
		}
	}
	for _, l := range loops {
		dirs = append(dirs, l.dir)
	}
	var all []string
	for _, dir := range dirs {
		if path.IsAbs(dir) && !slices.Contains(all, path.Clean(dir)) {
			all = append(all, path.Clean(dir))
		}
	}
	return all
}
