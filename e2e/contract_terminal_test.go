package e2e

import (
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/creack/pty"
)

// terminalTheme: the wrapper is begun in a terminal, by a script or as the terminal's first process.
var terminalTheme = theme{name: "In a terminal", rows: []behaviour{
	{name: "the command reads and writes it", try: dialogue("exec $W cat", "hello\r", `hello\r\nhello\r\n`, ctrlD, "exit 0")},
	{name: "the command is its foreground process group", try: dialogue("$W sh $D/foreground", "", `in-front`)},
	{
		name: "Ctrl-C reaches the command once",
		try:  dialogue("$W perl $D/counter", "", `up \d`, ctrlC, `interrupted 1`, "", `!interrupted 2`, ctrlC, `interrupted 2`),
	},
	{name: "Ctrl-C ends it, and the status is 130", try: dialogue("exec $W sh -c 'echo up; exec sleep 1000'", "", `up`, ctrlC, "exit 130")},
	{name: "Ctrl-\\ ends it, and the status is 131", try: dialogue("exec $W sh -c 'echo up; exec sleep 1000'", "", `up`, ctrlBackslash, "exit 131")},
	{
		name: "Ctrl-C ends a script with the command that it ended",
		try: dialogue("exec bash -c 'for i in 1 2; do $W sh -c \"echo up \\$\\$; exec sleep 1000\"; done; echo went on'", "", `up \d`,
			ctrlC, `!went on|up \d`, "", "exit 130"),
		note: "A shell ends where it has got INT itself, and its command has died of that.",
	},
	{
		name: "and no script whose command has handled it",
		try: dialogue("exec bash -c 'for i in 1 2; do $W sh -c \"trap exit\\ 3 INT; echo up \\$\\$; sleep 1000 & wait\"; done; echo went on'", "", `up \d`,
			ctrlC, `up \d`, ctrlC, `went on`),
	},
	{
		name: "the script's own trap for INT is run",
		try:  dialogue("trap 'echo cleaned up' INT; $W sh -c 'echo up $$; exec sleep 1000'", "", `up \d`, ctrlC, `cleaned up`),
	},
	{name: "the command is told once when the window's size changes", try: resized},
	{name: "what a command that was killed has set (raw, no echo) is undone", try: modesAfter("stty raw -echo; kill -9 $$", true)},
	{name: "what a command that ends by itself has set is kept", try: modesAfter("stty -echo", false)},
	{
		name: "whoever began the wrapper has the terminal again when it ends",
		try:  dialogue("$W true; read x; echo \"got $x.\"", "word\r", `got word\.`),
	},
	{name: "when the terminal goes away the command gets HUP", try: hangUp, root: true},
	{
		name: "in a pipeline, the terminal still is the command's: it reads /dev/tty",
		try:  dialogue("echo | $W sh -c 'echo up; read x < /dev/tty; echo \"got $x.\"' | cat", "", `up`, "word\r", `got word\.`),
	},
	{
		name: "Ctrl-C reaches it once there, too",
		try:  dialogue("$W perl $D/counter | perl $D/patient", "", `up \d`, ctrlC, `interrupted 1`, "", `!interrupted 2`),
	},
	{
		name: "as PID 1: Ctrl-C reaches the command once", root: true,
		try: dialogue("exec $N -c $W perl $D/counter", "", `up \d`, ctrlC, `interrupted 1`, "", `!interrupted 2`),
	},
	{
		name: "as PID 1: Ctrl-Z, after which nobody could continue the command, leaves it running", root: true,
		try:  dialogue("exec $N -c $W perl -e '$|=1; while (1) { print \"tick\\n\"; select(undef, undef, undef, 0.1) }'", "", `tick`, ctrlZ, `\^Z`, "", `tick\r\ntick`),
		note: "tini's command stops for good.",
	},
	{
		name: "as PID 1: an interactive shell has job control", root: true,
		try: dialogue("exec $N -c $W bash --norc --noprofile --noediting -i", "", `ready> `, "jobs; set -o | grep monitor\r", `monitor\s+on`,
			"perl $D/counter\r", `up \d`, ctrlZ, `Stopped`, "fg\r", `continued`,
			ctrlC, `interrupted 1`, ctrlC, `interrupted 2`, ctrlC, `ready> `, "exit 3\r", "exit 3"),
	},
}}

