// Package devserver is the embedded server of vwrap dev: as much of Vault's HTTP interface as a first minute with vwrap
// and a drill of rotations need, in memory. What it serves answers as Vault 1.21 does, and a test of e2e holds it to
// that; docs/dev-endpoints.md has the table. Everything else is answered with 501 and a sentence, never with a made-up
// success.
//
// It protects nothing: it has no policies, so that every token may do everything, its database engine connects to no
// database, and what is written lies in memory as it is.
package devserver

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	version   = "1.21.1+vwrap.embedded" // the Vault that it takes after
	systemTTL = 768 * time.Hour         // the default and the longest, where nothing else is said
)

// Server is one development server. Its zero value is not usable.
type Server struct {
	mux                  *http.ServeMux
	unsealKey, clusterID string
	started              time.Time
	tokenMount           *mount               // auth/token/
	open, own            endpoints            // those that see for themselves who asks, and the server's own for who has a token
	engines              map[string]endpoints // by an engine's type and version

	mu     sync.Mutex
	sealed bool
	tokens map[string]*holding // by what they are
	leases map[string]*holding // by their IDs: credentials, and tokens that end
	mounts map[string]*mount   // by path, with the slash at its end
}

// New returns a server whose root token is root, with a KV version 2 engine at secret/. It starts nothing: what has
// a time to live ends with the first request after that.
func New(root string) *Server {
	s := &Server{
		mux: http.NewServeMux(), unsealKey: hex.EncodeToString(randomBytes(32)), clusterID: newUUID(), started: time.Now(),
		tokenMount: newMount("token/", "token", nil, "token based credentials"), leases: map[string]*holding{},
		mounts: map[string]*mount{"secret/": newMount("secret/", "kv", versioned("2"), "")},
	}
	s.tokens = map[string]*holding{root: {
		token: root, accessor: randomText(24), path: "auth/token/create", name: "token", policies: []string{"root"}, issued: s.started,
	}}
	s.open, s.own = s.openEndpoints(), s.ownEndpoints()
	s.engines = map[string]endpoints{"kv": kv1Endpoints(), "kv1": kv1Endpoints(), "kv2": kv2Endpoints(), "database": s.databaseEndpoints()}
	s.mux.HandleFunc("/v1/", s.serve)
	return s
}

// UnsealKey is the one key that unseals the server.
func (s *Server) UnsealKey() string { return s.unsealKey }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	status, text := s.reply(w, r)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked may have gone
}

// reply answers. What is below it panics with the answer that is given instead: a request has dozens of ways to be wrong,
// and nothing is changed before it is known to be right. It encodes before it unlocks: answers hold what the server holds.
func (s *Server) reply(w http.ResponseWriter, r *http.Request) (status int, text []byte) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case answer:
			status, text = p.encode()
		default:
			panic(p)
		}
	}()
	q := readRequest(w, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = time.Now()
	s.revokeWhere(func(h *holding) bool { return h.uses < 0 || (h.id != "" && !h.expires.After(q.now)) })
	s.route(q)(q)
	return q.encode()
}

// handler does one operation on a path, and gives the request its answer.
type handler func(*request)

// endpoints are by path and operation. A path that ends in a slash is of all that is below it, and "" of everything.
type endpoints map[string]operations

type operations map[string]handler

// every is for paths where all operations are answered alike.
func every(h handler) operations {
	return operations{opRead: h, opWrite: h, opPatch: h, opDelete: h, opList: h}
}

func (s *Server) route(q *request) handler {
	if ops := s.open[q.path]; ops != nil {
		deny(ops[q.op] == nil, http.StatusMethodNotAllowed)
		return ops[q.op]
	}
	s.admit(q)
	if first, _, _ := strings.Cut(q.path, "/"); reserved(first) {
		q.engine = map[string]string{"sys": "system", "auth": "token"}[first]
		return s.own.find(q, q.path)
	}
	m := s.mountOf(q.path)
	deny(m == nil, http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", q.path))
	for _, r := range m.static {
		r.catchUp(q.now)
	}
	q.mount, q.engine = m, m.kind
	below := strings.TrimPrefix(strings.TrimPrefix(q.path, strings.TrimSuffix(m.path, "/")), "/")
	return s.engines[m.kind+m.options["version"]].find(q, below)
}

// admit finds out who asks, and whether anybody may.
func (s *Server) admit(q *request) {
	deny(s.sealed, http.StatusServiceUnavailable, "Vault is sealed")
	deny(q.credential == "", http.StatusForbidden, "permission denied")
	q.caller = s.tokens[q.credential]
	deny(q.caller == nil, http.StatusForbidden, many("permission denied", "invalid token"))
	missing(q.wrap, "response wrapping")
	bad((q.op == opWrite || q.op == opPatch) && strings.HasSuffix(q.path, "/"), "cannot write to a path ending in '/'")
	if q.caller.uses > 0 {
		q.caller.uses = cmp.Or(q.caller.uses-1, -1) // this was its last
	}
}

// find is what answers at path, or at the longest folder that it is in; what is below that is q.name then. A folder
// itself can but be listed.
func (e endpoints) find(q *request, path string) handler {
	ops, at := e[path], path
	if strings.HasSuffix(path, "/") && (q.op != opList || ops[opList] == nil) {
		ops = nil
	}
	for ops == nil && at != "" {
		at = at[:strings.LastIndexByte(strings.TrimSuffix(at, "/"), '/')+1]
		ops = e[at]
	}
	deny(ops == nil, http.StatusNotFound, many("unsupported path"))
	deny(ops[q.op] == nil, http.StatusMethodNotAllowed, many("unsupported operation"))
	q.name = path[len(at):]
	return ops[q.op]
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

func newUUID() string {
	b := randomBytes(16)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// randomText is n characters that nobody guesses; n is 26 at most.
func randomText(n int) string { return strings.ToLower(rand.Text()[:n]) }
