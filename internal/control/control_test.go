package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a run that says what it is told to say.
type fake struct {
	status  Status
	rotated chan []string
	err     error
}

func (f *fake) Status() (Status, error) { return f.status, f.err }

func (f *fake) Rotate(_ context.Context, variables []string) (uint64, error) {
	f.rotated <- variables
	return 7, f.err
}

// folder is a short path, since a socket's must be, and the environment that names it.
func folder(t *testing.T) (dir string, getenv func(string) string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	dir = filepath.Join(dir, "run")
	return dir, func(name string) string {
		if name == "VWRAP_RUNTIME_DIR" {
			return dir
		}
		return ""
	}
}

func served(t *testing.T, getenv func(string) string, run Run) *Server {
	t.Helper()
	s, err := Listen(getenv, run)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestAskAndAnswer(t *testing.T) {
	_, getenv := folder(t)
	if _, err := Choose(getenv, false, 0); !errors.Is(err, ErrNone) {
		t.Errorf("nobody listens: %v", err)
	}
	f := &fake{status: Status{PID: 3, Generation: 4}, rotated: make(chan []string, 1)}
	s := served(t, getenv, f)
	socket, err := Choose(getenv, false, 0)
	if err != nil || socket.PID != os.Getpid() || socket.Path != s.Path() {
		t.Fatalf("found %+v, %v", socket, err)
	}
	if got, err := socket.Status(t.Context()); err != nil || got.Generation != 4 {
		t.Errorf("status %+v, %v", got, err)
	}
	if n, err := socket.Rotate(t.Context(), []string{"A", "B"}); n != 7 || err != nil || strings.Join(<-f.rotated, " ") != "A B" {
		t.Errorf("rotated: %d, %v", n, err)
	}
	f.err = errors.New("it is over")
	if _, err := socket.Status(t.Context()); err == nil || err.Error() != "it is over" {
		t.Errorf("an error comes as %v", err)
	}
	s.Close()
	if _, err := os.Stat(s.Path()); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// Whoever runs several is asked which.
func TestSeveral(t *testing.T) {
	dir, getenv := folder(t)
	served(t, getenv, &fake{})
	other, err := net.Listen("unix", filepath.Join(dir, "1-other.control")) // as if by PID 1
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, err = Choose(getenv, false, 0)
	if want := fmt.Sprintf("--pid: 1, %d", os.Getpid()); !errors.Is(err, ErrSeveral) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if s, err := Choose(getenv, false, 1); err != nil || s.PID != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Choose(getenv, false, 2); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}

// What a killed vwrap has left is removed: by who looks, and by the next one.
func TestStaleSockets(t *testing.T) {
	dir, getenv := folder(t)
	leave := func() string {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "4194305-GONE.control") // no PID is as great (proc(5), pid_max)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		_ = l.Close()
		return path
	}
	path := leave()
	if found := Find(getenv, false); len(found) != 0 {
		t.Errorf("found %v", found)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Error("who looked has left it")
	}
	path = leave()
	served(t, getenv, &fake{})
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Error("the next vwrap has left it")
	}
}

