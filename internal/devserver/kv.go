package devserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// kv is what a KV engine holds. Version 1 is kept as secrets of one version each, so that a mount can be upgraded.
type kv struct {
	secrets map[string]*secret
	kvConfig
}

// kvConfig is what an engine or a secret says of its versions.
type kvConfig struct {
	keep        int // versions; 0: not said
	casRequired bool
	deleteAfter time.Duration
}

type secret struct {
	kvConfig
	created, updated time.Time
	current, oldest  int
	versions         map[int]*kvVersion
	custom           map[string]string
}

type kvVersion struct {
	data      json.RawMessage // as it came
	created   time.Time
	deletion  time.Time // when it is deleted, or was
	destroyed bool
}

func (v *kvVersion) gone(now time.Time) bool {
	return v.destroyed || (!v.deletion.IsZero() && !v.deletion.After(now))
}

// plain answers for a KV version 1 engine.
func (m *mount) plain(q *request, path string) answer {
	s := m.kv.secrets[path]
	switch q.op {
	case opList:
		return listing(maps.Keys(m.kv.secrets), path, "kv")
	case opDelete:
		delete(m.kv.secrets, path)
	case opWrite:
		bad(len(q.fields) == 0, "missing data fields")
		m.kv.secrets[path] = &secret{created: q.now, updated: q.now, current: 1, versions: map[int]*kvVersion{1: {data: q.body, created: q.now}}}
	case opRead:
		deny(s == nil, notFound())
		data := s.versions[1].data
		return answer{data: data, duration: m.timeOf(data), mount: "kv"}
	default:
		panic(unsupportedOperation())
	}
	return answer{}
}

// timeOf is how long a reader of version 1 may take a value for good: what the secret says itself, else the mount.
func (m *mount) timeOf(data json.RawMessage) time.Duration {
	var f fields
	_ = json.Unmarshal(data, &f) // it was an object when it came
	for _, name := range []string{"ttl", "lease"} {
		text, _ := scalar(f[name])
		if d, err := readDuration(text); err == nil && text != "" && d >= 0 {
			return d
		}
	}
	return m.ttl()
}

// versioned answers for a KV version 2 engine.
func (k *kv) versioned(q *request, rest string) answer {
	first, path, more := strings.Cut(rest, "/")
	known := map[string]func(*request, string) answer{"data": k.data, "metadata": k.metadata, "delete": k.remove, "undelete": k.remove, "destroy": k.remove}
	switch {
	case rest == "config" && q.op == opRead:
		return answer{data: k.show(), mount: "kv"}
	case rest == "config" && q.op == opWrite:
		k.kvConfig = k.with(q)
		return answer{}
	case first == "subkeys":
		panic(missing("subkeys"))
	case rest == "config":
		panic(unsupportedOperation())
	case first == "metadata" && q.op == opList:
		return listing(maps.Keys(k.secrets), path, "kv")
	case (first == "data" || first == "metadata") && !more && q.op != opList:
		return answer{status: http.StatusNotFound, warnings: []string{"Non-listing operations on the root of a K/V v2 mount are not supported."}}
	case known[first] == nil || path == "" || q.op == opList:
		word := map[string]string{opRead: "get", opWrite: "put", opPatch: "patch", opDelete: "delete", opList: "list"}[q.op]
		return answer{status: http.StatusNotFound, warnings: []string{"Invalid path for a versioned K/V secrets engine. See the API docs for the " +
			"appropriate API endpoints to use. If using the Vault CLI, use 'vault kv " + word + "' for this operation."}}
	}
	return known[first](q, path)
}

func (c kvConfig) show() object {
	return object{"cas_required": c.casRequired, "delete_version_after": c.deleteAfter.String(), "max_versions": c.keep}
}

// with is the configuration with what a request says.
func (c kvConfig) with(q *request) kvConfig {
	if q.has("max_versions") {
		c.keep = q.number("max_versions")
	}
	c.casRequired = q.truth("cas_required", c.casRequired)
	q.into(map[string]*time.Duration{"delete_version_after": &c.deleteAfter})
	bad(c.keep < 0 || c.deleteAfter < 0, "max_versions and delete_version_after cannot be negative")
	return c
}

func (k *kv) data(q *request, path string) answer {
	s := k.secrets[path]
	switch q.op {
	case opRead:
		return s.read(q)
	case opDelete:
		if s != nil {
			s.delete(q.now, s.current)
		}
		return answer{}
	}
	data, sent := q.fields["data"]
	bad(!sent, "no data provided")
	q.members("data")
	if q.op == opPatch && (s == nil || s.current == 0) {
		return answer{status: http.StatusNotFound}
	}
	k.checkCAS(q, s)
	if q.op == opPatch {
		if s.versions[s.current].gone(q.now) {
			return answer{status: http.StatusNotFound, data: s.about(s.current)}
		}
		data = mergePatch(s.versions[s.current].data, data)
	}
	s = k.secretAt(path, q.now)
	k.add(s, data, q.now)
	return answer{data: s.about(s.current), mount: "kv"}
}

// secretAt is the secret at path, which is made if there is none.
func (k *kv) secretAt(path string, now time.Time) *secret {
	if k.secrets[path] == nil {
		k.secrets[path] = &secret{created: now, updated: now, versions: map[int]*kvVersion{}}
	}
	return k.secrets[path]
}

