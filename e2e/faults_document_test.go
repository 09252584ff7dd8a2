package e2e

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// faultsDocument is written by make contract; its table is what the tests themselves say that they try.
const faultsDocument = "../docs/faults.md"

// A row is three lines of comment in a script, or before a test's function.
var faultRow = regexp.MustCompile(`(?m)^(?:#|//) Fault: (.*)\n(?:#|//) Notices: (.*)\n(?:#|//) Does: (.*)\n(?:(?://.*\n)*func (\w+))?`)

// TestFaultsDocument: every fault that is tried has its row, and every row is tried.
func TestFaultsDocument(t *testing.T) {
	text, err := os.ReadFile(faultsDocument)
	check(t, err)
	const begin, end = "<!-- faults:begin -->\n", "<!-- faults:end -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no markers", faultsDocument)
	}
	want := before + begin + faultTable(t) + end + after
	if os.Getenv("VWRAP_E2E_WRITE") == "1" {
		check(t, os.WriteFile(faultsDocument, []byte(want), 0o644))
		return
	}
	if want != string(text) {
		t.Errorf("%s is not what the tests say: make contract writes it", faultsDocument)
	}
}

func faultTable(t *testing.T) string {
	var rows []string
	for _, pattern := range []string{"testdata/script/*.txtar", "*_test.go", "../envsource/vault/*_test.go"} {
		files, err := filepath.Glob(pattern)
		check(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			check(t, err)
			for _, row := range faultRow.FindAllStringSubmatch(string(text), -1) {
				where := "`" + cmp.Or(row[4], strings.TrimSuffix(filepath.Base(file), ".txtar")) + "`"
				switch {
				case strings.HasPrefix(file, ".."):
					where += ", in a test's own time"
				case strings.Contains(string(text), "//go:build full\n"):
					where += " (`make e2e-full`)"
				}
				rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", row[1], row[2], row[3], where))
			}
		}
	}
	if len(rows) == 0 {
		t.Fatal("no test says what fault it tries")
	}
	slices.Sort(rows)
	return "| fault | what the command notices | what vwrap does | tried in |\n|---|---|---|---|\n" + strings.Join(rows, "")
}
