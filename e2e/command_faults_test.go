package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// faultyProxy stands between vwrap and a server and does to requests what networks, load balancers and servers in trouble do.
type faultyProxy struct {
	server   *http.Server
	listener net.Listener
	target   func() string // with scheme
	ended    chan struct{}
	heard    func(answer []byte) // is told of every answer of the server before it is passed on; may be nil

	mu       sync.Mutex
	fault    fault
	requests int // since the fault was set, that it was meant for
}

// fault is what is done to a request whose path begins with path ("" is every).
type fault struct {
	kind       string
	path       string
	delay      time.Duration
	status     int
	retryAfter string
	namespace  string
}

const faultyUsage = usageError("faulty-vault start NAME | faulty-vault NAME none|reset|lose|truncate|hang|delay=DURATION|status=CODE|namespace=NAME " +
	"[-path PREFIX] [-retry-after SECONDS] | faulty-vault requests NAME MIN MAX")

// faulty-vault start NAME puts a proxy before the script's server, and its address into the variable NAME. Then
// faulty-vault NAME FAULT says what becomes of requests from now on, and faulty-vault requests NAME MIN MAX how many there
// have been since.
//
//	none            they are passed on
//	reset           the connection is reset, and the server asked nothing
//	lose            the server answers, and the answer is lost
//	truncate        the answer ends in the middle
//	hang            nothing is answered
//	delay=DURATION  they are passed on later
//	status=CODE     they are answered so, and the server is asked nothing
//	namespace=NAME  no fault: the server is what a namespace of a larger one holds (Enterprise and OpenBao have them, the server
//	                of the tests has none); requests for any other are denied
func faultyVault(s *session, args []string) error {
	flags := newFlags("faulty-vault")
	path := flags.String("path", "", "of the requests that are meant")
	retryAfter := flags.String("retry-after", "", "the header Retry-After")
	rest, err := parseMixed(flags, args)
	switch {
	case err != nil || len(rest) < 2:
		return faultyUsage
	case rest[0] == "start" && len(rest) == 2:
		return s.startProxy(rest[1])
	case rest[0] == "requests" && len(rest) == 4 && s.proxies[rest[1]] != nil:
		return s.proxies[rest[1]].expectRequests(rest[2], rest[3])
	case len(rest) == 2 && s.proxies[rest[0]] != nil:
		f, err := parseFault(rest[1])
		f.path, f.retryAfter = *path, *retryAfter
		if err == nil {
			s.proxies[rest[0]].set(f)
		}
		return err
	}
	return faultyUsage
}

func parseFault(text string) (f fault, err error) {
	kind, value, _ := strings.Cut(text, "=")
	f.kind = kind
	switch kind {
	case "none", "reset", "lose", "truncate", "hang":
	case "delay":
		f.delay, err = time.ParseDuration(value)
	case "status":
		f.status, err = strconv.Atoi(value)
	case "namespace":
		f.namespace = value
	default:
		err = faultyUsage
	}
	if err != nil {
		return f, faultyUsage
	}
	return f, nil
}

// for-faults NAME FAULT… has each of the faults last for some renewals, and lets the server be asked again in between.
func forFaults(s *session, args []string) error {
	if len(args) < 2 || s.proxies[args[0]] == nil {
		return usageError("for-faults NAME FAULT…")
	}
	p := s.proxies[args[0]]
	for _, words := range args[1:] {
		kind, flags, _ := strings.Cut(words, " ")
		f, err := parseFault(kind)
		if err != nil {
			return err
		}
		f.retryAfter = strings.TrimPrefix(flags, "-retry-after ")
		p.set(f)
		if err := p.asked(2); err != nil {
			return fmt.Errorf("%s: %w", words, err)
		}
		p.set(fault{kind: "none"})
		if err := p.asked(4); err != nil {
			return fmt.Errorf("after %s: %w", words, err)
		}
	}
	return nil
}

// asked waits until there were so many requests.
func (p *faultyProxy) asked(n int) error {
	return poll(patience, 10*time.Millisecond, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.requests < n {
			return fmt.Errorf("%d requests", p.requests)
		}
		return nil
	})
}

