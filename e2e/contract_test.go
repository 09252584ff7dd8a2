package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// processContract is what docs/process-contract.md tells of: each behaviour is tried with vwrap, which has to keep
// it, and with two wrappers that are held to be right, for comparison.
var processContract = []theme{signalsTheme, terminalTheme, jobsTheme, endTheme, firstTheme, besidesTheme, spawnTheme, runtimeTheme}

// theme is a table of the document.
type theme struct {
	name, text string
	rows       []behaviour
}

// behaviour is a row of it.
type behaviour struct {
	name string
	try  func(*trial) string
	want string // of vwrap; "yes" where it is not said
	note string // for whoever reads the table

	// options are what a wrapper is given for it, by the wrapper's name. Where there are any, a wrapper without an
	// entry has no such feature, and is not tried.
	options map[string]string
	root    bool // it takes rights that only root has
}

// wrappers are the columns.
var wrappers = []string{"vwrap", "tini", "dumb-init"}

const (
	notTried = "–" // there is no such feature, so there is no answer
	missing  = ""  // nor was it asked for
)

// TestProcessContract tries every behaviour with every wrapper, and holds docs/process-contract.md against the answers.
func TestProcessContract(t *testing.T) {
	answers := contractAnswers{}
	t.Run("try", func(t *testing.T) {
		for _, theme := range processContract {
			for _, row := range theme.rows {
				for _, wrapper := range wrappers {
					t.Run(theme.name+"/"+row.name+"/"+wrapper, func(t *testing.T) {
						t.Parallel()
						answers.set(theme, row, wrapper, row.tryWith(t, wrapper))
					})
				}
			}
		}
	})
	if t.Failed() {
		return
	}
	if gap := answers.gap(); gap != "" {
		t.Logf("the document is left alone: there is no answer of %s", gap)
		return
	}
	check(t, answers.document().keep(t, filepath.Join("..", "docs", "process-contract.md")))
}

// tryWith is one cell of the table.
func (b behaviour) tryWith(t *testing.T, wrapper string) string {
	needs(t, wrapper)
	options, has := b.options[wrapper]
	if b.options != nil && !has {
		return notTried
	}
	if b.root {
		needsNamespace(t)
	}
	r := newTrial(t, wrapper, options)
	answer := b.try(r)
	want := b.want
	if want == "" {
		want = "yes"
	}
	if wrapper == "vwrap" && answer != want {
		t.Errorf("the answer is %q, want %q", answer, want)
	}
	return answer
}

// trial is one behaviour tried with one wrapper.
type trial struct {
	*testing.T
	wrapper string
	dir     string
	environ []string
	limit   time.Duration // to wait for what may never come
}

// The programs that lie in the folder of each trial. Perl, which every Debian has, can take signals one by one: a
// shell's trap and Go's os/signal merge those that come together.
var contractPrograms = map[string]string{
	// receiver FILE [SECONDS] writes "up", and then the number of each signal that it gets. With SECONDS it ends so
	// long after the first TERM, and writes "finished".
	"receiver": `use strict; use POSIX;
my ($file, $rest) = @ARGV;
open(my $out, '>>', $file) or die;
my ($all, $none, $asked) = (POSIX::SigSet->new, POSIX::SigSet->new, 0);
$all->fillset;
POSIX::sigprocmask(POSIX::SIG_BLOCK, $all);
for my $n (grep { $_ != 9 && $_ != 19 && $_ != 32 && $_ != 33 } 1 .. 64) {
  POSIX::sigaction($n, POSIX::SigAction->new(sub { syswrite($out, "$n\n"); $asked ||= $n == 15 }, $all)) or die;
}
syswrite($out, "up\n");
until ($asked && $rest) { POSIX::sigsuspend($none) }
select(undef, undef, undef, $rest);
my $more = POSIX::SigSet->new;
POSIX::sigpending($more);
syswrite($out, "15\n") if $more->ismember(15);
syswrite($out, "finished\n");
`,
	// counter shows its process ID, and each INT, WINCH and CONT that it gets; the third INT ends it with 9.
	"counter": `use strict; $| = 1;
my $n = 0;
$SIG{INT} = sub { $n++; print "interrupted $n\n"; exit 9 if $n == 3 };
$SIG{WINCH} = sub { print "resized\n" };
$SIG{CONT} = sub { print "continued\n" };
print "up $$\n";
select(undef, undef, undef, 0.5) while 1;
`,
	// patient is cat that INT does not end.
	"patient": `use strict; $| = 1; $SIG{INT} = 'IGNORE'; print while <>;` + "\n",
	// given ignored|blocked NUMBER,NUMBER… COMMAND [ARG...] executes COMMAND with these signals so.
	"given": `use strict; use POSIX;
my ($how, $numbers, @command) = @ARGV;
my $set = POSIX::SigSet->new;
for my $n (split /,/, $numbers) {
  if ($how eq 'blocked') { $set->addset($n) } else { POSIX::sigaction($n, POSIX::SigAction->new('IGNORE')) or die }
}
POSIX::sigprocmask(POSIX::SIG_BLOCK, $set);
exec @command;
`,
	"foreground": `set -- $(ps -o tpgid=,pgid= -p $$); test "$1" = "$2" && echo in-front || echo "behind $*"` + "\n",
}