// jobsTheme: it is begun by an interactive shell.
var jobsTheme = theme{name: "Job control, in an interactive bash", rows: []behaviour{
	{
		name: "Ctrl-Z stops the command and gives the prompt; `fg` continues it",
		try:  conversation("$W perl $D/counter\r", `up \d`, ctrlZ, `Stopped`, "", `ready> `, "fg\r", `continued`, ctrlC, `interrupted 1`),
	},
	{
		name: "and again",
		try: conversation("$W perl $D/counter\r", `up \d`, ctrlZ, `Stopped`, "", `ready> `, "fg\r", `continued`, ctrlZ, `Stopped`, "", `ready> `,
			"fg\r", `continued`, ctrlC, `interrupted 1`),
	},
	{
		name: "`bg` continues it in the background, `fg` brings it back",
		try: conversation("$W perl $D/counter\r", `up \d`, ctrlZ, `Stopped`, "", `ready> `, "bg\r", `continued`, "echo alive-$((1+1))\r", `alive-2`,
			"fg\r", `counter`, "", "!x", ctrlC, `interrupted 1`),
	},
	{
		name: "a command begun in the background that reads is stopped, and gets the terminal by `fg`",
		try: conversation("$W sh -c 'echo up $$; exec cat' &\r", `up \d`,
			"until jobs -s | grep Stopped; do sleep 0.1; done\r", `Stopped  `, "", `ready> `, "fg\r", `cat'?\r\n`,
			"hello\r", `hello\r\nhello`, ctrlD, `ready> `),
	},
	{
		name: "a pipeline is stopped and continued as a whole",
		try:  conversation("$W perl $D/counter | perl $D/patient\r", `up \d`, ctrlZ, `Stopped`, "", `ready> `, "fg\r", `continued`, ctrlC, `interrupted 1`),
	},
	{
		name: "an interactive shell inside has job control of its own",
		try: conversation("PS1='inner> ' $W bash --norc --noprofile --noediting -i\r", `inner> $`, "perl $D/counter\r", `up \d`,
			ctrlZ, `Stopped`, "", `inner> `, "fg\r", `continued`,
			ctrlC, `interrupted 1`, ctrlC, `interrupted 2`, ctrlC, `inner> `, "exit 4\r", `ready> `, "echo status=$?\r", `status=4`),
	},
	{
		name: "a loop ends with the command that Ctrl-C ended",
		try:  conversation("for i in 1 2; do $W sh -c 'echo up $$; exec sleep 1000'; done\r", `up \d`, ctrlC, `ready> `, "", `!up \d`),
	},
	{
		name: "in `$(...)`, which the shell has Ctrl-Z not stop, the command is not stopped",
		try:  conversation("x=$($W sh -c 'exec perl $D/counter >&2')\r", `up \d`, ctrlZ, `\^Z`, "", `!Stopped`, ctrlC, `interrupted 1`),
	},
	{
		name: "STOP to the command alone shows the shell a stopped job",
		try:  conversation("$W sh -c 'echo up $$; kill -STOP $$; echo on again'\r", `up \d`, "", `Stopped`, "fg\r", `on again`),
	},
	{
		name: "the shell is in front again after a command that was killed",
		try:  conversation("$W sh -c 'kill -9 $$'\r", `Killed|ready> `, "cat\r", `cat\r\n`, "hello\r", `hello\r\nhello`, ctrlD, `ready> `),
	},
}}

// dialogue is a behaviour that a session on a terminal tries, begun with a line of sh. Then keys and what the terminal
// has to show after them take turns: a pattern; one that must not show for half a second, after "!"; or "exit N".
func dialogue(begin string, turns ...string) func(*trial) string {
	return func(r *trial) string {
		return r.converse(r.terminal("sh", "-c", begin), turns)
	}
}

// conversation is dialogue with an interactive bash.
func conversation(turns ...string) func(*trial) string {
	return func(r *trial) string {
		w := r.terminal("bash", "--norc", "--noprofile", "--noediting", "-i")
		return r.converse(w, append([]string{"", `ready> `}, turns...))
	}
}

func (r *trial) terminal(argv ...string) *window {
	w := openTerminal(r.T, &tenant{vault: &vaultServer{}}, argv, append(r.environ, "PS1=ready> ")...)
	r.Cleanup(r.endAll)
	return w
}

func (r *trial) converse(w *window, turns []string) string {
	for i := 0; i+1 < len(turns); i += 2 {
		w.press(turns[i])
		if !r.follows(w, turns[i+1]) {
			r.Logf("the terminal does not show %q; it shows\n%s", turns[i+1], w.text())
			return "no"
		}
	}
	return "yes"
}

// follows reports whether the turn is as it has to be.
func (r *trial) follows(w *window, turn string) bool {
	if pattern, ok := strings.CutPrefix(turn, "!"); ok {
		time.Sleep(500 * time.Millisecond)
		return !w.find(pattern)
	}
	if status, ok := strings.CutPrefix(turn, "exit "); ok {
		return w.waitFor(r.limit) && number(r.T, status) == w.status()
	}
	return r.shows(w, turn)
}

// shows waits until the terminal shows pattern after what was found before.
func (r *trial) shows(w *window, pattern string) bool {
	for end := time.Now().Add(r.limit); !w.find(pattern); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// find looks for pattern in what the terminal shows after what was found before.
func (w *window) find(pattern string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := regexp.MustCompile(pattern).FindIndex(w.said[w.read:])
	if at == nil {
		return false
	}
	w.read += at[1]
	return true
}

func answerOf(held bool) string {
	if held {
		return "yes"
	}
	return "no"
}

func resized(r *trial) string {
	w := r.terminal("sh", "-c", "$W perl $D/counter")
	if !r.shows(w, `up \d`) {
		return "no"
	}
	check(r.T, pty.Setsize(w.master, &pty.Winsize{Rows: 40, Cols: 100}))
	return answerOf(r.follows(w, `resized`) && r.follows(w, `!resized`))
}

// modesAfter compares the terminal's settings before and after a wrapped script.
func modesAfter(text string, same bool) func(*trial) string {
	return func(r *trial) string {
		w := r.terminal("sh", "-c", "read x; $W sh -c '"+text+"'")
		before := w.modes()
		w.press("\r")
		if !w.waitFor(r.limit) {
			return "no"
		}
		after := w.modes()
		if same {
			return answerOf(after == before)
		}
		return answerOf(before.Lflag&unix.ECHO != 0 && after.Lflag&unix.ECHO == 0)
	}
}

func hangUp(r *trial) string {
	w := r.terminal("sh", "-c", "exec $W $R $D/got")
	file := r.dir + "/got"
	has := func(line string) bool {
		return poll(r.limit, 20*time.Millisecond, func() error {
			text, err := os.ReadFile(file)
			if err == nil && !regexp.MustCompile(`(?m)^`+line+`$`).Match(text) {
				err = os.ErrNotExist
			}
			return err
		}) == nil
	}
	if !has("up") {
		return "no"
	}
	check(r.T, unix.IoctlSetInt(int(w.slave.Fd()), unix.TIOCVHANGUP, 0)) // as when the other end is closed
	return answerOf(has("1"))
}
