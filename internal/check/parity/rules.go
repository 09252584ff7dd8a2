package parity

import (
	"encoding/json"
	"fmt"
	"time"
)

// broken is a rule that does not hold: which, and what is said of the key; never more of the value than that.
type broken struct{ rule, text, mend string }

// broken holds s against r. A rule of a value is of the only field.
func (r *rules) broken(s secret) (all []broken) {
	if r.ofAge() {
		switch {
		case s.written.IsZero():
			all = append(all, broken{"age-unknown", "has no known age: only KV version 2 keeps when a secret was written", "take not_older_than off, or: vault kv enable-versioning"})
		case time.Since(s.written) > r.notOlderThan:
			all = append(all, broken{"too-old", "is older than " + r.oldest, "rotate it"})
		}
	}
	if !r.ofValue() {
		return all
	}
	if len(s.fields) != 1 {
		return append(all, broken{"no-one-value", fmt.Sprintf("has %d fields: which one the rules are for is not known", len(s.fields)), "name one: SECRET#FIELD"})
	}
	for _, value := range s.fields {
		all = append(all, r.brokenBy(value)...)
	}
	return all
}

// brokenBy holds a value against r.
func (r *rules) brokenBy(value json.RawMessage) (all []broken) {
	text := textOf(value)
	if r.pattern != nil && !r.pattern.Match(text) {
		all = append(all, broken{"pattern", "does not match its pattern", ""})
	}
	if len(text) < r.minLength {
		all = append(all, broken{"too-short", fmt.Sprintf("is shorter than %d bytes", r.minLength), ""})
	}
	if r.schema != nil {
		if !r.schema.allowsRaw(value) {
			all = append(all, broken{"json-schema", "does not satisfy its json_schema", ""})
		}
	}
	return all
}

// textOf is the value as a variable would have it: a text as it is, anything else as JSON.
func textOf(value json.RawMessage) []byte {
	var text string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return value
	}
	return []byte(text)
}
