// Package devserver is the embedded server of vwrap dev: as much of Vault's HTTP interface as a first minute with vwrap
// and a drill of rotations need, in memory. What it serves answers as Vault 1.21 does, and a test of e2e holds it to
// that; docs/dev-endpoints.md has the table. Everything else is answered with 501 and a sentence, never with a made-up
// success.
//
// It protects nothing: it has no policies, so that every token may do everything, its database engine connects to no
// database, and what is written lies in memory as it is.
package devserver

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	version    = "1.21.1+vwrap.embedded" // the Vault that it takes after
	systemTTL  = 768 * time.Hour         // the default and the longest, where nothing else is said
	largestAsk = 32 << 20                // bytes of a request's body, as Vault's own limit
)

// Server is one development server. Its zero value is not usable.
type Server struct {
	mux       *http.ServeMux
	unsealKey string
	clusterID string
	started   time.Time

	mu     sync.Mutex
	sealed bool
	tokens map[string]*token
	leases map[string]*lease
	mounts map[string]*mount // by path, with the slash at its end

	tokenMount *mount // auth/token/
}

// New returns a server whose root token is root, with a KV version 2 engine at secret/. It starts nothing: what has
// a time to live ends with the first request after that.
func New(root string) *Server {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	s := &Server{
		mux: http.NewServeMux(), unsealKey: hex.EncodeToString(key), clusterID: newUUID(), started: time.Now(),
		leases: map[string]*lease{}, mounts: map[string]*mount{"secret/": newMount("secret/", "kv", "2")},
	}
	s.tokenMount = newMount("token/", "token", "")
	s.tokenMount.description = "token based credentials"
	s.tokens = map[string]*token{root: rootToken(root, s.started)}
	s.mux.HandleFunc("/v1/", s.serve)
	return s
}

// UnsealKey is the one key that unseals the server.
func (s *Server) UnsealKey() string { return s.unsealKey }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q, err := readRequest(w, r)
	var status int
	var text []byte
	if err != nil {
		status, text = encodeError(err)
	} else {
		status, text = s.reply(q)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked may have gone
}

// reply encodes before it lets go of the lock: answers hold what the server holds.
func (s *Server) reply(q *request) (status int, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = time.Now()
	s.expire(q.now)
	a, err := s.answer(q)
	if err != nil {
		return encodeError(err)
	}
	return a.encode()
}

func (s *Server) answer(q *request) (answer, error) {
	if a, ok, err := s.openPath(q); ok {
		return a, err
	}
	if s.sealed {
		return answer{}, refuse(http.StatusServiceUnavailable, "Vault is sealed")
	}
	caller, ok := s.tokens[q.credential]
	switch {
	case q.credential == "" && q.path == "sys/internal/ui/mounts":
		return answer{data: object{"auth": object{}, "secret": object{}}}, nil
	case q.credential == "":
		return answer{}, refuse(http.StatusForbidden, "permission denied")
	case !ok:
		return answer{}, refuse(http.StatusForbidden, many("permission denied", "invalid token"))
	case q.wrap:
		return answer{}, missing("response wrapping")
	case (q.op == opWrite || q.op == opPatch) && strings.HasSuffix(q.path, "/"):
		return answer{}, refuse(http.StatusBadRequest, "cannot write to a path ending in '/'")
	}
	q.caller = caller
	if caller.uses > 0 {
		if caller.uses--; caller.uses == 0 {
			caller.uses = -1 // this is the last one
			defer s.revokeToken(caller)
		}
	}
	return s.route(q)
}

