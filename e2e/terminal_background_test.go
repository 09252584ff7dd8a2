package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBackgroundReads: a command in the background that reads the terminal stops, and reads it after fg.
func TestBackgroundReads(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s shell, via string) string {
		w := s.open(t)
		w.enter(via + `perl -e '$|=1; print "up $$\n"; $x = <STDIN>; chomp $x; print "got <$x>\n"; exit 5' &`)
		command := number(t, w.expect(`up (\d+)\r\n`)[1])
		awaitFrozen(t, command, job(t, command, via))
		w.expectLastStatus(s, "0")
		w.enter("jobs")
		w.expect(stoppedSaid)
		w.expect(`ready> `)
		w.enter("fg")
		awaitThawed(t, command, job(t, command, via))
		w.press("hello\r")
		w.expect(`got <hello>\r\n`)
		w.expect(`ready> `)
		status := w.lastStatus(s)
		w.leave()
		return status
	})
}

// TestForegroundReadsAfterSuspension: what was stopped while it read reads on, after any number of bg that stop it
// again.
func TestForegroundReadsAfterSuspension(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s shell, via string) string {
		w := s.open(t)
		w.enter(via + `perl -e '$|=1; print "up $$\n"; while (sysread(STDIN, $x, 99)) { print "got <", $x =~ s/\n//r, ">\n" } exit 5'`)
		command := number(t, w.expect(`up (\d+)\r\n`)[1])
		for n := range 2 {
			w.suspend(via, command)
			w.enter("bg")
			time.Sleep(100 * time.Millisecond) // it is continued, and stops at once
			awaitFrozen(t, command, job(t, command, via))
			w.lastStatus(s)
			w.enter("fg")
			awaitThawed(t, command, job(t, command, via))
			w.enter(fmt.Sprintf("line %d", n))
			w.expect(fmt.Sprintf(`got <line %d>\r\n`, n))
		}
		w.press(ctrlD)
		w.expect(`ready> `)
		status := w.lastStatus(s)
		w.leave()
		return status
	})
}

// TestBackgroundWrites: with stty tostop a command in the background that writes stops, and writes after fg.
func TestBackgroundWrites(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		w := plainBash.open(t)
		w.enter("stty tostop")
		w.expect(`ready> `)
		w.enter(via + `sh -c 'while ! test -e go; do sleep 0.05; done; echo written; exit 5' &`)
		w.expect(`\[1\] (\d+)`)
		w.expect(`ready> `)
		w.enter("touch go; until jobs | grep Stopped; do sleep 0.1; done")
		w.expect(`\+ *Stopped`)
		w.expect(`ready> `)
		w.refuse(200*time.Millisecond, `\nwritten`)
		w.enter("fg")
		w.expect(`\nwritten\r\n`)
		w.expect(`ready> `)
		w.expectLastStatus(plainBash, "5")
		w.leave()
		return ""
	})
}

// TestBackgroundMessages: what vwrap itself has to say in the background neither stops it nor keeps it busy, whatever
// the terminal is set to.
func TestBackgroundMessages(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"tostop", "-tostop"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			w := plainBash.open(t)
			w.enter("stty " + setting)
			w.expect(`ready> `)
			w.enter("vwrap --log-level debug --stop-grace 300ms -- sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 0.1; done' &")
			supervisor := number(t, w.expect(`\[1\] (\d+)`)[1])
			w.expect(`ready> `)
			w.enter("until test -s pid; do sleep 0.1; done; echo up $(cat pid)")
			command := number(t, w.expect(`up (\d+)\r\n`)[1])
			awaitThawed(t, supervisor, command)
			expectIdle(t, supervisor)
			w.expectLastStatus(plainBash, "0")
			send(t, supervisor, syscall.SIGTERM)
			w.expect(`has not ended within 300ms: killing it`)
			awaitGone(t, supervisor, command)
			w.expectLastStatus(plainBash, "0")
			w.leave()
		})
	}
}

