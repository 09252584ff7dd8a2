package control

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Section is a part of a file, in bytes.
type Section struct{ Offset, Length int64 }

// Live is a live channel: it serves the current generation's values to whom it may, from a file that this process
// never reads. GET /v1/env answers with one generation whole, as JSON or, with ?format=dotenv, as a dotenv file.
type Live struct {
	listener *listener
	http     *http.Server
	done     sync.WaitGroup

	mu      sync.Mutex
	current *generation
}

// generation is what is served now.
type generation struct {
	number       uint64
	file         *os.File
	json, dotenv Section
}

// sendFor is how long a client may take to read its answer.
const sendFor = 30 * time.Second

// ListenLive opens a live channel for this user, root, and the others named by their uids. The error wraps ErrNoPlace where no
// folder can hold its socket.
func ListenLive(getenv func(string) string, others []int) (*Live, error) {
	if err := liveHere(); err != nil {
		return nil, err
	}
	l, err := listen(places(getenv, len(others) > 0), liveSuffix, append([]int{os.Geteuid(), 0}, others...))
	if err != nil {
		return nil, err
	}
	live := &Live{listener: l}
	live.http = newServer(live.handler())
	live.done.Go(func() { _ = live.http.Serve(l) })
	return live, nil
}

func (l *Live) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/env", l.env)
	return mux
}

// Path is the socket's file.
func (l *Live) Path() string { return l.listener.Addr().String() }

// Close ends all that is under way and removes the socket.
func (l *Live) Close() {
	_ = l.http.Close()
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		_ = l.current.file.Close()
		l.current = nil
	}
}

// Publish serves a generation from now on. file stays the caller's.
func (l *Live) Publish(number uint64, file *os.File, json, dotenv Section) error {
	own, err := duplicate(file)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		_ = l.current.file.Close()
	}
	l.current = &generation{number, own, json, dotenv}
	return nil
}

// take returns the current generation, whose file is the caller's to close: the next may come while it is sent. Nil
// before the first.
func (l *Live) take() (*generation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return nil, nil
	}
	g := *l.current
	var err error
	g.file, err = duplicate(g.file)
	return &g, err
}

func duplicate(file *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keep the generation's file: %w", err)
	}
	return os.NewFile(uintptr(fd), file.Name()), nil
}

func (l *Live) env(w http.ResponseWriter, r *http.Request) {
	g, err := l.take()
	if err != nil || g == nil {
		http.Error(w, "there is no generation yet", http.StatusServiceUnavailable)
		return
	}
	defer g.file.Close()
	section, kind := g.json, "application/json"
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
	case "dotenv":
		section, kind = g.dotenv, "text/plain; charset=utf-8"
	default:
		http.Error(w, "the formats are json and dotenv", http.StatusBadRequest)
		return
	}
	tag := fmt.Sprintf("%q", fmt.Sprint(g.number))
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-store")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", fmt.Sprint(section.Length))
		return
	}
	l.send(w, g.file, section, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\nETag: %s\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
		kind, section.Length, tag))
}

// send writes head by itself, and has the kernel send the section (sendfile(2)): the values come into no memory of this
// process. What a client that has gone away does not get is nobody's concern.
func (l *Live) send(w http.ResponseWriter, file *os.File, section Section, head string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(sendFor))
	if _, err := conn.Write([]byte(head)); err == nil {
		_ = stream(conn, file, section)
	}
}
