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
	"maps"
	"net/http"
	"net/url"
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
	mux                  *http.ServeMux
	unsealKey, clusterID string
	started              time.Time
	tokenMount           *mount // auth/token/

	mu     sync.Mutex
	sealed bool
	tokens map[string]*token
	leases map[string]*lease
	mounts map[string]*mount // by path, with the slash at its end
}

// New returns a server whose root token is root, with a KV version 2 engine at secret/. It starts nothing: what has
// a time to live ends with the first request after that.
func New(root string) *Server {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	s := &Server{
		mux: http.NewServeMux(), unsealKey: hex.EncodeToString(key), clusterID: newUUID(), started: time.Now(), leases: map[string]*lease{},
		mounts: map[string]*mount{"secret/": newMount("secret/", "kv", "2")}, tokenMount: newMount("token/", "token", ""),
	}
	s.tokenMount.description = "token based credentials"
	s.tokens = map[string]*token{root: {
		id: root, accessor: randomText(24), path: "auth/token/create", name: "token", policies: []string{"root"}, created: s.started,
	}}
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

// reply answers. What is below it panics with a refusal to answer with that: a request has dozens of ways to be wrong,
// and nothing is changed before it is known to be right. It encodes before it unlocks: answers hold what the server holds.
func (s *Server) reply(w http.ResponseWriter, r *http.Request) (status int, text []byte) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case refusal:
			status, text = p.encode()
		default:
			panic(p)
		}
	}()
	q := readRequest(w, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = time.Now()
	s.expire(q.now)
	if a, ok := s.openPath(q); ok {
		return a.encode()
	}
	s.admit(q)
	if q.caller.uses < 0 { // it was the last one
		defer s.revokeToken(q.caller)
	}
	return s.route(q).encode()
}

// admit finds out who asks, and whether anybody may.
func (s *Server) admit(q *request) {
	deny(s.sealed, refuse(http.StatusServiceUnavailable, "Vault is sealed"))
	deny(q.credential == "", refuse(http.StatusForbidden, "permission denied"))
	q.caller = s.tokens[q.credential]
	deny(q.caller == nil, refuse(http.StatusForbidden, many("permission denied", "invalid token")))
	deny(q.wrap, missing("response wrapping"))
	deny((q.op == opWrite || q.op == opPatch) && strings.HasSuffix(q.path, "/"), refuse(http.StatusBadRequest, "cannot write to a path ending in '/'"))
	if q.caller.uses > 0 {
		if q.caller.uses--; q.caller.uses == 0 {
			q.caller.uses = -1
		}
	}
}

