package devserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The operations that a path is asked for. POST and PUT are one, and so are GET and HEAD.
const (
	opRead   = http.MethodGet
	opWrite  = http.MethodPut
	opPatch  = http.MethodPatch
	opDelete = http.MethodDelete
	opList   = "LIST"
)

// request is what a client asks for, and what it is answered.
type request struct {
	fields
	answer
	op, path, credential string // the path is below /v1/
	name                 string // what of it is below the endpoint
	body                 json.RawMessage
	wrap                 bool
	caller               *holding
	mount                *mount
	now                  time.Time
}

func readRequest(w http.ResponseWriter, r *http.Request) *request {
	q := &request{fields: fields{}, op: r.Method, path: strings.TrimPrefix(r.URL.Path, "/v1/"), credential: r.Header.Get("X-Vault-Token")}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && q.credential == "" {
		q.credential = strings.TrimSpace(bearer)
	}
	wrap := r.Header.Get("X-Vault-Wrap-TTL")
	q.wrap = wrap != "" && wrap != "0"
	switch q.op {
	case http.MethodPost:
		q.op = opWrite
	case http.MethodHead:
		q.op = opRead
	case opPatch:
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		const needed = "application/merge-patch+json"
		deny(kind != needed, http.StatusUnsupportedMediaType, "PATCH requires Content-Type of "+needed)
	case http.MethodOptions:
		deny(true, http.StatusMethodNotAllowed, many("unsupported operation"))
	default:
		deny(!slices.Contains([]string{opRead, opWrite, opDelete, opList}, q.op), http.StatusMethodNotAllowed)
	}
	if q.op == opRead {
		for name, values := range r.URL.Query() { // they are members as those of a body
			q.fields[name], _ = json.Marshal(values[0]) // a text
		}
	}
	if q.op == opList || q.truth("list", false) {
		q.op, q.path = opList, strings.TrimSuffix(q.path, "/")+"/"
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20)) // as Vault's own limit
	deny(err != nil, http.StatusRequestEntityTooLarge, "the request's body is too large, or ends early")
	q.body = bytes.TrimSpace(text)
	bad(len(q.body) > 0 && json.Unmarshal(q.body, &q.fields) != nil, "error parsing JSON: the body is no JSON object")
	return q
}

type object = map[string]any

// answer is what Vault says: its envelope, or for a few paths an object of its own.
type answer struct {
	status          int // 0 is 200, and 204 where there is nothing to say
	bare, auth      object
	data            any
	lease, engine   string
	renewable, flat bool // flat: the data stand beside the envelope too, as old clients want it
	lasts           time.Duration
	warnings        []string
}

func (a answer) encode() (status int, text []byte) {
	if a.bare == nil && a.data == nil && a.auth == nil && a.warnings == nil && a.lease == "" {
		return cmp.Or(a.status, http.StatusNoContent), nil
	}
	if a.bare == nil {
		a.bare = object{}
		if a.flat {
			maps.Copy(a.bare, a.data.(object))
		}
		maps.Copy(a.bare, object{
			"request_id": newUUID(), "lease_id": a.lease, "renewable": a.renewable, "lease_duration": seconds(a.lasts), "data": a.data,
			"wrap_info": nil, "warnings": a.warnings, "auth": a.auth, "mount_type": a.engine,
		})
	}
	text, err := json.Marshal(a.bare)
	bad(err != nil, "what is there cannot be encoded")
	return cmp.Or(a.status, http.StatusOK), append(text, '\n')
}

// instead gives another answer than the one that is being made; nothing after it is done.
func instead(wanted bool, a answer) {
	if wanted {
		panic(a)
	}
}

func deny(wrong bool, status int, texts ...string) {
	instead(wrong, answer{status: status, bare: object{"errors": append([]string{}, texts...)}}) // an array even if empty
}

func bad(wrong bool, text string) { deny(wrong, http.StatusBadRequest, text) }
func absent(is bool)              { deny(is, http.StatusNotFound) }

// missing is the answer for what Vault has and this server has not.
func missing(is bool, what string) {
	deny(is, http.StatusNotImplemented, "the embedded server of vwrap dev has no "+what+": use --server devvault, vault, bao or docker")
}

// lacking is the handler of what is missing.
func lacking(what string) handler { return func(*request) { missing(true, what) } }

// many is how Vault writes errors that it has collected.
func many(texts ...string) string {
	plural := strings.Repeat("s", min(1, len(texts)-1))
	return fmt.Sprintf("%d error%s occurred:\n\t* %s\n\n", len(texts), plural, strings.Join(texts, "\n\t* "))
}

// names answers with the names right below what is asked for; those with more below them end in a slash. No name is a 404.
func (q *request) names(paths iter.Seq[string]) {
	found := object{}
	for path := range paths {
		if rest, ok := strings.CutPrefix(path, q.name); ok && rest != "" {
			found[strings.SplitAfterN(rest, "/", 2)[0]] = nil
		}
	}
	absent(len(found) == 0)
	q.data = object{"keys": slices.Sorted(maps.Keys(found))}
}

// keeping are the operations on what a mount keeps by name.
func keeping[T any](in func(*mount) map[string]T, read func(*request, T), write handler) operations {
	return operations{
		opRead: func(q *request) {
			one, ok := in(q.mount)[q.name]
			absent(!ok)
			read(q, one)
		},
		opWrite:  write,
		opDelete: func(q *request) { delete(in(q.mount), q.name) },
		opList:   func(q *request) { q.names(maps.Keys(in(q.mount))) },
	}
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// stamp writes a time as Vault does, and otherwise for none.
func stamp(t time.Time, otherwise any) any {
	if t.IsZero() {
		return otherwise
	}
	return t.UTC().Format(time.RFC3339Nano)
}
