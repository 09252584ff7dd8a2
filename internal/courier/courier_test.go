package courier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/proc"
)

// The test binary is vwrap: executed with Hidden it is a courier, with a source that reads files of a folder.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Hidden {
		os.Exit(Serve(func() {}, func(context.Context, Heading) Sources {
			return func(o Orders) (map[string]envsource.Source, error) {
				return map[string]envsource.Source{envsource.SourceVault: folder(o.Vault.Address)}, nil
			}
		}))
	}
	goleak.VerifyTestMain(m)
}

// folder is a source: the secret a/b is the file a/b, with its content as the field "value". Those under lease/
// have one. The file "hang" hangs.
type folder string

func (folder) Locate(_ context.Context, r envsource.Read) (envsource.Read, error) { return r, nil }

func (f folder) Read(ctx context.Context, r envsource.Read) (envsource.Answer, error) {
	if r.Path == "hang" {
		<-ctx.Done()
		return envsource.Answer{}, envsource.Mark(ctx.Err(), envsource.ErrUnavailable)
	}
	text, err := os.ReadFile(filepath.Join(string(f), r.Path))
	if err != nil {
		return envsource.Answer{}, envsource.Mark(fmt.Errorf("nothing at %s", r), envsource.ErrMissing)
	}
	value, _ := json.Marshal(string(text))
	a := envsource.Answer{Fields: map[string]json.RawMessage{"value": value}, Kind: envsource.KindKV1, Asked: time.Now()}
	if strings.HasPrefix(r.Path, "lease/") {
		a.Kind, a.LeaseID, a.TTL = envsource.KindLeased, r.Path+"/1", time.Minute
	}
	return a, nil
}

// post is a launcher, and the folder that its couriers read.
type post struct {
	*Launcher
	t   *testing.T
	dir string
}

func newPost(t *testing.T, argv []string, vars ...string) post {
	t.Helper()
	return newPostOf(t, proc.NewChildren(), argv, vars...)
}

func newPostOf(t *testing.T, children *proc.Children, argv []string, vars ...string) post {
	t.Helper()
	p := post{t: t, dir: t.TempDir(), Launcher: &Launcher{Self: "/proc/self/exe", Children: children, Terminal: proc.NoTerminal(), StartTimeout: 20 * time.Second}}
	t.Cleanup(p.Children.Close)
	p.Orders = Orders{Argv: argv, DigestKey: []byte("key")}
	p.Orders.Vault.Address = p.dir
	p.Orders.Input.Inherited = []string{"PATH=/usr/bin:/bin", "OUT=" + filepath.Join(p.dir, "out")}
	for _, v := range vars {
		name, text, _ := strings.Cut(v, "=")
		p.Orders.Input.Vars = append(p.Orders.Input.Vars, envsource.Var{Name: name, Text: text, Level: envsource.LevelFlag, Origin: "-e"})
	}
	return p
}

func (p post) put(path, value string) {
	p.t.Helper()
	file := filepath.Join(p.dir, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// send sends a courier and returns it with its report.
func (p post) send(task Task, from *Courier) (*Courier, Report) {
	p.t.Helper()
	c, err := p.Launch(task, from)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		c.Dismiss()
		_ = c.Signal(unix.SIGKILL)
		<-c.Ended()
		c.Forget()
	})
	return c, <-c.Reported()
}