// checkCAS holds a write to the version that its writer has seen.
func (k *kv) checkCAS(q *request, s *secret) {
	current, required := 0, k.casRequired
	if s != nil {
		current, required = s.current, required || s.casRequired
	}
	options := q.members("options")
	text, ok := scalar(options["cas"])
	cas, err := strconv.Atoi(cmp.Or(text, "0"))
	bad(!ok || err != nil, "error parsing check-and-set parameter")
	bad(options.has("cas") && cas != current, "check-and-set parameter did not match the current version")
	bad(!options.has("cas") && required, "check-and-set parameter required for this call")
}

// add makes data the newest version, and lets go of the oldest.
func (k *kv) add(s *secret, data json.RawMessage, now time.Time) {
	const usual = 10
	s.current++
	v := &kvVersion{data: data, created: now}
	after := k.deleteAfter
	if s.deleteAfter > 0 && (after == 0 || s.deleteAfter < after) {
		after = s.deleteAfter
	}
	if after > 0 {
		v.deletion = now.Add(after)
	}
	s.versions[s.current], s.updated = v, now
	oldest := s.current - cmp.Or(s.keep, k.keep, usual) + 1
	for n := range s.versions {
		if n < oldest {
			delete(s.versions, n)
			s.oldest = oldest
		}
	}
}

func (s *secret) delete(now time.Time, n int) {
	if v := s.versions[n]; v != nil && !v.gone(now) {
		v.deletion = now
	}
}

// about is what is said of a version without its data.
func (s *secret) about(n int) object {
	v := s.versions[n]
	return object{"created_time": stamp(v.created), "custom_metadata": s.custom, "deletion_time": stamp(v.deletion), "destroyed": v.destroyed, "version": n}
}

// read answers with a version: a 404 that tells about it where its data are gone.
func (s *secret) read(q *request) answer {
	n := wholeNumber("version", q.query.Get("version"))
	deny(s == nil || s.current == 0, notFound())
	if n <= 0 {
		n = s.current
	}
	v := s.versions[n]
	deny(v == nil, notFound())
	if v.gone(q.now) {
		return answer{status: http.StatusNotFound, data: object{"data": nil, "metadata": s.about(n)}}
	}
	return answer{data: object{"data": v.data, "metadata": s.about(n)}, mount: "kv"}
}

func (k *kv) metadata(q *request, path string) answer {
	s := k.secrets[path]
	switch {
	case q.op == opRead && s == nil:
		panic(notFound())
	case q.op == opRead:
		return answer{data: s.show(), mount: "kv"}
	case q.op == opPatch && s == nil:
		return answer{status: http.StatusNotFound}
	case q.op == opDelete:
		delete(k.secrets, path)
		return answer{}
	}
	custom, gone := q.pairs("custom_metadata")
	var config kvConfig
	if s != nil {
		config = s.kvConfig
	}
	if config = config.with(q); len(q.fields) == 0 {
		return answer{}
	}
	s = k.secretAt(path, q.now)
	s.kvConfig = config
	if custom == nil {
		return answer{}
	}
	if q.op == opPatch && s.custom != nil {
		maps.Copy(s.custom, custom)
		custom = s.custom
	}
	for _, key := range gone {
		delete(custom, key)
	}
	s.custom = custom
	return answer{}
}

func (s *secret) show() object {
	versions := object{}
	for n, v := range s.versions {
		versions[strconv.Itoa(n)] = object{"created_time": stamp(v.created), "deletion_time": stamp(v.deletion), "destroyed": v.destroyed}
	}
	data := s.kvConfig.show()
	maps.Copy(data, object{
		"created_time": stamp(s.created), "updated_time": stamp(s.updated), "current_version": s.current, "oldest_version": s.oldest,
		"custom_metadata": s.custom, "versions": versions,
	})
	return data
}

// remove deletes, undeletes or destroys the versions that the body names.
func (k *kv) remove(q *request, path string) answer {
	deny(q.op != opWrite, unsupportedOperation())
	verb := strings.TrimSuffix(q.path, "/"+path)
	verb = verb[strings.LastIndexByte(verb, '/')+1:]
	var numbers []int
	for text := range strings.SplitSeq(strings.Join(q.texts("versions"), ","), ",") {
		if text = strings.TrimSpace(text); text != "" {
			numbers = append(numbers, wholeNumber("versions", text))
		}
	}
	bad(len(numbers) == 0 && verb == "destroy", "no version number provided")
	bad(len(numbers) == 0, "No version number provided")
	s := k.secrets[path]
	for _, n := range numbers {
		switch {
		case s == nil || s.versions[n] == nil:
		case verb == "delete":
			s.delete(q.now, n)
		case verb == "destroy":
			s.versions[n].destroyed, s.versions[n].data = true, nil
		case !s.versions[n].destroyed:
			s.versions[n].deletion = time.Time{}
		}
	}
	return answer{}
}

// mergePatch is RFC 7396: members of patch replace those of target, and null takes one away.
func mergePatch(target, patch json.RawMessage) json.RawMessage {
	decode := func(raw json.RawMessage) (value any) {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		bad(decoder.Decode(&value) != nil, "the secret and the patch cannot be merged")
		return value
	}
	text, err := json.Marshal(merged(decode(target), decode(patch)))
	bad(err != nil, "the secret and the patch cannot be merged")
	return text
}

func merged(old, change any) any {
	changes, ok := change.(object)
	if !ok {
		return change
	}
	into, ok := old.(object)
	if !ok {
		into = object{}
	}
	for key, value := range changes {
		if into[key] = merged(into[key], value); value == nil {
			delete(into, key)
		}
	}
	return into
}
