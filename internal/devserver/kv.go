package devserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
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

// upgrade makes secrets of version 1 ones of version 2.
func (m *mount) upgrade(now time.Time) {
	for _, s := range m.kv.secrets {
		s.created, s.updated, s.versions[1].created = now, now, now
	}
}

// plain answers for a KV version 1 engine.
func (m *mount) plain(q *request, path string) (answer, error) {
	switch q.op {
	case opList:
		return listing(listBelow(maps.Keys(m.kv.secrets), path), "kv")
	case opDelete:
		delete(m.kv.secrets, path)
		return answer{}, nil
	case opWrite:
		if len(q.fields.values) == 0 {
			return answer{}, badRequest("missing data fields")
		}
		m.kv.secrets[path] = &secret{current: 1, versions: map[int]*kvVersion{1: {data: q.body, created: q.now}}}
		return answer{}, nil
	case opRead:
		s := m.kv.secrets[path]
		if s == nil {
			return answer{}, notFound()
		}
		data := s.versions[1].data
		return answer{data: data, duration: m.timeOf(data), mount: "kv"}, nil
	}
	return answer{}, unsupportedOperation()
}

// timeOf is how long a reader of version 1 may take a value for good: what the secret says itself, else the mount.
func (m *mount) timeOf(data json.RawMessage) time.Duration {
	f := fields{}
	_ = json.Unmarshal(data, &f.values) // it was an object when it came
	for _, name := range []string{"ttl", "lease"} {
		if text, ok := scalar(f.values[name]); ok && text != "" {
			if d, err := readDuration(text); err == nil && d >= 0 {
				return d
			}
		}
	}
	return m.ttl()
}

// versioned answers for a KV version 2 engine.
func (m *mount) versioned(q *request, rest string) (answer, error) {
	first, path, more := strings.Cut(rest, "/")
	if rest == "config" {
		return m.kv.config(q)
	}
	if first == "metadata" && q.op == opList {
		return listing(listBelow(maps.Keys(m.kv.secrets), path), "kv")
	}
	if (first == "data" || first == "metadata") && !more && q.op != opList {
		return warn("Non-listing operations on the root of a K/V v2 mount are not supported.")
	}
	do := map[string]func(*kv, *request, string) (answer, error){
		"data": (*kv).data, "metadata": (*kv).metadata, "subkeys": (*kv).subkeys, "delete": (*kv).remove, "undelete": (*kv).remove, "destroy": (*kv).remove,
	}[first]
	if do == nil || path == "" || q.op == opList {
		word := map[string]string{opRead: "get", opWrite: "put", opPatch: "patch", opDelete: "delete", opList: "list"}[q.op]
		return warn("Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. " +
			"If using the Vault CLI, use 'vault kv " + word + "' for this operation.")
	}
	return do(m.kv, q, path)
}

func warn(text string) (answer, error) {
	return answer{status: http.StatusNotFound, warnings: []string{text}}, nil
}

func (k *kv) config(q *request) (answer, error) {
	switch q.op {
	case opRead:
		return answer{data: k.show(), mount: "kv"}, nil
	case opWrite:
		return answer{}, k.read(&q.fields)
	}
	return answer{}, unsupportedOperation()
}

func (c *kvConfig) show() object {
	return object{"cas_required": c.casRequired, "delete_version_after": fmt.Sprint(c.deleteAfter), "max_versions": c.keep}
}

// read takes what the fields say, and nothing if one of them is wrong.
func (c *kvConfig) read(f *fields) error {
	wanted := *c
	if f.has("max_versions") {
		wanted.keep = f.number("max_versions")
	}
	wanted.casRequired = f.truth("cas_required", c.casRequired)
	if f.has("delete_version_after") {
		wanted.deleteAfter = f.duration("delete_version_after")
	}
	if f.failure == nil && (wanted.keep < 0 || wanted.deleteAfter < 0) {
		return badRequest("max_versions and delete_version_after cannot be negative")
	}
	if f.failure == nil {
		*c = wanted
	}
	return f.failure
}