func (p post) out() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "out"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func TestACourierBecomesTheCommandInPlace(t *testing.T) {
	p := newPost(t, []string{"sh", "-c", `echo $$ "$A" "$1" >"$OUT"; exit 7`, "sh", "two words"}, "A=vault:kv/a#value")
	p.put("kv/a", "the value")
	c, r := p.send(Task{Errand: Launch}, nil)
	if !r.OK() || len(r.Holdings) != 1 || r.Holdings[0].Digest == "" || r.Holdings[0].Asked.IsZero() {
		t.Fatalf("report %+v", r)
	}
	if text, _ := json.Marshal(r); strings.Contains(string(text), "the value") {
		t.Error("the report has a value in it")
	}
	if _, err := os.Stat(filepath.Join(p.dir, "out")); err == nil {
		t.Error("it ran before the gate was open")
	}
	c.Open()
	if err := <-c.Executed(); err != nil {
		t.Fatal(err)
	}
	<-c.Ended()
	if c.Status().Code != 7 {
		t.Errorf("status %v", c.Status())
	}
	if got, want := p.out(), fmt.Sprintf("%d the value two words\n", c.PID()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestADismissedCourierExecutesNothing(t *testing.T) {
	p := newPost(t, []string{"sh", "-c", `echo ran >"$OUT"`}, "A=vault:kv/a#value")
	p.put("kv/a", "x")
	c, _ := p.send(Task{Errand: Launch}, nil)
	c.Dismiss()
	<-c.Ended()
	if _, err := os.Stat(filepath.Join(p.dir, "out")); err == nil {
		t.Error("it ran")
	}
}

// A fetch that hangs ends when its courier is dismissed, and the lease it had by then is reported.
func TestADismissalEndsAFetch(t *testing.T) {
	p := newPost(t, []string{"true"}, "A=vault:hang#value", "B=vault:lease/b#value")
	p.put("lease/b", "x")
	c, err := p.Launch(Task{Errand: Launch}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Dismiss()
	r := <-c.Reported()
	<-c.Ended()
	c.Forget()
	if r.OK() {
		t.Errorf("report %+v", r)
	}
	for _, h := range r.Holdings {
		if h.LeaseID != "lease/b/1" {
			t.Errorf("holding %+v", h)
		}
	}
}

func TestTheNextCourierCarriesOverWhatIsNotDue(t *testing.T) {
	p := newPost(t, []string{"sh", "-c", `echo "$A $B" >"$OUT"`}, "A=vault:kv/a#value", "B=vault:lease/b#value")
	p.put("kv/a", "a1")
	p.put("lease/b", "b1")
	first, r := p.send(Task{Errand: Launch}, nil)
	keys := map[string]string{}
	for _, h := range r.Holdings {
		keys[h.Read.Path] = h.Key
	}
	p.put("kv/a", "a2")
	p.put("lease/b", "b2")

	probe, r := p.send(Task{Errand: Probe, Due: []string{keys["kv/a"]}}, first)
	if !r.OK() || len(r.Holdings) != 1 {
		t.Fatalf("probe: %+v", r)
	}
	<-probe.Ended()

	refresh, r := p.send(Task{Errand: Refresh, Due: []string{keys["kv/a"]}}, first)
	if !r.OK() || len(r.Holdings) != 1 || r.Holdings[0].Key != keys["kv/a"] {
		t.Fatalf("refresh: %+v", r)
	}
	<-refresh.Ended()
	if !sealed(refresh.memory) {
		t.Error("the memory file is not sealed")
	}
	if _, err := refresh.memory.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("a sealed memory file can be written: %v", err)
	}

	last, r := p.send(Task{Errand: Launch}, refresh)
	if !r.OK() || len(r.Holdings) != 0 {
		t.Fatalf("launch: %+v", r)
	}
	last.Open()
	<-last.Ended()
	if got := p.out(); got != "a2 b1\n" {
		t.Errorf("got %q, want what was refreshed and what was carried over", got)
	}
}

func TestWhatCanFailFailsBeforeTheGate(t *testing.T) {
	for _, tt := range []struct {
		argv   []string
		value  string
		status int
		says   string
	}{
		{[]string{"no-such-program"}, "x", 127, "no-such-program: command not found"},
		{[]string{"/etc/passwd"}, "x", 126, "/etc/passwd: cannot be executed: permission denied"},
		{[]string{"true"}, strings.Repeat("x", 200<<10), 125, "A: too big: 200 KiB, the kernel takes at most 128 KiB in one string"},
		{[]string{"true"}, "a\x00b", 125, "A: the value has a NUL byte in it, which no environment can hold"},
	} {
		t.Run(fmt.Sprint(tt.argv), func(t *testing.T) {
			p := newPost(t, tt.argv, "A=vault:kv/a#value")
			p.put("kv/a", tt.value)
			_, r := p.send(Task{Errand: Launch}, nil)
			if r.Status != tt.status || !slices.Equal(r.Errors, []string{tt.says}) {
				t.Errorf("status %d, %q", r.Status, r.Errors)
			}
		})
	}
}

// The program can vanish between the gate and the exec.
func TestAnExecThatFailsSaysSo(t *testing.T) {
	p := newPost(t, nil)
	p.put("prog", "#!/bin/sh\n")
	file := filepath.Join(p.dir, "prog")
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	p.Orders.Argv = []string{file}
	c, r := p.send(Task{Errand: Launch}, nil)
	if !r.OK() {
		t.Fatal(r.Errors)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	c.Open()
	if err := <-c.Executed(); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	<-c.Ended()
	if c.Status().Code != 127 {
		t.Errorf("status %v", c.Status())
	}
}

func TestACommandWithoutAMagicNumberIsAShellScript(t *testing.T) {
	p := newPost(t, nil)
	p.put("script", `echo "$1" >"$OUT"`)
	file := filepath.Join(p.dir, "script")
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	p.Orders.Argv = []string{file, "arg"}
	c, _ := p.send(Task{Errand: Launch}, nil)
	c.Open()
	<-c.Ended()
	if got := p.out(); got != "arg\n" {
		t.Errorf("got %q", got)
	}
}

func TestACourierThatIsKilledReportsByItsDeath(t *testing.T) {
	p := newPost(t, []string{"true"}, "A=vault:hang#value")
	c, err := p.Launch(Task{Errand: Launch}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Signal(syscall.SIGKILL)
	if r := <-c.Reported(); r.OK() || r.Status != StatusFailed {
		t.Errorf("report %+v", r)
	}
	<-c.Ended()
	c.Dismiss()
	c.Forget()
}

func TestServeByHand(t *testing.T) {
	// Descriptors 3 to 6 are somebody's in this process: ask in one that has none.
	s := proc.NewChildren()
	defer s.Close()
	p, err := s.Start(proc.Spec{Path: "/proc/self/exe", Args: []string{"vwrap", Hidden}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if p.Status().Code != StatusFailed {
		t.Errorf("status %v", p.Status())
	}
}

func TestDigest(t *testing.T) {
	a, b := Orders{DigestKey: []byte("a")}, Orders{DigestKey: []byte("b")}
	x := a.Digest([]byte("x"))
	if again := a.Digest([]byte("x")); x != again || x == a.Digest([]byte("y")) || x == b.Digest([]byte("x")) {
		t.Error("a digest is of the text and the key")
	}
}

// Whatever stands on the report pipe, listening ends and gives a report.
func FuzzListen(f *testing.F) {
	report, old := written(f, message{Report: &Report{}}), written(f, message{Report: &Report{Holdings: []envsource.Holding{{Age: -1}}}})
	waiting, errno := written(f, message{Waiting: "x"}), written(f, message{Errno: 7})
	for _, seed := range [][]byte{nil, {1}, report, slices.Concat(old, errno), errno, slices.Concat(waiting, report), waiting, old[:len(old)/2]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Skip(err)
		}
		memory, err := newMemoryFile()
		if err != nil {
			t.Fatal(err)
		}
		defer memory.Close()
		c := newCourier(nil, nil, r, nil, memory)
		go func() {
			_, _ = w.Write(said)
			_ = w.Close()
		}()
		c.listen(0, func(string) {})
		<-c.reported
		<-c.executed
	})
}
