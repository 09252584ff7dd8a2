package dotenv

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
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
