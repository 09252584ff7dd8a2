package rewrite_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/internal/rewrite"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real", ".env"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("old"), 0o640), os.Chmod(file, 0o640), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	if err := rewrite.Replace(link, []byte("other"), []byte("new")); !errors.Is(err, rewrite.ErrChanged) {
		t.Errorf("a file that has changed: %v", err)
	}
	if err := rewrite.Replace(link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	info, statErr := os.Stat(file)
	if err = errors.Join(err, statErr); err != nil || string(text) != "new" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v", text, info.Mode(), err)
	}
	if to, err := os.Readlink(link); err != nil || to != file {
		t.Errorf("the link is one no more: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if err := rewrite.Replace(path, nil, nil); err == nil {
			t.Errorf("%s is replaced", path)
		}
	}
}

// What is there is never written over: neither a file that is to be made, nor what was kept of one.
func TestCreateAndKeep(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), ".env")
	if err := rewrite.Create(file, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := rewrite.Create(file, []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
	if err := rewrite.Keep(file, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := rewrite.Keep(file, []byte("second")); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("what was kept: %v", err)
	}
	for name, want := range map[string]string{file: "first", file + rewrite.Suffix: "first"} {
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("%s has %q, %v", name, text, err)
		}
	}
	if info, err := os.Stat(file + rewrite.Suffix); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read what was kept: %v, %v", info.Mode(), err)
	}
}