func (s *Server) route(q *request) (answer, error) {
	first, rest, _ := strings.Cut(q.path, "/")
	switch first {
	case "sys":
		return s.system(q, rest)
	case "auth":
		method, rest, _ := strings.Cut(rest, "/")
		if method != "token" {
			return answer{}, missing("authentication methods but tokens")
		}
		return s.tokenPath(q, rest)
	case "identity", "cubbyhole":
		return answer{}, missing(first + " engine")
	}
	m := s.mountOf(q.path)
	if m == nil {
		return answer{}, refuse(http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", q.path))
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(q.path, strings.TrimSuffix(m.path, "/")), "/")
	switch {
	case m.kind == "database":
		return s.database(q, m, rest)
	case m.version == "2":
		return m.versioned(q, rest)
	}
	return m.plain(q, rest)
}

// The operations that a path is asked for. POST and PUT are one.
const (
	opRead   = http.MethodGet
	opWrite  = http.MethodPut
	opPatch  = http.MethodPatch
	opDelete = http.MethodDelete
	opList   = "LIST"
)

// request is what a client asks for.
type request struct {
	op         string
	path       string // below /v1/
	fields     fields
	body       json.RawMessage
	query      map[string][]string
	credential string
	wrap       bool

	caller *token
	now    time.Time
}

func readRequest(w http.ResponseWriter, r *http.Request) (*request, error) {
	q := &request{op: r.Method, path: strings.TrimPrefix(r.URL.Path, "/v1/"), query: r.URL.Query()}
	q.credential = r.Header.Get("X-Vault-Token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && q.credential == "" {
		q.credential = strings.TrimSpace(bearer)
	}
	wrap := r.Header.Get("X-Vault-Wrap-TTL")
	q.wrap = wrap != "" && wrap != "0"
	switch q.op {
	case http.MethodGet:
		if list := r.URL.Query().Get("list"); list != "" {
			wanted, err := strconv.ParseBool(list)
			if err != nil {
				return nil, refuse(http.StatusBadRequest, "list is neither true nor false")
			}
			if wanted {
				q.op = opList
			}
		}
	case http.MethodHead:
		q.op = opRead
	case http.MethodPost:
		q.op = opWrite
	case http.MethodPatch:
		if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/merge-patch+json" {
			return nil, refuse(http.StatusUnsupportedMediaType, "PATCH requires Content-Type of application/merge-patch+json")
		}
	case opWrite, opDelete, opList:
	case http.MethodOptions:
		return nil, unsupportedOperation()
	default:
		return nil, refuse(http.StatusMethodNotAllowed)
	}
	if q.op == opList && !strings.HasSuffix(q.path, "/") {
		q.path += "/"
	}
	return q, q.readBody(w, r)
}

// answer is what Vault says: its envelope, or for a few paths a text of its own.
type answer struct {
	status    int // 0 is 200, and 204 where there is nothing to say
	bare      object
	data      any
	auth      object
	lease     string
	renewable bool
	duration  time.Duration
	warnings  []string
	mount     string // the engine's type
	flat      bool   // the data stand beside the envelope too, as old clients want it
}

type object = map[string]any

func (a answer) encode() (status int, text []byte) {
	body := a.bare
	if body == nil {
		if a.status == 0 && a.data == nil && a.auth == nil && a.warnings == nil && a.lease == "" {
			return http.StatusNoContent, nil
		}
		body = object{}
		if data, ok := a.data.(object); ok && a.flat {
			for name, value := range data {
				body[name] = value
			}
		}
		for name, value := range (object{
			"request_id": newUUID(), "lease_id": a.lease, "renewable": a.renewable, "lease_duration": seconds(a.duration), "data": a.data,
			"wrap_info": nil, "warnings": a.warnings, "auth": nil, "mount_type": a.mount,
		}) {
			body[name] = value
		}
		if a.auth != nil {
			body["auth"] = a.auth
		}
	}
	if len(body) == 0 {
		return a.status, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return encodeError(refuse(http.StatusBadRequest, "what is there cannot be encoded"))
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.status, append(text, '\n')
}

// refusal is an answer of 400 and above.
type refusal struct {
	status int
	texts  []string
}

func (r *refusal) Error() string { return strings.Join(r.texts, "; ") }

func refuse(status int, texts ...string) error { return &refusal{status, texts} }

func notFound() error { return refuse(http.StatusNotFound) }

func badRequest(format string, args ...any) error {
	return refuse(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

// many is how Vault writes errors that it has collected.
func many(texts ...string) string {
	noun := "errors"
	if len(texts) == 1 {
		noun = "error"
	}
	return fmt.Sprintf("%d %s occurred:\n\t* %s\n\n", len(texts), noun, strings.Join(texts, "\n\t* "))
}

func unsupportedPath() error { return refuse(http.StatusNotFound, many("unsupported path")) }
func unsupportedOperation() error {
	return refuse(http.StatusMethodNotAllowed, many("unsupported operation"))
}

// missing is the answer for what Vault has and this server has not.
func missing(what string) error {
	return refuse(http.StatusNotImplemented, "the embedded server of vwrap dev has no "+what+": use --server devvault, vault, bao or docker")
}

func encodeError(err error) (status int, text []byte) {
	r, ok := err.(*refusal)
	if !ok {
		r = &refusal{http.StatusBadRequest, []string{err.Error()}}
	}
	if r.texts == nil {
		r.texts = []string{} // an array, even if empty
	}
	text, _ = json.Marshal(map[string][]string{"errors": r.texts}) // strings always encode
	return r.status, append(text, '\n')
}

func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// randomText is n characters that nobody guesses; n is 26 at most.
func randomText(n int) string { return rand.Text()[:n] }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// stamp writes a time as Vault does, and none as nothing.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
