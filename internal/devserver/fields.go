package devserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fields are the members of a request's body. Like Vault it takes "5" for 5 and "true" for true; what cannot be read
// is refused, and never repeated.
type fields map[string]json.RawMessage

func (q *request) readBody(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil {
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestAsk))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	deny(tooLarge, refuse(http.StatusRequestEntityTooLarge, "the request's body is too large"))
	bad(err != nil, "the request's body ends early")
	if len(strings.TrimSpace(string(text))) > 0 {
		bad(json.Unmarshal(text, &q.fields) != nil, "error parsing JSON: the body is no JSON object")
		q.body = text
	}
}

func (f fields) has(name string) bool { return f[name] != nil }

func misread(wrong bool, name, why string) {
	bad(wrong, fmt.Sprintf("error converting input for field %q: %s", name, why))
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

func (f fields) text(name string) string {
	text, ok := scalar(f[name])
	misread(!ok, name, "it is no text")
	return text
}

// need is a text that must be there.
func (f fields) need(name, otherwise string) string {
	text := f.text(name)
	bad(text == "", otherwise)
	return text
}

func (f fields) number(name string) int { return wholeNumber(name, f.text(name)) }

func wholeNumber(name, text string) int {
	n, err := strconv.Atoi(text)
	misread(text != "" && err != nil, name, "it is no whole number")
	return n
}

func (f fields) truth(name string, otherwise bool) bool {
	text := f.text(name)
	if text == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(text)
	misread(err != nil, name, "it is neither true nor false")
	return b
}

// duration is a number of seconds, or one with a unit; days too.
func (f fields) duration(name string) time.Duration {
	d, err := readDuration(f.text(name))
	misread(err != nil, name, "invalid duration")
	return d
}

func readDuration(text string) (time.Duration, error) {
	const longest = 100 * 365 * 24 * time.Hour // so that sums stay sums
	if text == "" {
		return 0, nil
	}
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

// into sets what the fields name, and leaves the rest as it is.
func (f fields) into(durations map[string]*time.Duration) {
	for name, at := range durations {
		if f.has(name) {
			*at = f.duration(name)
		}
	}
}

// texts is a list, or one text.
func (f fields) texts(name string) []string {
	found, all := []string{}, []json.RawMessage{f[name]}
	if len(f[name]) > 0 && f[name][0] == '[' {
		_ = json.Unmarshal(f[name], &all) // it has been decoded once
	} else if f.text(name) == "" {
		return found
	}
	for _, one := range all {
		text, ok := scalar(one)
		misread(!ok, name, "it is no list of texts")
		found = append(found, text)
	}
	return found
}

// members are a JSON object's; nil where there is none.
func (f fields) members(name string) (inner fields) {
	misread(f.has(name) && json.Unmarshal(f[name], &inner) != nil, name, "it is no map")
	return inner
}

// pairs are an object of texts, nil where there is none. A member that is null is left out and named in gone.
func (f fields) pairs(name string) (found map[string]string, gone []string) {
	for key, raw := range f.members(name) {
		text, ok := scalar(raw)
		misread(!ok, name, "it is no map of texts")
		if found == nil {
			found = map[string]string{}
		}
		if string(raw) == "null" {
			gone = append(gone, key)
		} else {
			found[key] = text
		}
	}
	return found, gone
}
