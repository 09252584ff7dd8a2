package courier_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
	"github.com/vwrap/vwrap/wrap"
)

// notifier is a keeper that keeps nothing and says what it is told to.
type notifier struct {
	notices chan envsource.Notice
	key     chan string // of what is held, at each Hold
}

func (n notifier) Hold(_ uint64, hs []envsource.Holding) <-chan struct{} {
	for _, h := range hs {
		select {
		case n.key <- h.Key:
		default:
		}
	}
	return n.Drop(0, false)
}

func (notifier) Drop(uint64, bool) <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (n notifier) Notices() <-chan envsource.Notice { return n.notices }
func (notifier) Heard(string)                       {}

// sender makes of a courier.Launcher what wrap wants.
type sender struct{ *courier.Launcher }

func (s sender) Launch(t courier.Task, from wrap.Generation) (wrap.Generation, error) {
	before, _ := from.(*courier.Courier)
	return s.Launcher.Launch(t, before)
}

// resources are what a restart must not use up.
type resources struct{ goroutines, descriptors, children int }

func (r resources) exceeds(o resources) bool {
	return r.children > o.children || r.descriptors > o.descriptors || r.goroutines > o.goroutines
}

func used(t *testing.T) (r resources) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("this kernel does not list children: %v", err)
	}
	for _, task := range tasks {
		if text, err := os.ReadFile(task); err == nil { // a thread may be gone
			r.children += len(strings.Fields(string(text)))
		}
	}
	r.goroutines, r.descriptors = runtime.NumGoroutine(), len(fds)
	return r
}

// 200 restarts in a row, of a command that leaves orphans each time, use nothing up: no process, zombie or not, no
// descriptor, no goroutine.
func TestRestartsUseNothingUp(t *testing.T) {
	dir := t.TempDir()
	put := func(value string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "value"), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	children := proc.NewChildren()
	defer children.Close()
	if err := proc.AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
	l := &courier.Launcher{Self: "/proc/self/exe", Children: children, Terminal: proc.NoTerminal(), StartTimeout: 20 * time.Second}
	l.Orders = courier.Orders{
		Argv:      []string{"sh", "-c", `(setsid sleep 1000 &); (sleep 1000 &); echo "$A" >"$OUT"; sleep 1000; true`},
		DigestKey: []byte("key"),
	}
	l.Orders.Vault.Address = dir // the source of this test binary's couriers is a folder
	l.Orders.Input.Inherited = []string{"PATH=/usr/bin:/bin", "OUT=" + filepath.Join(dir, "out")}
	l.Orders.Input.Vars = []envsource.Var{{Name: "A", Text: "vault:value#value", Level: envsource.LevelFlag, Origin: "-e"}}
	keeper := notifier{notices: make(chan envsource.Notice), key: make(chan string, 1)}
	put("0")
	out := filepath.Join(dir, "out")
	if err := unix.Mkfifo(out, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(out, os.O_RDWR, 0) // so that it never ends
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	said := bufio.NewReader(fifo)
	runs := func(value string) {
		t.Helper()
		if err := fifo.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if line, err := said.ReadString('\n'); err != nil || line != value+"\n" {
			t.Fatalf("the command with %s does not run: it says %q, %v", value, line, err)
		}
	}
	sigs := make(chan signals.Received)
	done := make(chan proc.Status, 1)
	go func() {
		status, _ := wrap.Run(context.Background(), sender{l}, keeper, sigs, wrap.Policy{
			ActionFor:  func(envsource.Holding) wrap.Action { return wrap.Restart },
			StopSignal: unix.SIGTERM, StopGrace: time.Minute, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		done <- status
	}()
	runs("0")
	key := <-keeper.key
	restart := func(n int) {
		put(strconv.Itoa(n))
		keeper.notices <- envsource.Notice{Key: key}
		runs(strconv.Itoa(n))
	}
	restart(1) // the first one warms up
	before := used(t)
	for n := 2; n <= 200; n++ {
		restart(n)
	}
	after := used(t)
	for deadline := time.Now().Add(time.Minute); after.exceeds(before) && time.Now().Before(deadline); after = used(t) {
		runtime.Gosched() // what belongs to the last one that has reported may not be gone yet, now as before
	}
	if after.exceeds(before) {
		t.Errorf("in use are %+v, %+v before", after, before)
	}
	sigs <- signals.Received{Signal: unix.SIGTERM}
	if status := <-done; status.Signal != unix.SIGTERM {
		t.Errorf("ended: %v", status)
	}
	if left := used(t); left.children != 0 {
		t.Errorf("%d processes are left", left.children)
	}
}
