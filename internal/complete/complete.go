// Package complete is completion in shells: which candidates a command line has, and the scripts that ask for them.
package complete

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

//go:embed bash.sh
var bash string

//go:embed zsh.sh
var zsh string

//go:embed fish.fish
var fish string

// Shells are those that there is a script for.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Script is what shell evaluates; "" for one that is not known.
func Script(shell string) string {
	switch shell {
	case "bash":
		return bash
	case "zsh":
		return zsh
	case "fish":
		return fish
	}
	return ""
}

// Candidate is what a word may become.
type Candidate struct{ Word, About string }

// Answer is what may stand at a word's place.
type Answer struct {
	Candidates []Candidate
	Files      bool // the names of files, which the shell knows better
	Open       bool // more follows a candidate: no space is set behind it
}

// Words are candidates that need no explanation.
func Words(words ...string) (a Answer) {
	for _, word := range words {
		a.Candidates = append(a.Candidates, Candidate{Word: word})
	}
	return a
}

// Behind puts before in front of all candidates: of --flag=VALUE and A,B the last part alone is completed.
func (a Answer) Behind(before string) Answer {
	var all []Candidate
	for _, c := range a.Candidates {
		all = append(all, Candidate{Word: before + c.Word, About: c.About})
	}
	a.Candidates = all
	return a
}

// Write prints those that begin with word: a line each, with a tab before the explanation. Lines with a colon in front
// tell the shell what to do besides.
func (a Answer) Write(w io.Writer, word string) error {
	var b strings.Builder
	if a.Files {
		b.WriteString(":files\n")
	}
	if a.Open {
		b.WriteString(":nospace\n")
	}
	for _, c := range a.Candidates {
		switch {
		case !strings.HasPrefix(c.Word, word):
		case c.About == "":
			fmt.Fprintf(&b, "%s\n", c.Word)
		default:
			fmt.Fprintf(&b, "%s\t%s\n", c.Word, c.About)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
