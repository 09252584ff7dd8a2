package containers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// docker stop: the command gets TERM once, and its status is the container's.
func TestStop(t *testing.T) {
	t.Parallel()
	c := begin(t, "tools", "app", "quick")
	c.says("up")
	c.docker("stop", "-t", "60", c.id)
	c.ends(3)
	c.saidOnce("got TERM")
}

// The shell in front of an app dies of TERM at once; the app still finishes what it is at.
func TestStopLetsTheAppBehindAShellFinish(t *testing.T) {
	t.Parallel()
	for name, argv := range map[string][]string{
		"shell":        {"sh", "-c", "app slow; true"},
		"two shells":   {"sh", "-c", "sh -c 'app slow; true'; true"},
		"a session":    {"sh", "-c", "setsid app slow; true"},
		"a background": {"sh", "-c", "app slow & wait"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, append([]string{"tools"}, argv...)...)
			c.says("up")
			c.docker("stop", "-t", "60", c.id)
			c.ends(143)
			c.saidOnce("got TERM")
			c.saidOnce("finished")
		})
	}
}

// What does not end is killed by vwrap, not by the engine: there is time to let leases go.
func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	for name, argv := range map[string][]string{"command": {"app", "deaf"}, "left behind": {"sh", "-c", "app deaf; true"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, append([]string{"-e", "VWRAP_STOP_GRACE=1s", "tools"}, argv...)...)
			c.says("up")
			c.docker("stop", "-t", "600", c.id)
			c.docker("wait", c.id)
			c.saidOnce("got TERM")
			c.saidOnce("killing")
		})
	}
}

func TestStopSignal(t *testing.T) {
	t.Parallel()
	t.Run("of the image", func(t *testing.T) {
		t.Parallel()
		c := begin(t, "--stop-signal", "INT", "-e", "VWRAP_STOP_SIGNAL=INT", "-e", "VWRAP_STOP_GRACE=1s", "tools", "app", "deaf")
		c.says("up")
		c.docker("stop", "-t", "600", c.id)
		c.ends(137)
		c.saidOnce("got INT")
	})
	t.Run("rewritten", func(t *testing.T) {
		t.Parallel()
		c := begin(t, "-e", "VWRAP_SIGNAL_REWRITE=TERM:QUIT", "-e", "VWRAP_STOP_GRACE=1s", "tools", "app", "quick")
		c.says("up")
		c.docker("stop", "-t", "600", c.id)
		c.ends(137)
		c.saidOnce("got QUIT")
		if strings.Contains(c.said(), "got TERM") {
			t.Error("it got TERM too")
		}
	})
}

func TestKillPassesSignalsOn(t *testing.T) {
	t.Parallel()
	c := begin(t, "tools", "app", "quick")
	c.says("up")
	for _, s := range []string{"HUP", "USR1", "QUIT", "WINCH"} {
		c.docker("kill", "-s", s, c.id)
		c.says("got " + s)
	}
	c.docker("kill", "-s", "RTMIN+3", c.id) // which ends what has no handler for it: 128 + 37
	c.ends(165)
}

func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	c := begin(t, "tools", "app", "quick")
	c.says("up")
	c.docker("exec", c.id, "sh", "-c", "i=0; while [ $i -lt 200 ]; do (sleep 0.1 & ); i=$((i+1)); done")
	err := poll(func() error {
		for _, line := range strings.Split(c.docker("exec", c.id, "ps", "-o", "stat,args"), "\n") {
			if strings.HasPrefix(line, "Z") {
				return os.ErrExist
			}
		}
		return nil
	})
	if err != nil {
		t.Error("zombies stay")
	}
	c.docker("stop", "-t", "60", c.id)
	c.ends(3)
}

