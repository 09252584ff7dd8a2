package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/complete"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/internal/courier"
)

// completer is the hidden command that the shells' scripts ask: vwrap __complete -- WORD..., the last of which is the
// one to complete.
const completer = "__complete"

func completionCommand(i *invocation) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the completion for a shell", UsageText: "vwrap completion bash|zsh|fish",
		Description: "Print what a shell evaluates to complete vwrap's commands, flags, profiles and\nvariables, and, after \"--\", your commands: eval \"$(vwrap completion bash)\" in\n~/.bashrc, the same with zsh in ~/.zshrc after compinit, and\n\"vwrap completion fish | source\" in ~/.config/fish/config.fish.",
		Action:      func(c *cli.Context) error { return i.completion(c) },
	}
}

// completion prints the script for a shell.
func (i *invocation) completion(c *cli.Context) error {
	i.status = courier.StatusFailed
	known := strings.Join(complete.Shells(), "|")
	if c.Args().Len() != 1 {
		return fmt.Errorf("say for which shell: vwrap completion %s", known)
	}
	script := complete.Script(c.Args().First())
	if script == "" {
		return fmt.Errorf("there is no completion for %q: vwrap completion %s", c.Args().First(), known)
	}
	i.status = 0
	_, err := io.WriteString(c.App.Writer, script)
	return err
}

// serveCompletion answers a shell.
func serveCompletion(words []string) int {
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	word := words[len(words)-1]
	i := &invocation{}
	app := newApp(i)
	app.Commands = newCommands(i)
	if err := candidates(app, words[:len(words)-1], word).Write(os.Stdout, word); err != nil {
		return courier.StatusFailed
	}
	return 0
}

// typed is what the words before the one to complete have said.
type typed struct {
	command   []string // the names, outermost first
	commands  []*cli.Command
	flags     []cli.Flag
	given     map[string]string // the flags that have a value
	arguments []string
}

// candidates are what may stand behind words.
func candidates(app *cli.App, words []string, word string) complete.Answer {
	if slices.Contains(words, "--") {
		return complete.Answer{} // the shell knows its commands
	}
	t := typed{commands: app.Commands, flags: app.Flags, given: map[string]string{}}
	pending := ""
	for _, w := range words {
		switch {
		case pending != "":
			t.given[pending], pending = w, ""
		case strings.HasPrefix(w, "-"):
			pending = t.flag(w)
		default:
			t.word(w)
		}
	}
	name, value, ok := strings.Cut(word, "=")
	switch {
	case pending != "":
		return t.values(pending, word)
	case strings.HasPrefix(word, "-") && ok:
		flag := t.find(name)
		if flag == nil {
			return complete.Answer{}
		}
		return t.values(flag.Names()[0], value).Behind(name + "=")
	case strings.HasPrefix(word, "-"):
		return t.flagNames()
	case len(t.commands) > 0 && len(t.arguments) == 0:
		return commandNames(t.commands)
	}
	return t.operands()
}

// flag takes w, a flag, in; it returns its name where the next word is its value.
func (t *typed) flag(w string) (pending string) {
	name, value, ok := strings.Cut(w, "=")
	flag := t.find(name)
	switch {
	case flag == nil:
	case ok:
		t.given[flag.Names()[0]] = value
	case takesValue(flag):
		return flag.Names()[0]
	}
	return ""
}

// word takes w, a command or an operand, in.
func (t *typed) word(w string) {
	at := slices.IndexFunc(t.commands, func(c *cli.Command) bool { return c.Name == w })
	if at < 0 || len(t.arguments) > 0 {
		t.arguments = append(t.arguments, w)
		return
	}
	t.command, t.flags, t.commands = append(t.command, w), t.commands[at].Flags, t.commands[at].Subcommands
}

