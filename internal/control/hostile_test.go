package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// More connections than a socket has at a time are closed, not kept; when those that were open are gone there is room again.
func TestTooManyConnections(t *testing.T) {
	_, getenv := folder(t)
	s := served(t, getenv, &fake{})
	dial := func() net.Conn {
		conn, err := net.Dial("unix", s.Path())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	closed := func(conn net.Conn) bool { // one that is kept waits for a request
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := conn.Read(make([]byte, 1))
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	var kept []net.Conn
	for range mostConnections {
		kept = append(kept, dial())
	}
	for range 10_000 {
		conn := dial()
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Fatal("an answer to nothing")
		}
		_ = conn.Close()
	}
	if slices.ContainsFunc(kept, closed) {
		t.Error("one that was there first is closed")
	}
	for _, conn := range kept {
		_ = conn.Close()
	}
	for { // the server sees their ends when it comes to it
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", s.Path())
		}}}
		answer, err := client.Get("http://vwrap/v1/status")
		if err == nil {
			_ = answer.Body.Close()
			return
		}
	}
}

// pipes is a listener whose connections are made in memory, so that time is the test's own.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), over: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.over) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// inMemory is a control server at such a listener.
func inMemory(run Run) (*Server, *pipes) {
	p := newPipes()
	s := &Server{run: run, clients: map[chan Event]bool{}}
	s.http = newServer(s.handler())
	s.done.Go(func() { _ = s.http.Serve(p) })
	return s, p
}

// One who does not say what he wants is let go.
func TestSlowClients(t *testing.T) {
	for name, begins := range map[string]string{
		"nothing":        "",
		"half a line":    "GET /v1/sta",
		"no end":         "GET /v1/status HTTP/1.1\r\nHost: vwrap\r\n",
		"no body":        "POST /v1/rotate HTTP/1.1\r\nHost: vwrap\r\nContent-Length: 100\r\n\r\n{",
		"no next header": "GET /v1/status HTTP/1.1\r\nHost: vwrap\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := inMemory(&fake{})
				conn := p.dial()
				began := time.Now()
				go func() { _, _ = io.WriteString(conn, begins) }()
				_, _ = io.Copy(io.Discard, conn)
				if took := time.Since(began); took > 2*time.Minute {
					t.Errorf("it was kept for %s", took)
				}
				_ = conn.Close()
				s.Close()
			})
		})
	}
}

// deaf asks for something again and again, reads nothing, and reports how long that was put up with.
func deaf(p *pipes, ask string) time.Duration {
	conn := p.dial()
	defer conn.Close()
	began := time.Now()
	for err := error(nil); err == nil && time.Since(began) < time.Hour; {
		_, err = io.WriteString(conn, ask)
	}
	return time.Since(began)
}

// One who asks and does not read the answers is let go, so that others find room.
func TestSlowClientsThatDoNotRead(t *testing.T) {
	many := func(path, header string) string {
		return strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: vwrap\r\n"+header+"\r\n", 100)
	}
	for _, ask := range []string{
		many("/v1/status", ""), many("/metrics", ""), many("/v1/none", ""), many("/v1/events", ""),
		strings.Repeat("POST /v1/rotate HTTP/1.1\r\nHost: vwrap\r\nContent-Length: 2\r\n\r\n{}", 100),
	} {
		synctest.Test(t, func(t *testing.T) {
			s, p := inMemory(&fake{rotated: make(chan []string, 100)})
			if took := deaf(p, ask); took > 2*patience {
				t.Errorf("%.40q is put up with for %s", ask, took)
			}
			s.Close()
		})
	}

	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, ask := range []string{many("/v1/env", "If-None-Match: \"7\"\r\n"), many("/v1/env?format=x", ""), many("/v1/none", "")} {
		synctest.Test(t, func(t *testing.T) {
			l, p := new(Live), newPipes()
			l.http = newServer(l.handler())
			l.done.Go(func() { _ = l.http.Serve(p) })
			if err := l.Publish(7, file, Section{}, Section{}); err != nil {
				t.Error(err)
			}
			if took := deaf(p, ask); took > 2*patience {
				t.Errorf("%.40q is put up with for %s", ask, took)
			}
			_ = l.http.Close()
			l.done.Wait()
			_ = l.current.file.Close()
		})
	}
}