// TestForegroundMessages: the same while the command is in the foreground, and vwrap so in the background.
func TestForegroundMessages(t *testing.T) {
	t.Parallel()
	w := plainBash.open(t)
	w.enter("stty tostop")
	w.expect(`ready> `)
	w.enter(`vwrap --log-level debug --stop-grace 300ms -- sh -c 'trap "" TERM; echo "up $$"; while :; do sleep 0.1; done'`)
	command := number(t, w.expect(`up (\d+)\r\n`)[1])
	supervisor := job(t, command, wrapped)
	expectIdle(t, supervisor)
	send(t, supervisor, syscall.SIGTERM)
	w.expect(`has not ended within 300ms: killing it`)
	w.expect(`ready> `)
	w.expectLastStatus(plainBash, "137")
	w.leave()
}

// expectIdle looks for half a second that a process runs no more than a tenth of that.
func expectIdle(t *testing.T, pid int) {
	t.Helper()
	before := ticks(t, pid)
	time.Sleep(500 * time.Millisecond)
	if used := ticks(t, pid) - before; used > 5 {
		t.Errorf("process %d has used %d0 ms of half a second", pid, used)
	}
}

// ticks is the processor time of a process, in hundredths of a second, as /proc/PID/stat has it.
func ticks(t *testing.T, pid int) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(t, err)
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	return number(t, fields[11]) + number(t, fields[12])
}

// TestPipelinePositions: a pipeline does what it does, whichever of its commands are wrapped.
func TestPipelinePositions(t *testing.T) {
	t.Parallel()
	for _, wrap := range []string{"100", "010", "001", "110", "011", "101", "111"} {
		t.Run(wrap, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				var stages [3]string
				for i := range stages {
					if wrap[i] == '1' {
						stages[i] = via
					}
				}
				w := plainBash.open(t)
				w.enter(fmt.Sprintf("%scat | %str a b | %str b c; echo ${PIPESTATUS[@]}.", stages[0], stages[1], stages[2]))
				awaitSession(t, w, 4)
				w.enter("aaa")
				w.expect(`aaa\r\n`)
				w.press(ctrlD)
				w.expect(`ccc\r\n`)
				w.expect(`0 0 0\.\r\n`)
				w.expect(`ready> `)
				w.enter(fmt.Sprintf("%ssh -c 'echo up; exec sleep 1000' | %scat | %scat; echo ${PIPESTATUS[@]}.", stages[0], stages[1], stages[2]))
				w.expect(`\nup\r\n`)
				w.press(ctrlC)
				w.expect(`ready> `)
				w.enter("echo ${PIPESTATUS[@]}.")
				w.expect(`130\.\r\n`)
				w.expect(`ready> `)
				w.enter(fmt.Sprintf("%sdozer | %scat | %scat", stages[0], stages[1], stages[2]))
				w.expect(`up \d+\r\n`)
				for range 2 {
					w.press(ctrlZ)
					w.expect(`Stopped`)
					w.expect(`ready> `)
					w.enter("fg")
					w.expect(`\ncontinued\r\n`)
				}
				w.press(ctrlC)
				w.expect(`ready> `)
				w.enter("echo status=$?")
				w.expect(`status=(\d+)\r\n`)
				w.leave()
				return fmt.Sprintf("continued %d times", w.count("\ncontinued"))
			})
		})
	}
}

// awaitSession waits until a window's session has at least n processes.
func awaitSession(t *testing.T, w *window, n int) {
	t.Helper()
	check(t, poll(patience, 10*time.Millisecond, func() error {
		if got := len(members(w.pid())); got < n {
			return fmt.Errorf("the session has %d processes, not %d", got, n)
		}
		return nil
	}))
}