func (s *Server) route(q *request) answer {
	first, rest, _ := strings.Cut(q.path, "/")
	switch first {
	case "sys":
		return s.system(q, rest)
	case "auth":
		method, rest, _ := strings.Cut(rest, "/")
		deny(method != "token", missing("authentication methods but tokens"))
		return s.tokenPath(q, rest)
	case "identity", "cubbyhole":
		panic(missing(first + " engine"))
	}
	m := s.mountOf(q.path)
	deny(m == nil, refuse(http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", q.path)))
	rest = strings.TrimPrefix(strings.TrimPrefix(q.path, strings.TrimSuffix(m.path, "/")), "/")
	switch {
	case m.kind == "database":
		return s.database(q, m, rest)
	case m.version == "2":
		return m.kv.versioned(q, rest)
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
	fields
	op, path, credential string // the path is below /v1/
	body                 json.RawMessage
	query                url.Values
	wrap                 bool
	caller               *token
	now                  time.Time
}

func readRequest(w http.ResponseWriter, r *http.Request) *request {
	q := &request{op: r.Method, path: strings.TrimPrefix(r.URL.Path, "/v1/"), query: r.URL.Query(), credential: r.Header.Get("X-Vault-Token")}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && q.credential == "" {
		q.credential = strings.TrimSpace(bearer)
	}
	wrap := r.Header.Get("X-Vault-Wrap-TTL")
	q.wrap = wrap != "" && wrap != "0"
	switch q.op {
	case http.MethodPost:
		q.op = opWrite
	case opPatch:
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		deny(kind != "application/merge-patch+json", refuse(http.StatusUnsupportedMediaType, "PATCH requires Content-Type of application/merge-patch+json"))
	case opRead, opWrite, opDelete, opList:
	case http.MethodOptions:
		panic(unsupportedOperation())
	case http.MethodHead:
		q.op = opRead
	default:
		panic(refuse(http.StatusMethodNotAllowed))
	}
	if list := q.query.Get("list"); q.op == opRead && list != "" {
		wanted, err := strconv.ParseBool(list)
		deny(err != nil, refuse(http.StatusBadRequest, "list is neither true nor false"))
		if wanted {
			q.op = opList
		}
	}
	if q.op == opList {
		q.path = strings.TrimSuffix(q.path, "/") + "/"
	}
	q.readBody(w, r)
	return q
}

// answer is what Vault says: its envelope, or for a few paths an object of its own.
type answer struct {
	status          int // 0 is 200, and 204 where there is nothing to say
	bare, auth      object
	data            any
	lease, mount    string // the mount is the engine's type
	renewable, flat bool   // flat: the data stand beside the envelope too, as old clients want it
	duration        time.Duration
	warnings        []string
}

type object = map[string]any

func (a answer) encode() (status int, text []byte) {
	body := a.bare
	switch {
	case a.status == 0 && body == nil && a.data == nil && a.auth == nil && a.warnings == nil && a.lease == "":
		return http.StatusNoContent, nil
	case a.status == 0:
		a.status = http.StatusOK
	case a.status == http.StatusNotFound && a.data == nil && a.warnings == nil:
		return a.status, nil
	}
	if body == nil {
		body = object{}
		if data, ok := a.data.(object); ok && a.flat {
			maps.Copy(body, data)
		}
		maps.Copy(body, object{
			"request_id": newUUID(), "lease_id": a.lease, "renewable": a.renewable, "lease_duration": seconds(a.duration), "data": a.data,
			"wrap_info": nil, "warnings": a.warnings, "auth": nil, "mount_type": a.mount,
		})
		if a.auth != nil {
			body["auth"] = a.auth
		}
	}
	text, err := json.Marshal(body)
	deny(err != nil, refuse(http.StatusBadRequest, "what is there cannot be encoded"))
	return a.status, append(text, '\n')
}

// refusal is an answer of 400 and above.
type refusal struct {
	status int
	texts  []string
}

func (r refusal) encode() (status int, text []byte) {
	text, _ = json.Marshal(object{"errors": append([]string{}, r.texts...)}) // an array even if empty; strings always encode
	return r.status, append(text, '\n')
}

func deny(wrong bool, with refusal) {
	if wrong {
		panic(with)
	}
}

// bad denies what a client asks for wrongly.
func bad(wrong bool, text string) { deny(wrong, refuse(http.StatusBadRequest, text)) }

func refuse(status int, texts ...string) refusal { return refusal{status, texts} }
func notFound() refusal                          { return refuse(http.StatusNotFound) }
func unsupportedPath() refusal                   { return refuse(http.StatusNotFound, many("unsupported path")) }

func unsupportedOperation() refusal {
	return refuse(http.StatusMethodNotAllowed, many("unsupported operation"))
}

// missing is the answer for what Vault has and this server has not.
func missing(what string) refusal {
	return refuse(http.StatusNotImplemented, "the embedded server of vwrap dev has no "+what+": use --server devvault, vault, bao or docker")
}

// many is how Vault writes errors that it has collected.
func many(texts ...string) string {
	plural := strings.Repeat("s", min(1, len(texts)-1))
	return fmt.Sprintf("%d error%s occurred:\n\t* %s\n\n", len(texts), plural, strings.Join(texts, "\n\t* "))
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
