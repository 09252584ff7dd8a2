package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stoppedSaid is what shells say of a job that was stopped.
const stoppedSaid = `(?i)(stopped|suspended)`

// TestJobSuspendedAgainAndAgain: Ctrl-Z gives the shell its prompt back and fg goes on, any number of times; each
// time the command is continued once.
func TestJobSuspendedAgainAndAgain(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s shell, via string) string {
		w := s.open(t)
		command := w.startCounter(via)
		for range 4 {
			w.suspend(via, command)
			w.enter("fg")
			w.expect(`\ncontinued\r\n`)
		}
		status := w.interruptCounter(s)
		return fmt.Sprintf("continued %d times, status %s", w.count("\ncontinued\r\n"), status)
	})
}

// TestJobContinuedInTheBackground: after Ctrl-Z and bg the shell and the command run side by side; fg brings the
// command back.
func TestJobContinuedInTheBackground(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s shell, via string) string {
		w := s.open(t)
		command := w.startCounter(via)
		for range 2 {
			w.suspend(via, command)
			w.enter("bg")
			w.expect(`continued\r\n`)
			awaitThawed(t, command, job(t, command, via))
			w.expectLastStatus(s, "0")
			w.enter("fg")
			awaitForeground(t, command, job(t, command, via))
			time.Sleep(300 * time.Millisecond) // some shells send CONT now; a script that is told two things at once may lose one
		}
		return w.interruptCounter(s)
	})
}

// TestJobBegunInTheBackground: a command that was begun with & is brought to the foreground.
func TestJobBegunInTheBackground(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s shell, via string) string {
		w := s.open(t)
		command := w.startCounter(via, "&")
		w.expectLastStatus(s, "0")
		w.enter("fg")
		awaitForeground(t, command, job(t, command, via))
		w.suspend(via, command)
		w.enter("fg")
		w.expect(`continued\r\n`)
		return w.interruptCounter(s)
	})
}

// TestJobBroughtBackWhileItRuns: fg tells a command nothing that runs on in the background, nor vwrap; Ctrl-C reaches it
// all the same.
func TestJobBroughtBackWhileItRuns(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s shell, via string) string {
		w := s.open(t)
		command := w.startCounter(via, "&")
		w.expectLastStatus(s, "0")
		w.enter("fg")
		awaitForeground(t, command, job(t, command, via))
		return w.interruptCounter(s)
	})
}

// TestJobsTellsTheState: jobs knows a command that is stopped, that runs, and that is done.
func TestJobsTellsTheState(t *testing.T) {
	t.Parallel()
	for _, s := range []shell{plainBash, zsh} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := s.open(t)
				w.enter(via + "sh -c 'echo up; exec cat'")
				w.expect(`up\r\n`)
				w.press(ctrlZ)
				w.expect(stoppedSaid)
				w.expect(`ready> `)
				w.enter("jobs")
				w.expect(`\[1\] *\+ *(Stopped|suspended)`)
				w.expect(`ready> `)
				w.enter(via + "sh -c 'while ! test -e done; do sleep 0.1; done' &")
				w.expect(`\[2\] \d+\r\n`)
				w.expect(`ready> `)
				w.enter("jobs")
				w.expect(`\[1\] *\+ *(Stopped|suspended)`)
				w.expect(`\[2\] *- *(?i)running`)
				w.expect(`ready> `)
				w.enter("touch done; wait %2; jobs")
				w.expect(`\[2\] *- *(?i)done`)
				w.expect(`ready> `)
				w.enter("fg")
				w.expect(`cat'?\r\n`)
				w.press(ctrlD)
				w.expect(`ready> `)
				w.expectLastStatus(s, "0")
				w.leave()
				return ""
			})
		})
	}
}

// TestJobKilled: kill %1 ends a job, also one that is stopped.
func TestJobKilled(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"running", "stopped"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				w.enter(via + "sleeper")
				command := number(t, w.expect(`up (\d+)\r\n`)[1])
				supervisor := job(t, command, via)
				w.suspend(via, command)
				if state == "running" {
					w.enter("bg")
					w.expect(`ready> `)
					awaitThawed(t, command, supervisor)
				}
				if state == "running" {
					w.enter("kill %1; wait %1; echo status=$?.")
					w.expect(`status=143\.`)
				} else {
					w.enter("kill %1") // bash continues it, and does not wait for what is stopped
				}
				awaitGone(t, command, supervisor)
				w.enter("disown -a") // bash may not know of its end yet, and does not leave stopped jobs
				w.leave()
				return ""
			})
		})
	}
}