// What docker exec has left belongs to who began it: a stop asks it for nothing and does not wait for it.
func TestOrphansOfExecAreLeftAlone(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string]string{"orphan": "%s &", "with a session of its own": "setsid %s &"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, "tools", "sh", "-c", "app slow; true")
			c.says("up")
			stranger := `sh -c 'for s in TERM HUP CONT; do trap "echo got $s >>/stranger" $s; done; echo up >>/stranger; while :; do sleep 0.05; done'`
			c.docker("exec", c.id, "sh", "-c", strings.Replace(begun, "%s", stranger, 1))
			if err := poll(func() error { _, err := docker("exec", c.id, "test", "-s", "/stranger"); return err }); err != nil {
				t.Fatal(err)
			}
			c.docker("stop", "-t", "60", c.id)
			c.ends(143)
			c.saidOnce("finished")
			to := filepath.Join(t.TempDir(), "stranger")
			c.docker("cp", c.id+":/stranger", to)
			if text, err := os.ReadFile(to); err != nil || string(text) != "up\n" {
				t.Errorf("it says %q (%v)", text, err)
			}
		})
	}
}

// The command's end is the container's, with its status; what a command has left is ended too.
func TestTheCommandsEndIsTheContainers(t *testing.T) {
	t.Parallel()
	for script, status := range map[string]int{
		"exit 0": 0, "exit 7": 7, "kill -KILL $$": 137, "kill -SEGV $$": 139, "no-such-command": 127, "/bin": 126,
	} {
		c := begin(t, "tools", "sh", "-c", script)
		c.ends(status)
	}
	c := begin(t, "tools", "sh", "-c", "app slow & while ! kill -0 $!; do :; done; sleep 0.5; exit 5")
	c.ends(5)
	c.saidOnce("finished")
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	c := begin(t, "tools", "no-such-command")
	c.ends(127)
	c.saidOnce("vwrap: no-such-command: command not found")
}

// As PID 1 or not: --init has the engine's own be that.
func TestInit(t *testing.T) {
	t.Parallel()
	c := begin(t, "--init", "tools", "sh", "-c", "app slow; true")
	c.says("up")
	c.docker("stop", "-t", "60", c.id)
	c.ends(143)
	c.saidOnce("got TERM")
	c.saidOnce("finished")
}

func TestRestart(t *testing.T) {
	t.Parallel()
	c := begin(t, "tools", "app", "quick")
	c.says("up")
	c.docker("restart", "-t", "60", c.id)
	if err := poll(func() error {
		if strings.Count(c.said(), "up\n") < 2 {
			return os.ErrNotExist
		}
		return nil
	}); err != nil {
		t.Error("it is not up again")
	}
	c.saidOnce("got TERM")
	c.docker("stop", "-t", "60", c.id)
	c.ends(3)
}

// Nothing that a careful user takes from a container is missed.
func TestLockedDown(t *testing.T) {
	t.Parallel()
	c := begin(t, "--read-only", "--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "30",
		"tools", "sh", "-c", "app slow; true")
	c.says("up")
	c.docker("exec", c.id, "true")
	c.docker("stop", "-t", "60", c.id)
	c.ends(143)
	c.saidOnce("finished")
	if strings.Contains(c.said(), "vwrap:") {
		t.Error("vwrap complains")
	}
}

func TestBareImage(t *testing.T) {
	t.Parallel()
	c := begin(t, "bare", "sleep", "1000")
	if err := poll(func() error { _, err := docker("exec", c.id, "/busybox", "pidof", "busybox"); return err }); err != nil {
		t.Fatal(err)
	}
	c.docker("stop", "-t", "60", c.id)
	c.ends(143)
	if said := c.said(); said != "" {
		t.Errorf("the container says %q", said)
	}
}

// docker run -t: the container has a terminal, and nobody who could continue what Ctrl-Z stops.
func TestTerminal(t *testing.T) {
	t.Parallel()
	cmd := client("run", "--rm", "-it", "--network", "none", "tools", "sh", "-c",
		`echo "up $$"; while read line; do echo "got $line"; stty size; done`)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 77})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	w := &screen{t: t}
	go w.watch(terminal)
	w.shows("up ")
	press := func(keys string) {
		if _, err := terminal.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	sized := func(size string) {
		t.Helper()
		if err := poll(func() error {
			press("again\r")
			time.Sleep(100 * time.Millisecond) // the engine hands the size on in its own time
			if !w.has(size) {
				return os.ErrNotExist
			}
			return nil
		}); err != nil {
			t.Errorf("the size %s is not seen", size)
		}
	}
	sized("33 77")
	press("\x1a") // Ctrl-Z
	press("two\r")
	w.shows("got two")
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	sized("40 100")
	press("\x03") // Ctrl-C
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("the container ended with %d, not 130", got)
	}
}