// A folder that others could have laid for us is not used, nor believed.
// Who looks while a socket is made leaves it alone: there is a moment in which it refuses.
func TestNewSocketsAreNotTakenForStaleOnes(t *testing.T) {
	t.Parallel()
	dir, getenv := folder(t)
	done := make(chan struct{})
	var looking sync.WaitGroup
	for range 4 {
		looking.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					Find(getenv, false)
				}
			}
		})
	}
	for range 500 {
		s, err := Listen(getenv, &fake{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.Path()); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	close(done)
	looking.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestPlaces(t *testing.T) {
	base, _ := folder(t)
	parent := filepath.Dir(base)
	aside, real := place{dir: filepath.Join(parent, "link")}, filepath.Join(parent, "real")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, aside.dir)); err != nil {
		t.Fatal(err)
	}
	if err := aside.prepare(); err == nil || aside.trusted() {
		t.Errorf("a link is taken: %v", err)
	}
	wide := place{dir: filepath.Join(parent, "wide")}
	if err := errors.Join(os.Mkdir(wide.dir, 0o777), os.Chmod(wide.dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	if wide.trusted() {
		t.Error("a folder that anybody may write to is believed")
	}
	if err := wide.prepare(); err != nil || !wide.trusted() {
		t.Errorf("our own folder is not put right: %v", err)
	}
	if info, err := os.Stat(wide.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// One that the user has named is his, and stays as it is.
	for _, mode := range []os.FileMode{0o777 | os.ModeSticky, 0o775, 0o757} {
		shared := place{dir: filepath.Join(parent, "shared"), named: true}
		if err := errors.Join(os.MkdirAll(shared.dir, 0o777), os.Chmod(shared.dir, mode)); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{shared.prepare(), shared.look()} {
			if err == nil || !strings.Contains(err.Error(), "others may write into ") {
				t.Errorf("%v: %v", mode, err)
			}
		}
		if info, err := os.Stat(shared.dir); err != nil || info.Mode()&^os.ModeDir != mode || shared.trusted() {
			t.Errorf("%v was made %v, %v", mode, info.Mode(), err)
		}
		within := place{dir: filepath.Join(shared.dir, "ours"), named: true}
		if err := within.prepare(); err != nil || !within.trusted() {
			t.Errorf("a folder in it: %v", err)
		}
	}
	closed := place{dir: filepath.Join(parent, "closed"), named: true}
	if err := errors.Join(os.Mkdir(closed.dir, 0o700), closed.prepare()); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(closed.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	long := place{dir: filepath.Join(parent, strings.Repeat("x", longest))}
	if _, err := listen([]place{aside, long}, controlSuffix, nil); !errors.Is(err, ErrNoPlace) {
		t.Errorf("%v", err)
	}
	if l, err := listen([]place{aside, long, wide}, controlSuffix, nil); err != nil {
		t.Errorf("the third can be used: %v", err)
	} else {
		_ = l.Close()
	}
}

// Only those whom the kernel names may come, whatever the folder allows.
// Place finds what Folder makes, and makes nothing.
func TestPlaceMakesNothing(t *testing.T) {
	t.Parallel()
	root, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	dir := filepath.Join(root, "run")
	getenv := func(name string) string { return map[string]string{"VWRAP_RUNTIME_DIR": dir}[name] }
	if got, err := Place(getenv); got != dir || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("it has made the folder")
	}
	if _, err := Folder(getenv); err != nil {
		t.Fatal(err)
	}
	if got, err := Place(getenv); got != dir || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, filepath.Join(root, "no", "such")} {
		if got, err := Place(func(string) string { return bad }); !errors.Is(err, ErrNoPlace) {
			t.Errorf("%s: %q, %v", bad, got, err)
		}
	}
}

func TestOthersAreTurnedAway(t *testing.T) {
	_, getenv := folder(t)
	l, err := listen(places(getenv, false), controlSuffix, []int{os.Geteuid() + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			t.Error("a stranger came in")
			_ = conn.Close()
		}
	}()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestEvents(t *testing.T) {
	_, getenv := folder(t)
	s := served(t, getenv, &fake{})
	conn, err := net.Dial("unix", s.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /v1/events HTTP/1.1\r\nHost: vwrap\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil) //nolint:bodyclose // it has no end: the connection is closed
	if err != nil {
		t.Fatal(err)
	}
	s.Tell(Event{Generation: 2, Variables: []string{"A"}, Action: "restart"})
	lines := bufio.NewScanner(answer.Body)
	for _, want := range []string{"event: rotation", `data: {"generation":2,"variables":["A"],"action":"restart"}`, ""} {
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("got %q, want %q", lines.Text(), want)
		}
	}
}

func TestJudge(t *testing.T) {
	left := func(seconds float64) *float64 { return &seconds }
	away := &Vault{Outage: "it is sealed"}
	for name, c := range map[string]struct {
		status Status
		want   string
	}{
		"well":                       {Status{Running: true, Secrets: []Secret{{Left: left(5), Granted: 60}}}, ""},
		"away, with time":            {Status{Running: true, Vault: away, Secrets: []Secret{{Left: left(50), Granted: 60}}}, ""},
		"away, and nearly over":      {Status{Running: true, Vault: away, Secrets: []Secret{{Variables: []string{"A", "B"}, Left: left(5), Granted: 60}}}, "A, B is about to expire, and Vault cannot be had: it is sealed"},
		"away, less than a rotation": {Status{Running: true, Vault: away, Lead: 10 * time.Second, Secrets: []Secret{{Path: "p", Left: left(9), Granted: 60}}}, "p is about to expire, and Vault cannot be had: it is sealed"},
		"over":                       {Status{Running: true, Secrets: []Secret{{Path: "p", Left: left(0)}}}, "p has expired"},
		"nothing runs":               {Status{State: "waiting to try again"}, "the command does not run: waiting to try again"},
		"restarting":                 {Status{State: "restarting"}, ""},
	} {
		c.status.Judge()
		if got := strings.Join(c.status.Unhealthy, "; "); got != c.want || c.status.Healthy != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
	s := Status{Running: true, Secrets: []Secret{{Path: "p", Left: left(59)}, {Path: "q"}}}
	if s.Require(time.Minute); s.Healthy || len(s.Unhealthy) != 1 {
		t.Errorf("less than is required: %+v", s)
	}
}

func example() Status {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	in := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	left := func(seconds float64) *float64 { return &seconds }
	return Status{
		PID: 42, Command: "npm", Started: now.Add(-134 * time.Minute), Now: now, Generation: 3, Running: true, CommandPID: 50, Restarts: 2, State: "running",
		Vault: &Vault{Address: "https://vault:8200", Outage: "it is sealed", Since: in(-3 * time.Second)},
		Token: &Token{Own: true, Expires: in(time.Hour), Next: "renew", At: in(20 * time.Minute)},
		Secrets: []Secret{
			{Variables: []string{"DB_USER", "DB_PASS"}, Source: "vault", Path: "database/creds/app", Kind: "leased", Granted: 3600, Left: left(2460), Next: "renew", At: in(20 * time.Minute)},
			{Variables: []string{"API_KEY"}, Source: "vault", Path: "secret/dev/a/rather/long/path/to/the/api", Kind: "kv2", Version: 7, Next: "look", At: in(22 * time.Second), Problem: "it is sealed"},
			{Variables: []string{"CERT"}, Source: "vault", Path: "pki/issue/web", Kind: "timed", Granted: 60, Left: left(-1), Next: "replace", At: in(-time.Second)},
			{Variables: []string{"MOTD"}, Source: "file", Path: "/etc/motd", Kind: "static"},
		},
	}
}

var escapes = regexp.MustCompile(`\x1b\[\d*m`)

func TestShow(t *testing.T) {
	s := example()
	s.Judge()
	want := `vwrap 42: npm (50) running, generation 3, 2 restarts, up 2h14m
Vault https://vault:8200, out since 3s, its own token for 1h, renewed in 20m

DB_USER  database/creds/app                        lease          #######...      41m  renewed in 20m
DB_PASS  "
API_KEY  secret/dev/a/rather/long/path/to/the/api  version 7                           looked at in 22s
CERT     pki/issue/web                             until its end  ..........  expired  replaced now
MOTD     file:/etc/motd                            read once

! CERT has expired
! it is sealed
`
	if text := s.Text(Style{}); text != want {
		t.Errorf("got:\n%s\nwant:\n%s", text, want)
	}
	for columns := range 120 {
		for _, color := range []bool{false, true} {
			text := s.Text(Style{Width: columns + 1, Color: color, Unicode: true})
			for line := range strings.Lines(text) {
				if n := width(escapes.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")); n > columns+1 {
					t.Errorf("%d columns, not %d: %s", n, columns+1, line)
				}
			}
			if !color && strings.Contains(text, "\x1b") {
				t.Error("colours, and none were wanted")
			}
			if opened, closed := strings.Count(text, "\x1b["), strings.Count(text, "\x1b[0m"); opened != 2*closed {
				t.Errorf("%d columns: a colour goes on after its line", columns+1)
			}
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 400 * time.Millisecond: "0s", 59 * time.Second: "59s", time.Minute: "1m", 61 * time.Second: "1m1s",
		2*time.Hour + 14*time.Minute + 5*time.Second: "2h14m", 49 * time.Hour: "2d1h", 48*time.Hour + time.Second: "2d",
	} {
		if got := short(d); got != want {
			t.Errorf("%s is %s, not %s", d, got, want)
		}
	}
}

// Who is turned away is told so, however the connection was cut off.
func TestTurnedAway(t *testing.T) {
	_, getenv := folder(t)
	l, err := listen(places(getenv, false), controlSuffix, []int{os.Geteuid() + 1})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = l.Accept() // returns when it is closed
	}()
	for range 300 {
		_, err := Socket{Path: l.Addr().String()}.Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), "has too many connections, or has just ended: 256 may be open") { // it is this user's own
			t.Fatalf("%v", err)
		}
	}
	for uid, want := range map[int]string{
		0: "has too many connections", os.Geteuid(): "has too many connections", os.Geteuid() + 2: fmt.Sprintf("does not answer this user (uid %d)", os.Geteuid()+2),
	} {
		if err := (Socket{Path: l.Addr().String(), PID: 1}).turnedAway(uid); !strings.Contains(err.Error(), want) {
			t.Errorf("%d is told: %v", uid, err)
		}
	}
	_ = l.Close()
	<-done
	if _, err := (Socket{Path: l.Addr().String()}).Status(t.Context()); err == nil || strings.Contains(err.Error(), "too many connections") {
		t.Errorf("nobody listens: %v", err)
	}
}

// What others have named is shown, and not obeyed.
func TestStatusWithEscapes(t *testing.T) {
	const evil = "a\x1b[31mb\u202e"
	s := Status{
		Command: evil, Vault: &Vault{Address: evil, Outage: evil}, Unhealthy: []string{evil}, Problem: evil,
		Secrets: []Secret{{Variables: []string{evil, evil}, Source: "vault", Path: evil, Pending: evil, Problem: evil}, {Variables: []string{"B"}, Source: evil, Path: "p"}},
	}
	s.Vault.Since = &s.Now
	if text := s.Text(Style{}); strings.ContainsAny(text, "\x1b\u202e") || strings.Count(text, `a\x1b[31mb\u202e`) < 8 {
		t.Errorf("%q", text)
	}
}
