package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
		"/dev/zero":                              "longer than 128 KiB",
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

// Pipes are waited for, be they fed at once, in parts, or by nobody.
func TestPipes(t *testing.T) {
	t.Parallel()
	pipe := func() string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "pipe")
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	feed := func(path string, parts ...string) {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		for _, part := range parts {
			_, _ = w.WriteString(part)
		}
		_ = w.Close()
	}
	for _, parts := range [][]string{{"secret"}, {"a", "b", "c\n"}} {
		path := pipe()
		go feed(path, parts...)
		got, err := Content(t.Context(), path, limit)
		if want := strings.Join(parts, ""); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}

	anonymous, in, err := os.Pipe() // as <(…) of a shell is
	if err != nil {
		t.Fatal(err)
	}
	defer anonymous.Close()
	_, _ = in.WriteString("secret\n")
	_ = in.Close()
	if got, err := Content(t.Context(), fmt.Sprintf("/dev/fd/%d", anonymous.Fd()), limit); got != "secret\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}

	alone, half := pipe(), pipe()
	kept := make(chan *os.File, 1)
	go func() {
		w, _ := os.OpenFile(half, os.O_WRONLY, 0)
		_, _ = w.WriteString("hush")
		kept <- w
	}()
	for _, path := range []string{alone, half} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := Content(ctx, path, limit); err == nil || !strings.HasPrefix(err.Error(), path+": a pipe whose end has not come in time: ") {
			t.Errorf("%s: %v", path, err)
		}
		cancel()
	}
	_ = (<-kept).Close()
}

func TestAPipeThatIsClosedWithoutAByteIsEmpty(t *testing.T) {
	t.Parallel()
	if !emptyIsOver {
		return // it is waited for
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_ = w.Close()
	if got, err := Content(t.Context(), fmt.Sprintf("/dev/fd/%d", r.Fd()), limit); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