// TestJobStoppedAndContinuedByKill: kill -STOP and kill -CONT to a job do what Ctrl-Z and bg do.
func TestJobStoppedAndContinuedByKill(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"STOP", "TSTP", "TTIN", "TTOU"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				command := w.startCounter(via, "&")
				w.enter("kill -" + name + " %1")
				awaitFrozen(t, job(t, command, via))
				w.expectLastStatus(plainBash, "0")
				w.enter("jobs")
				w.expect(`Stopped`)
				w.enter("kill -CONT %1")
				w.expect(`continued\r\n`)
				awaitThawed(t, command, job(t, command, via))
				w.enter("jobs")
				w.expect(`Running`)
				w.enter("kill -" + name + " %1")
				awaitFrozen(t, job(t, command, via))
				w.expectLastStatus(plainBash, "0")
				w.enter("fg")
				w.expect(`continued\r\n`)
				awaitForeground(t, command)
				w.interruptCounter(plainBash)
				return ""
			})
		})
	}
}

// TestJobStoppedFromAnotherWindow: whoever stops the command, or vwrap, the shell gets its prompt back and fg goes on.
func TestJobStoppedFromAnotherWindow(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]syscall.Signal{"STOP": syscall.SIGSTOP, "TSTP": syscall.SIGTSTP} {
		for _, target := range []string{"command", "vwrap"} {
			t.Run(name+" to the "+target, func(t *testing.T) {
				t.Parallel()
				sameOutcome(t, func(t *testing.T, via string) string {
					w := plainBash.open(t)
					command := w.startCounter(via)
					whom := command
					if target == "vwrap" {
						whom = job(t, command, via)
					}
					for range 2 {
						send(t, whom, s)
						w.expect(`Stopped`)
						w.expect(`ready> `)
						awaitFrozen(t, whom)
						w.expectLastStatus(plainBash, fmt.Sprint(128+int(s)))
						w.enter("fg")
						w.expect(`\ncontinued\r\n`)
						awaitForeground(t, command)
					}
					w.interruptCounter(plainBash)
					return w.transcript()
				})
			})
		}
	}
}

// TestJobKilledFromAnotherWindow: a command that is killed in the foreground gives the shell its prompt back.
func TestJobKilledFromAnotherWindow(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"running", "stopped"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				w.enter(via + "sleeper")
				command := number(t, w.expect(`up (\d+)\r\n`)[1])
				supervisor := job(t, command, via)
				if state == "stopped" {
					w.suspend(via, command)
				}
				send(t, command, syscall.SIGKILL)
				if state == "stopped" {
					w.enter("fg")
				}
				w.expect(`ready> `)
				awaitGone(t, command, supervisor)
				if status := w.lastStatus(plainBash); state == "running" && status != "137" { // else bash reaped it before fg
					t.Errorf("the status is %s", status)
				}
				w.leave()
				return ""
			})
		})
	}
}

// TestInterruptDoesNotReachAStoppedJob: Ctrl-C at the prompt is the shell's, whatever is stopped behind it.
func TestInterruptDoesNotReachAStoppedJob(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s shell, via string) string {
		w := s.open(t)
		command := w.startCounter(via)
		w.suspend(via, command)
		w.lastStatus(s)
		w.press(ctrlC)
		time.Sleep(300 * time.Millisecond) // some shells show nothing for it
		w.lastStatus(s)
		awaitFrozen(t, command, job(t, command, via))
		w.enter("fg")
		w.expect(`continued\r\n`)
		w.refuse(300*time.Millisecond, `interrupted`)
		return w.interruptCounter(s)
	})
}

// TestJobWithinVwrapWithinVwrap: what a second vwrap stands between is the same.
func TestJobWithinVwrapWithinVwrap(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		w := plainBash.open(t)
		command := w.startCounter(via + via)
		for range 3 {
			w.press(ctrlZ)
			w.expect(stoppedSaid)
			w.expect(`ready> `)
			awaitFrozen(t, command)
			w.enter("fg")
			w.expect(`\ncontinued\r\n`)
			awaitForeground(t, command)
		}
		w.interruptCounter(plainBash)
		return w.transcript()
	})
}