// Who listens for events is not let go for want of any, and is when one comes that he does not read; a rotation takes what it takes.
func TestPatientClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := inMemory(&slow{})
		conn := p.dial()
		_, err := io.WriteString(conn, "GET /v1/events HTTP/1.1\r\nHost: vwrap\r\n\r\n")
		answer := make([]byte, 4096)
		for generation, want := range []string{"200 OK", "generation\":1", "generation\":2"} {
			n, readErr := conn.Read(answer)
			if text := string(answer[:n]); err != nil || readErr != nil || !strings.Contains(text, want) {
				t.Errorf("%q, %v, %v, want %s", text, err, readErr, want)
			}
			time.Sleep(time.Hour)
			s.Tell(Event{Generation: uint64(generation) + 1})
		}
		time.Sleep(2 * patience)
		if text, err := io.ReadAll(conn); err != nil || len(text) > 0 {
			t.Errorf("one who does not read is kept: %q, %v", text, err)
		}

		conn = p.dial()
		go func() {
			_, _ = io.WriteString(conn, "POST /v1/rotate HTTP/1.1\r\nHost: vwrap\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
		}()
		if text, err := io.ReadAll(conn); err != nil || !bytes.Contains(text, []byte("\"generation\":7")) {
			t.Errorf("a rotation of an hour: %q, %v", text, err)
		}
		s.Close()
	})
}

// slow takes an hour to rotate.
type slow struct{ fake }

func (*slow) Rotate(context.Context, []string) (uint64, error) {
	time.Sleep(time.Hour)
	return 7, nil
}

// TestSlowClientsByTheByte: a header that never ends, a byte a second.
func TestSlowClientsByTheByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := inMemory(&fake{})
		conn := p.dial()
		began := time.Now()
		_, err := io.WriteString(conn, "GET /v1/status HTTP/1.1\r\nX: ")
		for ; err == nil && time.Since(began) < time.Hour; time.Sleep(time.Second) {
			_, err = io.WriteString(conn, "x")
		}
		if took := time.Since(began); err == nil || took > 2*patience {
			t.Errorf("it was listened to for %s", took)
		}
		_ = conn.Close()
		s.Close()
	})
}

