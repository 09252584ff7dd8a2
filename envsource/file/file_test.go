package file

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/envsource"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]string{
		"secret\n": "secret", "secret": "secret", "two\nlines\n\n": "two\nlines\n", "": "", "<&>\u2028\n": "<&>\u2028",
	} {
		file := filepath.Join(dir, "x")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Source{}.Read(t.Context(), envsource.Read{Path: file})
		var got string
		if err == nil {
			err = json.Unmarshal(a.Fields[envsource.FileField], &got)
		}
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", content, got, err, want)
		}
	}
}

func TestWhatCannotBeAValue(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for file, want := range map[string]string{
		put("binary", "\xff\xfe"):                "not UTF-8 text",
		put("big", strings.Repeat("x", limit+1)): "longer than 128 KiB",
		filepath.Join(dir, "none"):               "no such file",
		dir:                                      "is a directory",
	} {
		_, err := Source{}.Read(t.Context(), envsource.Read{Path: file})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
	if _, err := (Source{}).Read(t.Context(), envsource.Read{Path: filepath.Join(dir, "none")}); !errors.Is(err, envsource.ErrMissing) {
		t.Error(err)
	}
}
