// Package headstart starts vwrap's first courier before anything else: while the packages that vwrap is made of are
// still being initialised, which takes as long as half of a courier's own start.
//
// It does so in its init function, and imports little: Go initialises a package as soon as those that it imports are, the
// next by its path first (The Go Programming Language Specification, Package initialization), and so this one comes before
// net/http, Vault's client, and the flags. docs/decisions/0014-headstart.md tells what that is worth.
//
// Whether a courier will be wanted is a guess from the command line, the environment and the folder. A wrong one costs a
// moment, and no more: a courier that gets no orders fetches nothing and ends.
package headstart

import (
	"os"
	"slices"
	"strings"
)

// Argument is the one by which vwrap knows that it is to be a courier.
const Argument = "__courier"

// Environ is a courier's whole environment: what the user's has in it (GODEBUG, GOTRACEBACK, …) is for the command,
// which gets its environment by the orders. A courier lives for milliseconds: collecting garbage would cost more
// than it frees, and threads more than they save, each of which execve(2) has to end.
func Environ() []string { return []string{"GOGC=off", "GOMAXPROCS=1"} }

// Courier is one that waits for its heading. What it has of vwrap are descriptors.
type Courier struct {
	PID                  int
	Orders, Report, Gate int // vwrap's ends of the pipes
	Memory               int // its memory file, empty
}

// started is the one that init has started, until it is taken.
var started *Courier

// Take returns the courier that was started, once; nil where there is none.
func Take() *Courier {
	c := started
	started = nil
	return c
}

// wanted guesses whether this command line is one that sends a courier, which needs nothing but its orders.
func wanted(argv, environ []string, exists func(path string) bool) bool {
	dashes := slices.Index(argv, "--")
	if dashes < 1 || dashes == len(argv)-1 {
		return false
	}
	own := argv[1:dashes]
	if slices.ContainsFunc(own, elsewhere) {
		return false
	}
	found := slices.ContainsFunc(own, injects)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "GODEBUG", "GOTRACEBACK", "VWRAP_ONCE", "VWRAP_PRESERVE_FDS", "VWRAP_MASK":
			return false // vwrap begins anew, or a courier needs more than this one has
		case "VWRAP_FROM", "VWRAP_CONFIG":
			found = found || value != ""
		}
		found = found || injects(value)
	}
	return found || nearby(exists)
}

// elsewhere reports whether arg stands for something that sends no courier, or one that needs more than its orders.
func elsewhere(arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if name == arg {
		return slices.Contains([]string{"exec", "plan", "__complete"}, arg)
	}
	return strings.HasPrefix(name, "once") || strings.HasPrefix(name, "preserve-fds") || strings.HasPrefix(name, "mask")
}

// injects reports whether text seems to inject something.
func injects(text string) bool {
	return strings.Contains(text, "vault:") || strings.HasPrefix(text, "--from") || strings.HasPrefix(text, "--config")
}

// nearby reports whether there seems to be a vwrap.yaml for this folder.
func nearby(exists func(path string) bool) bool {
	folder := ""
	for range 32 {
		if exists(folder + "vwrap.yaml") {
			return true
		}
		if exists(folder + ".git") {
			return false
		}
		folder += "../"
	}
	return false
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Descriptors are those of a courier, beside 0, 1 and 2.
type Descriptors struct {
	Orders, Report, Gate int // its ends of the pipes
	Memory               int // its memory file, empty
	Carry                int // that of the last generation, where there is one
}

// Preserve is the first of the user's descriptors in a courier that was executed: they come behind its own.
const Preserve = 8

var descriptors = Descriptors{3, 4, 5, 6, 7}

// Own returns the descriptors of this process, which is a courier.
func Own() Descriptors { return descriptors }