// prelude are the words of the trials' scripts. $W is the wrapper up to "--", $N what makes it PID 1.
const prelude = `set -m # a job has a group of its own and ignores nothing, as in an interactive shell
ulimit -Sc 0
await() { local end=$((SECONDS + LIMIT)); until "$@" >/dev/null 2>&1; do test $SECONDS -lt $end || return 1; sleep 0.02; done; }
yes() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }
up() { local f; for f; do await grep -qx up $f || echo "$f does not come up" >&2; done; }
got() { echo $(grep -vx up $1 | sort -n | tr '\n' ' '); }           # the numbers in a receiver's file
is() { test "$(got $1)" = "$2"; }
times() { test "$(grep -cx "$2" $1)" = $3; }
child() { await has_child $1; set -- $(ps -o pid= --ppid $1); echo $1; } # the first of process $1
has_child() { ps -o pid= --ppid $1; }
runs() { local p; for p; do case $(ps -o stat= -p $p) in ''|Z*) return 1;; esac; done; }
gone() { ! runs $1; }
`

func newTrial(t *testing.T, wrapper, options string) *trial {
	r := &trial{T: t, wrapper: wrapper, dir: t.TempDir(), limit: patience}
	if wrapper != "vwrap" {
		r.limit = 10 * time.Second
	}
	for name, text := range contractPrograms {
		check(t, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o755))
	}
	r.environ = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LC_ALL=C", "TERM=dumb", "TINI_VERBOSITY=0",
		"D=" + r.dir, "R=perl " + r.dir + "/receiver", "N=" + newNamespace + " setsid", "W=" + strings.Join(strings.Fields(wrapper+" "+options+" --"), " "),
		"LIMIT=" + strconv.Itoa(int(r.limit/time.Second)),
	}
	return r
}

// script is a behaviour that a bash script tries: the answer is the last line that it writes.
func script(text string) func(*trial) string {
	return func(r *trial) string {
		out, err := os.Create(filepath.Join(r.dir, "answer"))
		check(r.T, err)
		defer out.Close()
		said, err := os.Create(filepath.Join(r.dir, "said"))
		check(r.T, err)
		defer said.Close()
		cmd := exec.Command("bash", "-c", prelude+text)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.dir, r.environ, out, said
		p, err := startProcess(cmd, syscall.SIGKILL)
		check(r.T, err)
		r.Cleanup(r.endAll)
		ended := p.waitFor(4 * patience)
		answer, _ := os.ReadFile(out.Name())
		if errors, _ := os.ReadFile(said.Name()); len(errors) > 0 {
			r.Logf("the script said:\n%s", errors)
		}
		if !ended {
			r.Errorf("the script has not ended, with %q", answer)
		}
		lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
		return lines[len(lines)-1]
	}
}

// endAll kills whatever the trial left running, wherever it has gone: it has the trial's folder in its environment.
func (r *trial) endAll() {
	mark := "D=" + r.dir
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || !slices.Contains(strings.Split(string(environ), "\x00"), mark) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// contractAnswers are the cells of the tables.
type contractAnswers struct {
	cells sync.Map
}

type cell struct{ theme, behaviour, wrapper string }

func (a *contractAnswers) set(t theme, b behaviour, wrapper, answer string) {
	a.cells.Store(cell{t.name, b.name, wrapper}, answer)
}

func (a *contractAnswers) of(t theme, b behaviour, wrapper string) string {
	answer, ok := a.cells.Load(cell{t.name, b.name, wrapper})
	if !ok {
		return missing
	}
	return answer.(string)
}

// gap names a cell that was not tried.
func (a *contractAnswers) gap() string {
	for _, theme := range processContract {
		for _, row := range theme.rows {
			for _, wrapper := range wrappers {
				if a.of(theme, row, wrapper) == missing {
					return fmt.Sprintf("%s to %q", wrapper, row.name)
				}
			}
		}
	}
	return ""
}

// errOutOfDate is what the document is when it says something else than the wrappers do.
var errOutOfDate = errors.New("docs/process-contract.md is out of date: run make contract")
