package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"
)

// Run is what a server asks of the run that it speaks for.
type Run interface {
	// Status is how it is now; an error where it has ended.
	Status() (Status, error)
	// Rotate has the variables' secrets, or all where none is named, fetched anew and the command rotated. It returns
	// the generation that has them, when that is done; an error is a line for the user.
	Rotate(ctx context.Context, variables []string) (generation uint64, err error)
}

// Refusal is an error of Run that is the client's fault.
type Refusal struct{ Err error }

func (r Refusal) Error() string { return r.Err.Error() }

// Server is a control socket at which somebody listens.
type Server struct {
	run      Run
	listener *listener
	http     *http.Server
	done     sync.WaitGroup

	mu      sync.Mutex
	clients map[chan Event]bool
}

// Listen opens a control socket in the first folder that can hold one, and serves it until Close. The error wraps
// ErrNoPlace where none can.
func Listen(getenv func(string) string, run Run) (*Server, error) {
	l, err := listen(places(getenv, false), controlSuffix, []int{os.Geteuid(), 0})
	if err != nil {
		return nil, err
	}
	s := &Server{run: run, listener: l, clients: map[chan Event]bool{}}
	s.http = newServer(s.handler())
	s.done.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/rotate", s.rotate)
	mux.HandleFunc("GET /metrics", s.metrics)
	return mux
}

// patience is how long a client may take to say what it wants, and to read the answer.
const patience = 10 * time.Second

// newServer serves h, and says nothing on its own: standard error is the command's too.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: patience, WriteTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// Path is the socket's file.
func (s *Server) Path() string { return s.listener.Addr().String() }

// Close ends all that is under way and removes the socket.
func (s *Server) Close() {
	_ = s.http.Close()
	s.done.Wait()
}

// Tell sends e to all who listen for events. It does not wait: one who does not read misses it.
func (s *Server) Tell(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		select {
		case c <- e:
		default:
		}
	}
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	status, err := s.run.Status()
	answer(w, status, err)
}

// rotateRequest and rotateReply are the bodies of POST /v1/rotate.
type rotateRequest struct {
	Variables []string `json:"variables,omitempty"` // none is all
}

type rotateReply struct {
	Generation uint64 `json:"generation"`
}

func (s *Server) rotate(w http.ResponseWriter, r *http.Request) {
	var asked rotateRequest
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil {
		answer(w, nil, Refusal{errors.New(`want {"variables": ["NAME", …]}`)})
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a rotation takes its time
	generation, err := s.run.Rotate(r.Context(), asked.Variables)
	answer(w, rotateReply{generation}, err)
}

// events sends a line a rotation (text/event-stream, WHATWG HTML 9.2).
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	c := make(chan Event, 16)
	s.mu.Lock()
	s.clients[c] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.clients, c)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for {
		if flush.Flush() != nil {
			return
		}
		select {
		case e := <-c:
			text, _ := json.Marshal(e) // always encodes
			renew(w)
			fmt.Fprintf(w, "event: rotation\ndata: %s\n\n", text)
		case <-r.Context().Done():
			return
		}
	}
}

// failure is the body of an answer that is an error.
type failure struct {
	Error string `json:"error"`
}

// renew gives the client its time to read from now on: the answer has taken its own.
func renew(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
}

func answer(w http.ResponseWriter, body any, err error) {
	renew(w)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		body = failure{err.Error()}
		code := http.StatusServiceUnavailable
		if errors.As(err, new(Refusal)) {
			code = http.StatusBadRequest
		}
		w.WriteHeader(code)
	}
	_ = json.NewEncoder(w).Encode(body)
}