func (k *kv) data(q *request, path string) (answer, error) {
	s := k.secrets[path]
	switch q.op {
	case opRead:
		return s.read(q, func(data json.RawMessage) object { return object{"data": data} })
	case opDelete:
		if s != nil {
			s.delete(q.now, s.current)
		}
		return answer{}, nil
	}
	data, sent := q.fields.values["data"]
	if !sent {
		return answer{}, badRequest("no data provided")
	}
	q.fields.members("data") // null is none
	if q.fields.failure != nil {
		return answer{}, q.fields.failure
	}
	if q.op == opPatch {
		if s == nil || s.current == 0 {
			return answer{status: http.StatusNotFound, bare: object{}}, nil
		}
		if err := k.checkCAS(q, s); err != nil {
			return answer{}, err
		}
		newest := s.versions[s.current]
		if newest.gone(q.now) {
			return answer{status: http.StatusNotFound, data: s.about(s.current)}, nil
		}
		var err error
		if data, err = mergePatch(newest.data, data); err != nil {
			return answer{}, err
		}
	} else if err := k.checkCAS(q, s); err != nil {
		return answer{}, err
	}
	if s == nil {
		s = k.create(path, q.now)
	}
	k.add(s, data, q.now)
	return answer{data: s.about(s.current), mount: "kv"}, nil
}

func (k *kv) create(path string, now time.Time) *secret {
	s := &secret{created: now, updated: now, versions: map[int]*kvVersion{}}
	k.secrets[path] = s
	return s
}

// checkCAS holds a write to the version that its writer has seen.
func (k *kv) checkCAS(q *request, s *secret) error {
	current, required := 0, k.casRequired
	if s != nil {
		current, required = s.current, required || s.casRequired
	}
	options := q.fields.members("options")
	switch cas := options.number("cas"); {
	case q.fields.failure != nil || options.failure != nil:
		return badRequest("error parsing check-and-set parameter")
	case options.has("cas") && cas != current:
		return badRequest("check-and-set parameter did not match the current version")
	case !options.has("cas") && required:
		return badRequest("check-and-set parameter required for this call")
	}
	return nil
}

