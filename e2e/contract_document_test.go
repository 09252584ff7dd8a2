package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// contractDocument is docs/process-contract.md: nothing in it depends on where or when it was made.
type contractDocument struct{ strings.Builder }

const contractIntroduction = `# The process contract

What a command prefix does to a command, as far as a user can tell: each row is a behaviour that was tried with a real
process, wrapped by

%s

vwrap keeps every row but those of the last table, or the tests fail. tini and dumb-init are there for comparison, as
Debian packages them and with no options, but where a row names some; "` + notTried + `" says that there is no such feature.
No Vault is asked for anything here: what vwrap does between two generations of a command is in [rotation.md](rotation.md).

"As PID 1" is in a PID namespace of its own, as the leader of a session, as the ENTRYPOINT of a container is; all the rest is
not PID 1, without a terminal where the table is not about terminals.

This file is written by the test that tries all this, ` + "`TestProcessContract` in `e2e/contract_test.go`" + `; do not edit it:

    make contract                                  try everything, and write this file
    cd e2e && go test -run TestProcessContract .   try everything, and compare with this file
    cd e2e && go test -v -run 'TestProcessContract/try/The_end/.*/tini' .   a table, with one wrapper
`

func (a *contractAnswers) document() *contractDocument {
	d := &contractDocument{}
	var versions []string
	for _, wrapper := range wrappers {
		versions = append(versions, "- "+versionOf(wrapper))
	}
	fmt.Fprintf(d, contractIntroduction, strings.Join(versions, "\n"))
	for _, theme := range processContract {
		d.theme(theme, a)
	}
	return d
}

// versionOf is a wrapper with its version; vwrap is what this tree makes.
func versionOf(wrapper string) string {
	if wrapper == "vwrap" {
		return "**vwrap**, of this tree"
	}
	said, _ := exec.Command(wrapper, "--version").CombinedOutput() // dumb-init says it on stderr
	words := strings.Fields(strings.ReplaceAll(string(said), "version", ""))
	if len(words) < 2 {
		return "**" + wrapper + "**"
	}
	return "**" + wrapper + "** " + strings.TrimPrefix(words[1], "v")
}

func (d *contractDocument) theme(t theme, a *contractAnswers) {
	fmt.Fprintf(d, "\n## %s\n\n", t.name)
	if t.text != "" {
		fmt.Fprintf(d, "%s\n\n", strings.TrimSpace(t.text))
	}
	fmt.Fprintf(d, "| | %s |\n|---|:-:|:-:|:-:|\n", strings.Join(wrappers, " | "))
	var notes []string
	for _, row := range t.rows {
		name := row.name + row.optionsText()
		if row.note != "" {
			notes = append(notes, row.note)
			name += fmt.Sprintf(" (%d)", len(notes))
		}
		fmt.Fprintf(d, "| %s |", strings.ReplaceAll(name, "|", `\|`))
		for _, wrapper := range wrappers {
			fmt.Fprintf(d, " %s |", a.of(t, row, wrapper))
		}
		fmt.Fprintln(d)
	}
	for i, note := range notes {
		if i == 0 {
			fmt.Fprintln(d)
		}
		fmt.Fprintf(d, "%d. %s\n", i+1, note)
	}
}

// optionsText is what the wrappers were given.
func (b behaviour) optionsText() string {
	var given []string
	for _, wrapper := range wrappers {
		if options := b.options[wrapper]; options != "" {
			given = append(given, fmt.Sprintf("`%s %s`", wrapper, options))
		}
	}
	if given == nil {
		return ""
	}
	return ": " + strings.Join(given, ", ")
}

// keep holds the document against the file, or writes that where VWRAP_E2E_WRITE=1 asks for it. What the peers answer
// is theirs to change: where only that differs, the test says so and passes.
func (d *contractDocument) keep(t *testing.T, file string) error {
	if os.Getenv("VWRAP_E2E_WRITE") == "1" {
		return os.WriteFile(file, []byte(d.String()), 0o644)
	}
	there, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w: %w", errOutOfDate, err)
	}
	differs := difference(string(there), d.String())
	if withoutPeers(string(there)) != withoutPeers(d.String()) {
		return fmt.Errorf("%w\n%s", errOutOfDate, differs)
	}
	if differs != "" {
		t.Logf("tini or dumb-init answered otherwise than the document has it:\n%s", differs)
	}
	return nil
}

// withoutPeers is the document without the columns of tini and dumb-init, and without their versions.
func withoutPeers(document string) string {
	lines := strings.Split(document, "\n")
	for i, line := range lines {
		switch cells := strings.Split(line, " | "); {
		case strings.HasPrefix(line, "- **"):
			lines[i], _, _ = strings.Cut(line, "** ")
		case strings.HasPrefix(line, "| ") && len(cells) > 2:
			lines[i] = strings.Join(cells[:len(cells)-2], " | ")
		}
	}
	return strings.Join(lines, "\n")
}

// difference are the lines that only one of them has.
func difference(old, new string) string {
	var b strings.Builder
	for _, side := range []struct{ sign, text, other string }{{"-", old, new}, {"+", new, old}} {
		others := map[string]bool{}
		for line := range strings.SplitSeq(side.other, "\n") {
			others[line] = true
		}
		for line := range strings.SplitSeq(side.text, "\n") {
			if !others[line] {
				fmt.Fprintln(&b, side.sign, line)
			}
		}
	}
	return b.String()
}
