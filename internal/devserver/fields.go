package devserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// fields are the members of a request's body, or what is kept of them. Like Vault it takes "5" for 5 and "true" for
// true; what cannot be read is refused, and never repeated.
type fields map[string]json.RawMessage

func (f fields) has(name string) bool { return f[name] != nil }

// with is f with what changes say of the members that show has.
func (f fields) with(changes fields, show func(fields) object) fields {
	changed := fields{}
	maps.Copy(changed, f)
	for name := range show(f) {
		if changes.has(name) {
			changed[name] = changes[name]
		}
	}
	show(changed) // refuses what cannot be read
	return changed
}

// scalar is a string, or a number or truth value as it is written; null is nothing.
func scalar(raw json.RawMessage) (text string, ok bool) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", true
	case raw[0] == '"':
		return text, json.Unmarshal(raw, &text) == nil
	}
	return string(raw), raw[0] != '{' && raw[0] != '['
}

// member is what parse makes of a scalar, and otherwise where there is none.
func member[T any](f fields, name string, otherwise T, parse func(string) (T, error)) T {
	text, ok := scalar(f[name])
	if ok && text == "" {
		return otherwise
	}
	value, err := parse(text)
	bad(!ok || err != nil, fmt.Sprintf("error converting input for field %q: it cannot be read", name))
	return value
}

func (f fields) number(name string) int { return member(f, name, 0, strconv.Atoi) }
func (f fields) truth(name string, otherwise bool) bool {
	return member(f, name, otherwise, strconv.ParseBool)
}
func (f fields) duration(name string) time.Duration { return member(f, name, 0, readDuration) }

func (f fields) text(name string) string {
	return member(f, name, "", func(text string) (string, error) { return text, nil })
}

// need is a text that must be there.
func (f fields) need(name, otherwise string) string {
	text := f.text(name)
	bad(text == "", otherwise)
	return text
}

// limit is a duration that nothing is longer than, or 0.
func (f fields) limit(name string) time.Duration {
	d := f.duration(name)
	bad(d < 0, name+" cannot be negative")
	return d
}

// readDuration reads a number of seconds, or one with a unit; days too, and what the system has where nothing is said.
func readDuration(text string) (time.Duration, error) {
	const longest = 100 * 365 * 24 * time.Hour // so that sums stay sums
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 16); err == nil {
			text = strconv.FormatInt(n*24, 10) + "h"
		}
	} else if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d > longest || d < -longest {
		return 0, errors.New("invalid duration")
	}
	return d, nil
}

// texts are a list, or one text.
func (f fields) texts(name string) []string {
	var all []json.RawMessage
	if json.Unmarshal(f[name], &all) != nil && f.text(name) != "" {
		all = []json.RawMessage{f[name]}
	}
	found := []string{}
	for _, one := range all {
		found = append(found, fields{name: one}.text(name))
	}
	return found
}

// members are a JSON object's; nil where there is none.
func (f fields) members(name string) (inner fields) {
	bad(f.has(name) && json.Unmarshal(f[name], &inner) != nil, fmt.Sprintf("error converting input for field %q: it is no map", name))
	return inner
}

// pairs are old ones with those of a map of texts, where null takes one away. They are nil where there never were any.
func (f fields) pairs(name string, old map[string]string) map[string]string {
	changed := maps.Clone(old)
	for key, raw := range f.members(name) {
		if changed == nil {
			changed = map[string]string{}
		}
		if changed[key] = (fields{name: raw}).text(name); string(raw) == "null" {
			delete(changed, key)
		}
	}
	return changed
}

// mergePatch is RFC 7396: members of patch replace those of target, and null takes one away.
func mergePatch(target, patch json.RawMessage) json.RawMessage {
	var into, changes fields
	if json.Unmarshal(patch, &changes) != nil || changes == nil {
		return patch
	}
	if json.Unmarshal(target, &into) != nil || into == nil {
		into = fields{}
	}
	for name, change := range changes {
		if into[name] = mergePatch(into[name], change); string(change) == "null" {
			delete(into, name)
		}
	}
	merged, _ := json.Marshal(into) // of JSON that was decoded
	return merged
}