func (t *typed) find(dashed string) cli.Flag {
	name := strings.TrimLeft(dashed, "-")
	for _, f := range t.flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// takesValue reports whether the word behind f is its value.
func takesValue(f cli.Flag) bool {
	doc, ok := f.(cli.DocGenerationFlag)
	return ok && doc.TakesValue() && f.Names()[0] != "once"
}

func (t *typed) flagNames() (a complete.Answer) {
	for _, f := range t.flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		_, about := unquote(doc.GetUsage())
		a.Candidates = append(a.Candidates, complete.Candidate{Word: "--" + f.Names()[0], About: about})
		for _, short := range f.Names()[1:] {
			a.Candidates = append(a.Candidates, complete.Candidate{Word: "-" + short, About: about})
		}
	}
	a.Candidates = append(a.Candidates, complete.Candidate{Word: "--help", About: "show help"})
	if len(t.command) == 0 || slices.Contains([]string{"run", "dev", "exec", "plan"}, t.command[0]) {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: "--", About: "the command follows"})
	}
	return a
}

func commandNames(all []*cli.Command) (a complete.Answer) {
	for _, c := range all {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: c.Name, About: c.Usage})
	}
	return a
}

// values are what the flag may have, where word is what there is of it.
func (t *typed) values(flag, word string) complete.Answer {
	switch flag {
	case "config", "token-file", "from-env", "junit", "manifest":
		return complete.Answer{Files: true}
	case "profile":
		return complete.Words(config.Profiles(t.file())...)
	case "env":
		if strings.Contains(word, "=") {
			return complete.Answer{}
		}
		a := complete.Answer{Open: true}
		for _, name := range t.variables() {
			a.Candidates = append(a.Candidates, complete.Candidate{Word: name + "="})
		}
		return a
	case "preserve-env":
		return listed(word, t.variables())
	case "faults":
		return listed(word, []string{"outage", "revoke", "seal"})
	case "on-rotate":
		return complete.Words("restart", "signal", "overlap", "none", "exit")
	case "once":
		return complete.Words("force")
	case "mask":
		return complete.Words("never", "always")
	case "log-level":
		return complete.Words("debug", "info", "warn", "error")
	case "log-format":
		return complete.Words("text", "json")
	case "signal", "stop-signal":
		return complete.Words("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH")
	case "server":
		return complete.Words(devServers()...)
	case "format":
		if t.command[0] == "check" {
			return complete.Words(check.Formats...)
		}
		return complete.Words(strings.FieldsFunc(strings.ReplaceAll(exportFormats, " or ", ","), func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return complete.Answer{}
}

// listed completes the last of several with commas between by names that do not stand there yet.
func listed(word string, names []string) complete.Answer {
	before := word[:strings.LastIndex(word, ",")+1]
	there := list(before)
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(there, name) })
	a := complete.Words(names...).Behind(before)
	a.Open = true
	return a
}

// operands are what may stand behind a command.
func (t *typed) operands() complete.Answer {
	if len(t.command) == 0 {
		return complete.Answer{}
	}
	first := len(t.arguments) == 0
	switch name := strings.Join(t.command, " "); {
	case name == "rotate":
		names := slices.DeleteFunc(t.held(), func(name string) bool { return slices.Contains(t.arguments, name) })
		return complete.Words(names...)
	case name == "check leaks", (name == "check address" || name == "install") && first:
		return complete.Answer{Files: true}
	case name == "completion" && first:
		return complete.Words(complete.Shells()...)
	case name == "hook" && first:
		return complete.Words("direnv")
	}
	return complete.Answer{}
}

// file is the vwrap.yaml that is meant.
func (t *typed) file() string {
	if file := t.given["config"]; file != "" {
		return file
	}
	if file := os.Getenv("VWRAP_CONFIG"); file != "" {
		return file
	}
	file, err := config.Here()
	if err != nil {
		return ""
	}
	return file
}

// variables are those that vwrap.yaml sets: the file is read, and nothing that it refers to.
func (t *typed) variables() []string {
	profile := t.given["profile"]
	if profile == "" {
		profile = os.Getenv("VWRAP_PROFILE")
	}
	conf, err := config.Load(t.file(), profile)
	if err != nil {
		return nil
	}
	return conf.Names()
}

// held are the variables of the vwrap that runs here; without one those of vwrap.yaml. Who waits for a completion does
// not wait long.
func (t *typed) held() []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	pid, err := strconv.Atoi(t.given["pid"])
	if err != nil {
		pid = 0
	}
	socket, err := control.Choose(os.Getenv, false, pid)
	if err != nil {
		return t.variables()
	}
	status, err := socket.Status(ctx)
	if err != nil {
		return t.variables()
	}
	var names []string
	for _, s := range status.Secrets {
		names = append(names, s.Variables...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
