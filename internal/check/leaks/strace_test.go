//go:build linux

package leaks

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// helper is the variable that makes TestMain's process the one that is traced: it has the tree.
const helper = "VWRAP_TEST_LEAKS_TREE"

func TestMain(m *testing.M) {
	tree := os.Getenv(helper)
	if tree == "" {
		os.Exit(m.Run())
	}
	dir := filepath.Dir(tree)
	o := Options{
		Secrets: secrets, Roots: []string{tree}, History: 5, Temp: true, Histories: true, Processes: true,
		Env: Env{Home: filepath.Join(dir, "home"), Temp: []string{filepath.Join(dir, "tmp")}, History: filepath.Join(dir, "none")},
	}
	if r, err := Check(context.Background(), o); err != nil || r.Clean() {
		os.Exit(1)
	}
}

// Neither the check nor the git that it runs opens anything for writing, makes, renames or removes anything: values that
// were in memory alone stay there.
func TestWritesNothing(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("install strace (apt-get install strace): this looks at what is written")
	}
	env, tree := machine(t)
	git(t, tree, "init", "-q")
	write(t, tree+"/old", apiKey)
	git(t, tree, "add", ".")
	git(t, tree, "commit", "-qm", "all #1")
	write(t, tree+"/new", dbPassword)
	write(t, env.Temp[0]+"/a", dbPassword)
	write(t, env.Home+"/.bash_history", dbPassword)
	if err := os.Chtimes(tree+"/old", time.Now(), time.Now()); err != nil { // git would like to refresh its index
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-o", log, "-e",
		"trace=openat,open,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mknod,mknodat,truncate,ftruncate,memfd_create,execve", self)
	cmd.Env = append(os.Environ(), helper+"="+tree)
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "ptrace") {
			t.Skip("strace may not trace here")
		}
		t.Fatalf("%v: %s", err, out)
	}
	trace, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	writes := regexp.MustCompile(`O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE|\b(creat|mkdir\w*|rename\w*|link\w*|symlink\w*|unlink\w*|mknod\w*|truncate|ftruncate|memfd_create)\(`)
	harmless := regexp.MustCompile(`"/dev/(null|tty)"`)
	gits := 0
	for line := range strings.Lines(string(trace)) {
		if strings.Contains(line, `"-C", `) {
			gits++
		}
		if writes.MatchString(line) && !harmless.MatchString(line) {
			t.Error(line)
		}
	}
	if gits < 5 {
		t.Errorf("git ran %d times: the trace has\n%s", gits, trace)
	}
}
