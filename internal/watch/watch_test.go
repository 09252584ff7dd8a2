package watch

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChangesAreTold(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := New(file)
	must(err)
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
		must(change())
		<-f.Changes()
		t.Log(name)
	}
	must(os.WriteFile(filepath.Join(dir, "other"), []byte("a"), 0o600))
	must(os.Remove(file))
	<-f.Changes()
	select {
	case <-f.Changes():
		t.Error("told twice")
	default:
	}
}

func TestAFolderThatIsNotThere(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "none", "token")); err == nil {
		t.Error("it is watched")
	}
}