// add makes data the newest version, and lets go of the oldest.
func (k *kv) add(s *secret, data json.RawMessage, now time.Time) {
	const usual = 10
	s.current++
	v := &kvVersion{data: data, created: now}
	if after := max(k.deleteAfter, 0); after > 0 || s.deleteAfter > 0 {
		if s.deleteAfter > 0 {
			after = atMost(s.deleteAfter, after)
		}
		v.deletion = now.Add(after)
	}
	s.versions[s.current], s.updated = v, now
	keep := usual
	if k.keep > 0 {
		keep = k.keep
	}
	if s.keep > 0 {
		keep = s.keep
	}
	for n := range s.versions {
		if n <= s.current-keep {
			delete(s.versions, n)
			s.oldest = s.current - keep + 1
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
func (s *secret) read(q *request, show func(json.RawMessage) object) (answer, error) {
	n := 0
	if asked := q.query["version"]; asked != nil && asked[0] != "" {
		var err error
		if n, err = strconv.Atoi(asked[0]); err != nil {
			return answer{}, badRequest("Field validation failed: error converting input for field %q: it is no whole number", "version")
		}
	}
	if s == nil || s.current == 0 {
		return answer{}, notFound()
	}
	if n <= 0 {
		n = s.current
	}
	v := s.versions[n]
	if v == nil {
		return answer{}, notFound()
	}
	if v.gone(q.now) {
		data := show(json.RawMessage("null"))
		data["metadata"] = s.about(n)
		return answer{status: http.StatusNotFound, data: data}, nil
	}
	data := show(v.data)
	data["metadata"] = s.about(n)
	return answer{data: data, mount: "kv"}, nil
}

func (k *kv) subkeys(q *request, path string) (answer, error) {
	if q.op != opRead {
		return answer{}, unsupportedOperation()
	}
	depth := 0
	if asked := q.query["depth"]; asked != nil {
		var err error
		if depth, err = strconv.Atoi(asked[0]); err != nil {
			return answer{}, badRequest("Field validation failed: error converting input for field %q: it is no whole number", "depth")
		}
	}
	return k.secrets[path].read(q, func(data json.RawMessage) object {
		var values any
		_ = json.Unmarshal(data, &values) // it was decoded when it came
		return object{"subkeys": onlyKeys(values, depth)}
	})
}

// onlyKeys leaves the keys of objects, down to depth; 0 is all the way.
func onlyKeys(value any, depth int) any {
	members, ok := value.(object)
	if !ok || len(members) == 0 {
		return nil
	}
	for key, inner := range members {
		members[key] = nil
		if depth != 1 {
			members[key] = onlyKeys(inner, max(0, depth-1))
		}
	}
	return members
}

func (k *kv) metadata(q *request, path string) (answer, error) {
	s := k.secrets[path]
	switch q.op {
	case opRead:
		if s == nil {
			return answer{}, notFound()
		}
		return answer{data: s.show(), mount: "kv"}, nil
	case opDelete:
		delete(k.secrets, path)
		return answer{}, nil
	case opPatch:
		if s == nil {
			return answer{status: http.StatusNotFound, bare: object{}}, nil
		}
	}
	custom, gone := q.fields.pairs("custom_metadata")
	if q.fields.failure != nil {
		return answer{}, q.fields.failure
	}
	config := kvConfig{}
	if s != nil {
		config = s.kvConfig
	}
	if err := config.read(&q.fields); err != nil || len(q.fields.values) == 0 {
		return answer{}, err
	}
	if s == nil {
		s = k.create(path, q.now)
	}
	s.kvConfig = config
	if q.op == opPatch && custom != nil {
		merged := maps.Clone(s.custom)
		if merged == nil {
			merged = map[string]string{}
		}
		maps.Copy(merged, custom)
		maps.DeleteFunc(merged, func(key, _ string) bool { return slices.Contains(gone, key) })
		custom = merged
	}
	if custom != nil {
		s.custom = custom
	}
	return answer{}, nil
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
func (k *kv) remove(q *request, path string) (answer, error) {
	if q.op != opWrite {
		return answer{}, unsupportedOperation()
	}
	numbers := q.fields.numbers("versions")
	switch {
	case q.fields.failure != nil:
		return answer{}, q.fields.failure
	case len(numbers) == 0 && strings.Contains(q.path, "/destroy/"):
		return answer{}, badRequest("no version number provided")
	case len(numbers) == 0:
		return answer{}, badRequest("No version number provided")
	case k.secrets[path] == nil:
		return answer{}, nil
	}
	s := k.secrets[path]
	verb := strings.TrimSuffix(q.path, "/"+path)
	for _, n := range numbers {
		v := s.versions[n]
		switch {
		case v == nil:
		case strings.HasSuffix(verb, "/delete"):
			s.delete(q.now, n)
		case strings.HasSuffix(verb, "/undelete") && !v.destroyed:
			v.deletion = time.Time{}
		case strings.HasSuffix(verb, "/destroy"):
			v.destroyed, v.data = true, nil
		}
	}
	return answer{}, nil
}

// mergePatch is RFC 7396: members of patch replace those of target, and null takes one away.
func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	var old, change any
	for raw, into := range map[*json.RawMessage]*any{&target: &old, &patch: &change} {
		decoder := json.NewDecoder(bytes.NewReader(*raw))
		decoder.UseNumber()
		if decoder.Decode(into) != nil {
			return nil, badRequest("the secret and the patch cannot be merged")
		}
	}
	text, err := json.Marshal(merged(old, change))
	if err != nil {
		return nil, badRequest("the secret and the patch cannot be merged")
	}
	return text, nil
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
		if value == nil {
			delete(into, key)
		} else {
			into[key] = merged(into[key], value)
		}
	}
	return into
}
