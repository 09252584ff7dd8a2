package starter

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/vwrap/vwrap/internal/rewrite"
)

// File is a file as it is to be.
type File struct {
	Path string // relative to the project's folder
	New  []byte

	old    []byte
	is     bool     // it is there already
	keep   bool     // what it was has a value that may be nowhere else
	hidden []string // strings of old, in quotes, that may be values
}

// readFile reads a file of the project; where it is not there, is is false.
func readFile(dir, path string) (f File, err error) {
	f = File{Path: path}
	f.old, err = os.ReadFile(filepath.Join(dir, path))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	f.is = err == nil
	return f, err
}

// Diff is a unified diff of what is there and what is to be, without lines around: they may have values. Where a line that changes has
// one, … stands for it.
func (f File) Diff() string {
	from := f.Path
	if !f.is {
		from = "/dev/null"
	}
	old, text := f.hide(string(f.old)), f.hide(string(f.New))
	if old != "" && !strings.HasSuffix(old, "\n") {
		old += "\n" // else its last line would be shown
	}
	diff, err := udiff.ToUnified(from, f.Path, old, udiff.Lines(old, text), 0)
	if err != nil {
		return "" // its edits are its own
	}
	return diff
}

func (f File) hide(text string) string {
	for _, value := range f.hidden {
		text = strings.ReplaceAll(text, value, `"…"`)
	}
	return text
}

// changes reports whether there is anything to write.
func (f File) changes() bool { return !f.is || string(f.old) != string(f.New) }

// Write puts f into dir. What is there has to be what it was when it was read; a value that goes is kept beside it (rewrite.Keep).
func (f File) Write(dir string) error {
	path := filepath.Join(dir, f.Path)
	if !f.is {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return rewrite.Create(path, f.New, 0o644)
	}
	if f.keep {
		if err := rewrite.Keep(path, f.old); err != nil {
			return err
		}
	}
	return rewrite.Replace(path, f.old, f.New)
}

// addLines adds those lines to f that it has not, in the manner of its line ends.
func (f *File) addLines(has func(line, wanted string) bool, lines ...string) {
	text, end := string(f.old), "\n"
	if strings.Contains(text, "\r\n") {
		end = "\r\n"
	}
	there := strings.Split(text, "\n")
	for _, wanted := range lines {
		found := false
		for _, line := range there {
			found = found || has(strings.TrimSpace(line), wanted)
		}
		if found {
			continue
		}
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += end
		}
		text += wanted + end
	}
	f.New = []byte(text)
}
