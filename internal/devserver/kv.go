package devserver

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// secret is what a KV engine holds. Version 1's have one version each, so that a mount can be upgraded.
type secret struct {
	config           fields // what it says of its versions, as an engine may
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

func (m *mount) keptSecrets() map[string]*secret { return m.secrets }

// secret is what q names; a new one, which is not there yet, if that is nothing.
func (q *request) secret() *secret {
	return cmp.Or(q.mount.secrets[q.name], &secret{created: q.now, updated: q.now, versions: map[int]*kvVersion{}})
}

// add makes data the newest version of what q names, and lets go of the oldest.
func (q *request) add(s *secret, data json.RawMessage) {
	const usual = 10
	engine, name := q.mount.versioning, "delete_version_after"
	s.current++
	v := &kvVersion{data: data, created: q.now}
	if after := cmp.Or(s.config.limit(name), engine.limit(name)); after > 0 {
		v.deletion = q.now.Add(atMost(after, engine.limit(name)))
	}
	s.versions[s.current], s.updated = v, q.now
	oldest := s.current - cmp.Or(s.config.number("max_versions"), engine.number("max_versions"), usual) + 1
	for n := range s.versions {
		if n < oldest {
			delete(s.versions, n)
			s.oldest = oldest
		}
	}
	q.mount.secrets[q.name] = s
}

func kv1Endpoints() endpoints {
	return endpoints{"": keeping((*mount).keptSecrets, readPlain, writePlain)}
}

func writePlain(q *request) {
	bad(len(q.fields) == 0, "missing data fields")
	delete(q.mount.secrets, q.name)
	q.add(q.secret(), q.body)
}

// readPlain answers also how long the value may be taken for good: what the secret says itself, else the mount.
func readPlain(q *request, s *secret) {
	var says fields
	q.data, q.lasts = s.versions[1].data, q.mount.ttl()
	_ = json.Unmarshal(s.versions[1].data, &says) // it was an object when it came
	for _, name := range []string{"lease", "ttl"} {
		text, _ := scalar(says[name])
		if d, err := readDuration(text); err == nil && d >= 0 {
			q.lasts = d
		}
	}
}

func kv2Endpoints() endpoints {
	metadata := keeping((*mount).keptSecrets, readMetadata, writeMetadata)
	metadata[opPatch] = writeMetadata
	root := every(refuseRoot)
	return endpoints{
		"data":      root,
		"metadata":  root,
		"data/":     {opRead: readData, opWrite: writeData, opPatch: writeData, opDelete: deleteData, opList: misplaced},
		"metadata/": metadata,
		"delete/":   {opWrite: eachVersion((*kvVersion).delete, "No version number provided"), opList: misplaced},
		"undelete/": {opWrite: eachVersion((*kvVersion).undelete, "No version number provided"), opList: misplaced},
		"destroy/":  {opWrite: eachVersion((*kvVersion).destroy, "no version number provided"), opList: misplaced},
		"config":    {opRead: readVersioning, opWrite: writeVersioning},
		"subkeys":   every(lacking("subkeys")),
		"subkeys/":  every(lacking("subkeys")),
		"":          every(misplaced),
	}
}

func refuseRoot(q *request) {
	q.status, q.engine = http.StatusNotFound, ""
	q.warnings = []string{"Non-listing operations on the root of a K/V v2 mount are not supported."}
}

// misplaced answers who takes the engine for version 1.
func misplaced(q *request) {
	word := map[string]string{opRead: "get", opWrite: "put", opPatch: "patch", opDelete: "delete", opList: "list"}[q.op]
	q.status, q.engine = http.StatusNotFound, ""
	q.warnings = []string{"Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. " +
		"If using the Vault CLI, use 'vault kv " + word + "' for this operation."}
}

func showVersioning(f fields) object {
	bad(f.number("max_versions") < 0, "max_versions cannot be negative")
	return object{
		"cas_required": f.truth("cas_required", false), "delete_version_after": f.limit("delete_version_after").String(),
		"max_versions": f.number("max_versions"),
	}
}

func readVersioning(q *request) { q.data = showVersioning(q.mount.versioning) }
func writeVersioning(q *request) {
	q.mount.versioning = q.mount.versioning.with(q.fields, showVersioning)
}

func (v *kvVersion) gone(now time.Time) bool {
	return v.destroyed || (!v.deletion.IsZero() && !v.deletion.After(now))
}

func (v *kvVersion) undelete(time.Time) { v.deletion = time.Time{} }
func (v *kvVersion) destroy(time.Time)  { v.destroyed, v.data = true, nil }
func (v *kvVersion) delete(now time.Time) {
	if !v.gone(now) {
		v.deletion = now
	}
}

// eachVersion does something to the versions that the body names, unless they are destroyed.
func eachVersion(do func(v *kvVersion, now time.Time), otherwise string) handler {
	return func(q *request) {
		var numbers []int
		for text := range strings.FieldsFuncSeq(strings.Join(q.texts("versions"), ","), func(r rune) bool { return r == ',' || r == ' ' }) {
			n, err := strconv.Atoi(text)
			bad(err != nil, "a version is a whole number")
			numbers = append(numbers, n)
		}
		bad(len(numbers) == 0, otherwise)
		s := q.secret()
		for _, n := range numbers {
			if v := s.versions[n]; v != nil && !v.destroyed {
				do(v, q.now)
			}
		}
	}
}

func (v *kvVersion) show() object {
	return object{"created_time": stamp(v.created, ""), "deletion_time": stamp(v.deletion, ""), "destroyed": v.destroyed}
}

// about is what is said of a version without its data.
func (s *secret) about(n int) object {
	about := s.versions[n].show()
	about["custom_metadata"], about["version"] = s.custom, n
	return about
}

// readData answers with a version: a 404 that tells about it where its data are gone.
func readData(q *request) {
	s := q.secret()
	n := cmp.Or(max(0, q.number("version")), s.current)
	v := s.versions[n]
	absent(v == nil)
	instead(v.gone(q.now), answer{status: http.StatusNotFound, data: object{"data": nil, "metadata": s.about(n)}})
	q.data = object{"data": v.data, "metadata": s.about(n)}
}

// writeData writes, or patches what is there.
func writeData(q *request) {
	s, data := q.secret(), q.fields["data"]
	bad(data == nil, "no data provided")
	q.members("data") // refuses what is no object
	instead(q.op == opPatch && s.current == 0, answer{status: http.StatusNotFound})
	q.checkCAS(s)
	if q.op == opPatch {
		v := s.versions[s.current]
		instead(v.gone(q.now), answer{status: http.StatusNotFound, data: s.about(s.current)})
		data = mergePatch(v.data, data)
	}
	q.add(s, data)
	q.data = s.about(s.current)
}

// checkCAS holds a write to the version that its writer has seen.
func (q *request) checkCAS(s *secret) {
	options, required := q.members("options"), s.config.truth("cas_required", false) || q.mount.versioning.truth("cas_required", false)
	text, _ := scalar(options["cas"])
	cas, err := strconv.Atoi(cmp.Or(text, "0"))
	bad(err != nil, "error parsing check-and-set parameter")
	bad(options.has("cas") && cas != s.current, "check-and-set parameter did not match the current version")
	bad(!options.has("cas") && required, "check-and-set parameter required for this call")
}

func deleteData(q *request) {
	s := q.secret()
	if v := s.versions[s.current]; v != nil {
		v.delete(q.now)
	}
}

func readMetadata(q *request, s *secret) {
	versions, shown := object{}, showVersioning(s.config)
	for n, v := range s.versions {
		versions[fmt.Sprint(n)] = v.show()
	}
	maps.Copy(shown, object{
		"created_time": stamp(s.created, ""), "updated_time": stamp(s.updated, ""), "current_version": s.current, "oldest_version": s.oldest,
		"custom_metadata": s.custom, "versions": versions,
	})
	q.data = shown
}

// writeMetadata writes, or patches what is there.
func writeMetadata(q *request) {
	s := q.secret()
	instead(q.op == opPatch && q.mount.secrets[q.name] == nil, answer{status: http.StatusNotFound})
	config, custom := s.config.with(q.fields, showVersioning), q.pairs("custom_metadata", nil)
	if custom == nil || q.op == opPatch {
		custom = q.pairs("custom_metadata", s.custom)
	}
	if len(q.fields) > 0 {
		s.config, s.custom = config, custom
		q.mount.secrets[q.name] = s
	}
}