// What is asked is bounded, and refused in one line.
func TestTooMuch(t *testing.T) {
	s, p := inMemory(&fake{rotated: make(chan []string, 1)})
	defer s.Close()
	for name, c := range map[string]struct {
		request string
		status  string
	}{
		"headers":          {"GET /v1/status HTTP/1.1\r\nHost: vwrap\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
		"a line":           {"GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: vwrap\r\n\r\n", "431"},
		"a body":           {"POST /v1/rotate HTTP/1.1\r\nHost: vwrap\r\nContent-Length: 4000000\r\n\r\n" + `{"variables": ["` + strings.Repeat("x", 4_000_000), "400"},
		"a deep body":      {"POST /v1/rotate HTTP/1.1\r\nHost: vwrap\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("[", 200_000), "400"},
		"another member":   {"POST /v1/rotate HTTP/1.1\r\nHost: vwrap\r\nContent-Length: 12\r\n\r\n" + `{"secret":1}`, "400"},
		"no HTTP":          {"hello\r\n\r\n", "400"},
		"another path":     {"GET /v1/env HTTP/1.1\r\nHost: vwrap\r\n\r\n", "404"},
		"another method":   {"DELETE /v1/status HTTP/1.1\r\nHost: vwrap\r\n\r\n", "405"},
		"HTTP/2":           {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
		"another protocol": {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""},
	} {
		conn := p.dial()
		go func() {
			_, _ = io.WriteString(conn, c.request)
			if c.status == "" {
				_ = conn.Close()
			}
		}()
		answer := make([]byte, 1024)
		n, _ := conn.Read(answer)
		if got := string(answer[:n]); c.status != "" && !strings.HasPrefix(got, "HTTP/1.1 "+c.status) && !strings.HasPrefix(got, "HTTP/1.0 "+c.status) {
			t.Errorf("%s is answered by %q, want %s", name, got, c.status)
		}
		_ = conn.Close()
	}
}

// FuzzRequests: whatever comes in, what goes out is HTTP, short, and no panic; rotations are of names that came in.
func FuzzRequests(f *testing.F) {
	f.Add([]byte("GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("POST /v1/rotate HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n{\"variables\": [\"A\"]}\n"))
	f.Add([]byte("GET /metrics HTTP/1.0\r\n\r\nGET /v1/env?format=\x00 HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"1\"\r\n\r\n"))
	f.Add([]byte("POST /v1/rotate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"))
	run := &fake{rotated: make(chan []string, 1<<16)}
	s, p := inMemory(run)
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, request []byte) {
		if bytes.Contains(request, []byte("/v1/events")) {
			return // it has no end
		}
		conn := p.dial()
		go func() {
			_, _ = conn.Write(request)
			_, _ = io.WriteString(conn, "\r\n\r\n")
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // what waits for more gets no more
		}()
		var answer bytes.Buffer
		_, _ = io.Copy(&answer, conn)
		_ = conn.Close()
		if answer.Len() > 1<<20 || answer.Len() > 0 && !bytes.HasPrefix(answer.Bytes(), []byte("HTTP/1.")) {
			t.Fatalf("%q is answered by %d bytes: %.200q", request, answer.Len(), answer.Bytes())
		}
		for len(run.rotated) > 0 {
			for _, name := range <-run.rotated {
				text, _ := json.Marshal(name)
				if len(text) > len(request)+16 {
					t.Fatalf("%q rotates %q", request, name)
				}
			}
		}
	})
}

// A folder that somebody else could have made is no place, though it has the right name.
func TestPlanted(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, planted := range []string{link, file} {
		if l, err := listen([]place{{dir: planted}}, controlSuffix, []int{os.Geteuid()}); err == nil {
			_ = l.Close()
			t.Errorf("%s is taken for a folder of one's own", planted)
		}
	}
	if os.Geteuid() == 0 { // who can give a folder away
		if err := os.Chown(other, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if l, err := listen([]place{{dir: other}}, controlSuffix, []int{0}); err == nil {
			_ = l.Close()
			t.Error("a folder of somebody else's is taken for one's own")
		}
	}
}

// A client asks nobody but a vwrap: what else is in the folder, under whatever name, is not asked and stays; and in a folder that others can
// write nobody is believed.
func TestPlantedForClients(t *testing.T) {
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	getenv := func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": dir}[name] }
	ours := func() (paths []string) {
		for _, s := range Find(getenv, false) {
			if filepath.Dir(filepath.Dir(s.Path)) == dir { // others may run here
				paths = append(paths, s.Path)
			}
		}
		return paths
	}
	s := served(t, getenv, &fake{status: Status{PID: 3}})
	folder := filepath.Dir(s.Path())
	elsewhere := filepath.Join(dir, "s")
	l, err := net.Listen("unix", elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	planted := []string{"1-link.control", "2-file.control", "3-folder.control", "x-nobody.control", "4-other", ".control"}
	plant := []func(path string) error{
		func(path string) error { return os.Symlink(elsewhere, path) },
		func(path string) error { return os.WriteFile(path, nil, 0o600) },
		func(path string) error { return os.Mkdir(path, 0o700) },
		func(path string) error { return os.Link(elsewhere, path) },
		func(path string) error { return os.Link(elsewhere, path) },
		func(path string) error { return os.Link(elsewhere, path) },
	}
	for i, name := range planted {
		if err := plant[i](filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := ours(); !slices.Equal(got, []string{s.Path()}) {
		t.Errorf("found are %q, want %s", got, s.Path())
	}
	for _, name := range planted {
		if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, mode := range []os.FileMode{0o770, 0o707, 0o722} {
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		if got := ours(); len(got) > 0 {
			t.Errorf("in a folder of mode %o %q is believed", mode, got)
		}
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who can give a folder away, and a socket
		if err := os.Chown(folder, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if got := ours(); len(got) > 0 {
			t.Errorf("in a folder of another user's %q is believed", got)
		}
		if err := os.Chown(folder, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := ours(); len(got) != 1 {
		t.Errorf("found are %q", got)
	}
}