// TestShellWithJobsOfItsOwn: a shell that vwrap runs does job control of its own; its jobs are no business of vwrap's,
// and the shell itself is suspended like any command.
func TestShellWithJobsOfItsOwn(t *testing.T) {
	t.Parallel()
	inner := "PS1='inner> ' " + wrapped + strings.Join(plainBash.argv, " ")
	sameOutcome(t, func(t *testing.T, via string) string {
		w := plainBash.open(t)
		w.enter(strings.Replace(inner, wrapped, via, 1))
		w.expect(`\ninner> `)
		w.enter("counter")
		command := number(t, w.expect(`up (\d+)\r\n`)[1])
		for range 2 {
			w.press(ctrlZ)
			w.expect(`Stopped`)
			w.expect(`\ninner> `)
			awaitFrozen(t, command)
			w.enter("fg")
			w.expect(`\ncontinued\r\n`)
		}
		w.press(ctrlC)
		w.expect(`interrupted 1\r\n`)
		w.press(ctrlZ)
		w.expect(`Stopped`)
		w.expect(`\ninner> `)
		w.enter("suspend") // STOP to itself
		w.expect(`Stopped`)
		w.expect(`ready> `)
		w.enter("fg")
		w.expect(`\ninner> `)
		w.enter("jobs")
		w.expect(`Stopped +counter`)
		w.expect(`\ninner> `)
		w.enter("true") // who has just looked at the jobs is not warned of them
		w.expect(`\ninner> `)
		w.enter("exit 4")
		w.expect(`There are stopped jobs`)
		w.expect(`\ninner> `)
		w.enter("exit 4") // which ends them
		w.expect(`ready> `)
		awaitGone(t, command)
		w.expectLastStatus(plainBash, "4")
		w.leave()
		return w.transcript()
	})
}

// TestShellLeavesABackgroundJobBehind: what a wrapped shell left in the background lives on, as without vwrap.
func TestShellLeavesABackgroundJobBehind(t *testing.T) {
	t.Parallel()
	sameOutcome(t, func(t *testing.T, via string) string {
		w := plainBash.open(t)
		w.enter("PS1='inner> ' " + via + strings.Join(plainBash.argv, " "))
		w.expect(`\ninner> `)
		w.enter("sleeper &")
		command := number(t, w.expect(`up (\d+)\r\n`)[1])
		w.enter("exit 4")
		w.expect(`ready> `)
		w.expectLastStatus(plainBash, "4")
		if err := syscall.Kill(command, 0); err != nil {
			t.Errorf("the background job: %v", err)
		}
		w.leave()
		return ""
	})
}

// TestLoopStopsAtInterrupt: Ctrl-C ends a loop of the shell's, not just what runs in it; the same for Ctrl-\ as far as
// it does without vwrap.
func TestLoopStopsAtInterrupt(t *testing.T) {
	t.Parallel()
	const round = `(?:\n|\x1b\[\?2004l\r)round\r\n` // readline ends bracketed paste before a command
	for key, name := range map[string]string{ctrlC: "INT", ctrlBackslash: "QUIT"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEachShell(t, func(t *testing.T, s shell, via string) string {
				w := s.open(t)
				loop := "for i in 1 2 3; do echo round; %ssleep 1000; done"
				if s.name == "fish" {
					loop = "for i in 1 2 3; echo round; %ssleep 1000; end"
				}
				w.enter(fmt.Sprintf(loop, via))
				w.expect(round)
				rounds := 1
				for rounds < 4 {
					awaitCommand(t, w, "sleep")
					w.press(key)
					if w.expect(round + `|ready> `)[0] == "ready> " {
						break
					}
					rounds++
				}
				if rounds > 1 && key == ctrlC {
					t.Errorf("the loop goes on")
				}
				status := w.lastStatus(s)
				w.leave()
				return fmt.Sprintf("%d rounds, status %s", rounds, status)
			})
		})
	}
}

