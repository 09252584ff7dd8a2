package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestChangesAreTold(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	f, err := New(0, file)
	must(t, err)
	defer f.Close()
	for name, change := range map[string]func() error{
		"written": func() error { return os.WriteFile(file, []byte("a"), 0o600) },
		"renamed over": func() error {
			if err := os.WriteFile(file+".new", []byte("b"), 0o600); err != nil {
				return err
			}
			return os.Rename(file+".new", file)
		},
		"a link turned round": func() error { return os.Symlink("elsewhere", filepath.Join(dir, "..data")) },
	} {
		must(t, change())
		if path := <-f.Changes(); path != file {
			t.Errorf("%s: told is %s", name, path)
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, "other"), []byte("a"), 0o600))
	must(t, os.Remove(file))
	<-f.Changes()
	select {
	case <-f.Changes():
		t.Error("told twice")
	default:
	}
}

// Several files in several folders: each is told by its own name.
func TestFiles(t *testing.T) {
	one, two, three := t.TempDir(), t.TempDir(), t.TempDir()
	paths := []string{filepath.Join(one, "a"), filepath.Join(one, "b"), filepath.Join(two, "a")}
	f, err := New(0, paths...)
	must(t, err)
	defer f.Close()
	for _, path := range []string{paths[2], paths[0], paths[1], paths[0]} {
		must(t, os.WriteFile(path, []byte(path), 0o600))
		if got := <-f.Changes(); got != path {
			t.Errorf("%s is written, %s is told", path, got)
		}
	}

	// What a file is mounted from, or linked to, may be written where nobody watches the folder.
	real, link := filepath.Join(three, "real"), filepath.Join(one, "link")
	must(t, os.WriteFile(real, []byte("a"), 0o600))
	must(t, os.Symlink(real, link))
	g, err := New(0, link)
	must(t, err)
	defer g.Close()
	must(t, os.WriteFile(real, []byte("b"), 0o600))
	if got := <-g.Changes(); got != link {
		t.Errorf("%s is told", got)
	}
}

// Where the system tells nothing, a look does.
func TestLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(dir, "a")
	f, err := New(10*time.Millisecond, file)
	must(t, err)
	defer f.Close()
	must(t, os.Mkdir(dir, 0o755)) // a folder that was not there to be watched
	must(t, os.WriteFile(file, []byte("a"), 0o600))
	<-f.Changes()
	must(t, os.Remove(file))
	for stampOf(file).info != nil || <-f.Changes() != file { // its writing may be told in two
	}
}

func TestAFolderThatIsNotThere(t *testing.T) {
	if _, err := New(0, filepath.Join(t.TempDir(), "none", "token")); err == nil {
		t.Error("it is watched")
	}
}
