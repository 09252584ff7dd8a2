package dotenv

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/envsource"
)

func TestParse(t *testing.T) {
	got, err := Parse("\ufeffA=1\r\nexport B='two words' # comment\r\n\r\n# C=no\nD=\"x\\ny\"\nE=\nF=a=b\n")
	want := map[string]string{"A": "1", "B": "two words", "D": "x\ny", "E": "", "F": "a=b"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestErrorsTellTheLineAndNoValue(t *testing.T) {
	const marker = "hunter2-marker"
	for text, want := range map[string]string{
		"A=1\nB=2\n" + marker + "\n":   "line 3 is not KEY=value",
		"A=1\nB=\"" + marker + "\nC=3": "line 2 is not KEY=value",
		"A=\xff":                       "not UTF-8 text",
	} {
		_, err := Parse(text)
		if err == nil || err.Error() != want || strings.Contains(err.Error(), marker) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	text := "\ufeff# A=no\r\nA=1 # why\r\n\r\n  export B = 'two\nlines' # \"\nC: \"a\\\"b\"\nD=\nE=a#b\nF=\"x\""
	all, err := Scan(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range all {
		got = append(got, fmt.Sprintf("%d %s %s %q", a.Line, a.Name, string(a.Quote), text[a.From:a.To]))
	}
	want := []string{"2 A \x00 \"1\"", "4 B ' \"'two\\nlines'\"", `6 C " "\"a\\\"b\""`, "7 D \x00 \"\"", "8 E \x00 \"a#b\"", `9 F " "\"x\""`}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%q\nwant:\n%q", got, want)
	}
}

func TestScanRefusesWhatReadersDisagreeAbout(t *testing.T) {
	t.Parallel()
	const marker = "hunter2-marker"
	for text, want := range map[string]string{
		"A=1\nB=" + marker + " # x # y":        "line 2: readers do not agree where the comment begins: put the value in quotes",
		"A= #" + marker:                        "line 1: readers do not agree where the comment begins: put the value in quotes",
		`A="` + marker + `\\" #"`:              "line 1: readers do not agree about a backslash before a quote: write the value otherwise",
		`A='` + marker + `\' B'`:               "line 1: readers do not agree about a backslash before a quote: write the value otherwise",
		"A='x' B=" + marker:                    "line 1: text after the closing quote",
		"A=1\n" + marker + "\n":                "line 2 is not KEY=value",
		"A=1\rB=" + marker:                     "a line break that is a CR alone: readers do not agree about it",
		"\ufeffA=1\n\nB=\"2\"" + "C=" + marker: "line 3: text after the closing quote",
	} {
		if _, err := Scan(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("KEY=value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Source{}.Read(t.Context(), envsource.Read{Source: envsource.SourceDotenv, Path: file})
	if err != nil || string(a.Fields["KEY"]) != `"value"` || a.Kind != envsource.KindStatic {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = Source{}.Read(t.Context(), envsource.Read{Path: file + ".none"})
	if !errors.Is(err, envsource.ErrMissing) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"A=1", "A=\"", "export A='x'", "A: b", "A=${B}\nB=${A}", "=", "A=#", "\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) { _, _ = Parse(text) })
}

// What Scan finds is what Parse reads, name by name, and texts where one ends are where it says.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{"A=1", "export A='x'", "A: \"b\" # c", "A=a b # c\r\nB=", "A='1\n2'\nB=3", "\ufeffA=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Scan(text)
		if err != nil {
			return
		}
		at := 0
		for _, a := range all {
			if a.From < at || a.To < a.From || a.To > len(text) || strings.ContainsAny(a.Name, "\n'\"") {
				t.Fatalf("%q: %+v", text, a)
			}
			at = a.To
		}
	})
}