// TestScriptStopsAtInterrupt: a script, whose commands are in its own process group, ends at Ctrl-C where the command
// died of it, and goes on where the command handled it.
func TestScriptStopsAtInterrupt(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{
		"not handled":     `%ssleeper; echo "after $?"`,
		"a loop":          `for i in 1 2 3; do %ssleeper; done; echo "after $?"`,
		"ignored":         `%ssh -c 'trap "" INT; echo up; while ! test -e done; do sleep 0.1; done; exit 3'; echo "after $?"`,
		"handled":         `%ssh -c 'trap "exit 0" INT; echo up; while :; do sleep 0.1; done'; echo "after $?"`,
		"a loop, handled": `while ! test -e second; do test ! -e first || touch second; touch first; %ssh -c 'trap "exit 0" INT; echo up; while :; do sleep 0.1; done'; done; echo "after $?"`,
	}
	for name, script := range scripts {
		for _, by := range []string{"bash", "dash", "zsh -f"} {
			t.Run(name+"/"+by, func(t *testing.T) {
				t.Parallel()
				sameOutcome(t, func(t *testing.T, via string) string {
					w := plainBash.open(t)
					w.enter("cat > script")
					w.enter(fmt.Sprintf(script, via))
					w.press(ctrlD)
					w.expect(`ready> `)
					w.enter(by + " script")
					w.expect(`\nup.*\r\n`)
					awaitWaiting(t, w, strings.Fields(by)[0])
					w.press(ctrlC)
					if name == "ignored" {
						w.refuse(300*time.Millisecond, `ready> `)
						check(t, touch(filepath.Join(folder(t, w.pid()), "done")))
					}
					if w.expect(`ready> |up.*\r\n`)[0] != "ready> " { // a loop that goes on
						w.press(ctrlC)
						w.expect(`ready> `)
					}
					if by == "bash" { // the others end by the INT that they get themselves, whatever the command does
						w.expectScriptWentOn(name != "not handled" && name != "a loop")
					}
					w.lastStatus(plainBash)
					w.leave()
					return w.transcript()
				})
			})
		}
	}
}

// expectScriptWentOn looks whether a script of TestScriptStopsAtInterrupt did.
func (w *window) expectScriptWentOn(want bool) {
	w.t.Helper()
	if got := regexp.MustCompile(`after \d`).MatchString(w.text()); got != want {
		w.t.Errorf("the script went on: %t, want %t", got, want)
	}
}

// TestScriptSuspended: Ctrl-Z stops the script together with its command, and fg continues both.
func TestScriptSuspended(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"bash", "dash", "zsh -f", "bash -m"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, func(t *testing.T, via string) string {
				w := plainBash.open(t)
				w.enter("cat > script")
				w.enter(via + "counter; echo \"after $?\"")
				w.press(ctrlD)
				w.expect(`ready> `)
				w.enter(by + " script")
				command := number(t, w.expect(`up (\d+)\r\n`)[1])
				if by == "bash -m" { // it does job control of its own: the script goes on
					w.press(ctrlZ)
					status := w.expect(`after (\d+)`)[1]
					w.expect(`ready> `)
					awaitGone(t, command) // HUP is what a stopped job gets whose shell is gone
					w.leave()
					return status
				}
				for range 2 {
					w.suspend(via, command)
					w.enter("fg")
					w.expect(`\ncontinued\r\n`)
				}
				w.interrupts()
				w.expect(`ready> `)
				w.leave()
				return w.transcript()
			})
		})
	}
}

// startCounter starts a counter.
func (w *window) startCounter(via string, rest ...string) (pid int) {
	w.t.Helper()
	w.enter(strings.Join(append([]string{via + "counter"}, rest...), " "))
	return number(w.t, w.expect(`up (\d+)\r\n`)[1])
}

// suspend presses Ctrl-Z, and waits until the command is stopped and the shell prompts.
func (w *window) suspend(via string, command int) {
	w.t.Helper()
	w.press(ctrlZ)
	w.expect(stoppedSaid)
	w.expect(`ready> `)
	awaitFrozen(w.t, command, job(w.t, command, via))
}

// interruptCounter ends a counter in the foreground, and then the shell; it returns the status that that told.
func (w *window) interruptCounter(s shell) (status string) {
	w.t.Helper()
	w.interrupts()
	w.expect(`ready> `)
	status = w.lastStatus(s)
	w.leave()
	return status
}
