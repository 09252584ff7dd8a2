package parity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What unified writes is what diff -u writes of the two lists.
func TestUnified(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("diff")
	if err != nil {
		t.Skip("no diff here")
	}
	roll := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	for range 60 {
		var rows []row
		var left, right []string
		for i := range roll.IntN(40) {
			name := fmt.Sprintf("key-%03d", i)
			sign := " - +"[roll.IntN(4)]
			if roll.IntN(2) == 0 {
				sign = ' '
			}
			rows = append(rows, row{sign, name, [2]string{name}})
			if sign != '+' {
				left = append(left, name)
			}
			if sign != '-' {
				right = append(right, name)
			}
		}
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		for file, names := range map[string][]string{a: left, b: right} {
			text := strings.Join(names, "\n")
			if text != "" {
				text += "\n"
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command(program, "-U3", "--label", "a", "--label", "b", a, b).Output()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			t.Skipf("this diff is another: %v", err)
		}
		if got := ordered(unified("a", "b", rows)); got != ordered(string(out)) {
			t.Fatalf("got\n%swant\n%s", got, out)
		}
	}
}

// ordered sorts neighbouring lines that come and go: in which order they stand is diff's own taste.
func ordered(diff string) string {
	lines := strings.SplitAfter(diff, "\n")
	for i := 2; i < len(lines); {
		j := i
		for j < len(lines) && (strings.HasPrefix(lines[j], "-") || strings.HasPrefix(lines[j], "+")) {
			j++
		}
		slices.Sort(lines[i:j])
		i = j + 1
	}
	return strings.Join(lines, "")
}