// TestLines are command lines that have to show the same, and nothing else, with vwrap and without.
func TestLines(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"asks on the terminal":      `seq 3 | @sh -c 'cat; printf "sure? " > /dev/tty; read a < /dev/tty; echo "answer <$a>"'`,
		"broken pipe":               `@yes | head -1; echo ${PIPESTATUS[*]}.`,
		"broken pipe behind":        `yes | @head -1; echo ${PIPESTATUS[*]}.`,
		"broken pipe is not ours":   `@sh -c 'yes; echo $? >&2' | head -1; echo ${PIPESTATUS[*]}.`,
		"stdin":                     `seq 3 > file; @cat < file`,
		"stdin and stdout":          `seq 3 > file; @cat < file > other; cat other`,
		"stderr":                    `@sh -c 'echo out; echo err >&2' 2> file; cat file`,
		"append":                    `echo one > file; @echo two >> file; cat file`,
		"here-document":             "@cat <<< text",
		"substitution":              `echo "<$(@echo text)>"`,
		"process substitution":      `cat <(@echo text)`,
		"to a process substitution": `@echo text > >(tr x y); wait $!; sleep 0.3`,
		"tty":                       `@sh -c 'test -t 0 && echo in; test -t 1 && echo out; test -t 2 && echo err'`,
		"tty, redirected":           `true | @sh -c 'test -t 0 || echo in; test -t 1 && echo out; test -t 2 && echo err'`,
		"name of the tty":           `@tty | grep -c /dev/pts/`,
		"place":                     `@place`,
		"place in a pipeline":       `@place | cat`,
		"place in a subshell":       `(@place)`,
		"place in a script":         `sh -c '@place; true'`,
		"place in a background":     `@place > file & wait; cut -d: -f1 file`,
		"size":                      `@stty size`,
		"status":                    `@sh -c 'exit 42'; echo $?.`,
		"killed":                    `(@sh -c 'kill -KILL $$'; exit $?) 2> /dev/null; echo $?.`,
		"ended by TERM":             `(@sh -c 'kill -TERM $$'; exit $?) 2> /dev/null; echo $?.`,
		"and, or":                   `@false || @true && echo yes`,
		"not":                       `! @false; echo $?.`,
		"time":                      `TIMEFORMAT=timed; time @true`,
		"stdin closed":              `@sh -c 'exit 3' <&-; echo $?.`,
		"stdout closed":             `@sh -c 'exit 3' >&-; echo $?.`,
		"stderr closed":             `@sh -c 'exit 3' 2>&-; echo $?.`,
		"all closed":                `@sh -c 'exit 3' <&- >&- 2>&-; echo $?.`,
		"reads what is closed":      `@cat <&- 2> /dev/null; echo ended.`,
		"nohup":                     `nohup @sh -c 'echo text' 2> /dev/null; cat nohup.out`,
		"nice":                      `nice -n 5 @nice`,
		"env":                       `env X=text @sh -c 'echo $X'`,
		"setsid":                    `setsid -w @sh -c 'tty < /dev/tty || exit 7' 2> /dev/null; echo $?.`,
		"script":                    `script -qec '@sh -c "test -t 0 && echo in; stty size; exit 6"' /dev/null; echo $?.`,
		"timeout":                   `timeout -s INT 0.5 @sleep 1000; echo $?.`,
		"timeout, in front":         `timeout --foreground -s INT 0.5 @sleep 1000; echo $?.`,
		"xargs":                     `seq 3 | xargs -n1 @echo line`,
		"find":                      `touch a b; find a b -exec @echo {} \;`,
		"parallel":                  `seq 8 | xargs -P4 -n1 @sh -c 'exit 0'; echo $?.`,
		"exec":                      `(exec @sh -c 'exit 8'); echo $?.`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				w.enter(strings.ReplaceAll(line, "@", via))
				if strings.Contains(name, "asks") {
					w.expect(`\n3\r\nsure\? `)
					w.enter("yes")
				}
				w.expect(`\nready> `)
				w.leave()
				_, shown, _ := strings.Cut(w.transcript(), "\n") // the line itself is wrapped by the echo
				return regexp.MustCompile(`(?m)^vwrap: .*\n`).ReplaceAllString(shown, "")
			})
		})
	}
}

// TestTerminalWithinTerminal: script gives vwrap a terminal of its own inside another.
func TestTerminalWithinTerminal(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		needs(t, "script")
		w := plainBash.open(t)
		w.enter("script -qec '" + via + "counter' /dev/null")
		w.expect(`up (\d+)\r\n`)
		w.press(ctrlZ) // which nobody could undo
		for n := range 3 {
			w.press(ctrlC)
			w.expect(fmt.Sprintf(`interrupted %d\r\n`, n+1))
		}
		w.expect(`ready> `)
		status := w.lastStatus(plainBash) // of the shell that script runs
		w.leave()
		return status
	})
}