// unix-vault FILE passes on what comes to a Unix socket, as Vault Agent does.
func unixVault(s *session, args []string) error {
	if len(args) != 1 {
		return usageError("unix-vault FILE")
	}
	listener, err := net.Listen("unix", s.ts.MkAbs(args[0]))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return s.serveProxy(args[0], listener)
}

func (s *session) startProxy(name string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.ts.Setenv(name, "http://"+listener.Addr().String())
	return s.serveProxy(name, listener)
}

func (s *session) serveProxy(name string, listener net.Listener) error {
	if s.proxies == nil {
		s.proxies = map[string]*faultyProxy{}
	}
	s.proxies[name] = newProxy(listener, func() string { return s.vault.address })
	return nil
}

// newProxy serves at listener until it is closed.
func newProxy(listener net.Listener, target func() string) *faultyProxy {
	p := &faultyProxy{listener: listener, target: target, ended: make(chan struct{})}
	p.server = &http.Server{Handler: p}
	go func() {
		defer close(p.ended)
		p.server.Serve(listener)
	}()
	return p
}

func (p *faultyProxy) close() {
	p.set(fault{kind: "none"})
	p.server.Close()
	<-p.ended
}

func (p *faultyProxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.requests = f, 0
}

func (p *faultyProxy) expectRequests(least, most string) error {
	from, err1 := strconv.Atoi(least)
	to, err2 := strconv.Atoi(most)
	if errors.Join(err1, err2) != nil {
		return faultyUsage
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.requests < from || p.requests > to {
		return fmt.Errorf("%d requests, not %d to %d", p.requests, from, to)
	}
	return nil
}

// next is what becomes of a request for path.
func (p *faultyProxy) next(path string) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !strings.HasPrefix(strings.TrimPrefix(path, "/v1/"), p.fault.path) {
		return fault{kind: "none"}
	}
	p.requests++
	return p.fault
}

func (p *faultyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := p.next(r.URL.Path)
	switch f.kind {
	case "status":
		if f.retryAfter != "" {
			w.Header().Set("Retry-After", f.retryAfter)
		}
		w.WriteHeader(f.status)
		fmt.Fprintln(w, `{"errors":["made up by a test"]}`)
		return
	case "reset":
		drop(w, nil)
		return
	case "hang":
		<-r.Context().Done()
		return
	case "delay":
		time.Sleep(f.delay)
	case "namespace":
		if strings.Trim(r.Header.Get("X-Vault-Namespace"), "/") != f.namespace {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintln(w, `{"errors":["permission denied"]}`)
			return
		}
		r.Header.Del("X-Vault-Namespace")
	}
	answer, err := p.forward(r)
	if err != nil {
		drop(w, nil)
		return
	}
	if p.heard != nil {
		p.heard(answer)
	}
	switch f.kind {
	case "lose":
		drop(w, nil)
	case "truncate":
		drop(w, answer[:len(answer)-len(answer)/4])
	default:
		drop(w, answer)
	}
}

// forward asks the server, and returns its whole answer as it came.
func (p *faultyProxy) forward(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, p.target()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = r.Header.Clone()
	reply, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	reply.Close = true // each connection is for one request
	var text bytes.Buffer
	if err := reply.Write(&text); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// drop writes what there is and ends the connection; with nothing at all it resets it.
func drop(w http.ResponseWriter, text []byte) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if text == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		return
	}
	conn.Write(text)
}

// last-is FILE NAME PATH FIELD checks that the last NAME=… of FILE is what the server has now.
func lastIs(s *session, args []string) error {
	if len(args) != 4 {
		return usageError("last-is FILE NAME PATH FIELD")
	}
	content, err := os.ReadFile(s.ts.MkAbs(args[0]))
	if err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	last := ""
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), args[1]+"="); ok {
			last = value
		}
	}
	reply, err := s.vault.do(http.MethodGet, args[2], nil)
	if err != nil {
		return err
	}
	now, err := reply.field(args[3])
	if err == nil && now != last {
		err = fmt.Errorf("%s has %s=%s last, the server has %s", args[0], args[1], last, now)
	}
	return err
}
