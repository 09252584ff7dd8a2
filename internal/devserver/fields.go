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

// fields are the members of a request's body. Like Vault it takes "5" for 5 and "true" for true. The first that cannot
// be read is kept in failure, for whoever has read them all; no message repeats what was sent.
type fields struct {
	values  map[string]json.RawMessage
	failure error
}

func (q *request) readBody(w http.ResponseWriter, r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestAsk))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return refuse(http.StatusRequestEntityTooLarge, "the request's body is too large")
	}
	if err != nil {
		return badRequest("the request's body ends early")
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil
	}
	if json.Unmarshal(text, &q.fields.values) != nil {
		return badRequest("error parsing JSON: the body is no JSON object")
	}
	q.body = text
	return nil
}

func (f *fields) has(name string) bool { return f.values[name] != nil }

func (f *fields) fail(name, why string) {
	if f.failure == nil {
		f.failure = badRequest("error converting input for field %q: %s", name, why)
	}
}

// text is a string, or a number or truth value as it is written.
func (f *fields) text(name string) string {
	text, ok := scalar(f.values[name])
	if !ok {
		f.fail(name, "it is no text")
	}
	return text
}

func scalar(raw json.RawMessage) (text string, ok bool) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", true
	case raw[0] == '"':
		return text, json.Unmarshal(raw, &text) == nil
	}
	return string(raw), raw[0] != '{' && raw[0] != '['
}

func (f *fields) number(name string) int {
	text := f.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		f.fail(name, "it is no whole number")
	}
	return n
}

func (f *fields) truth(name string, otherwise bool) bool {
	text := f.text(name)
	if text == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		f.fail(name, "it is neither true nor false")
	}
	return b
}

// duration is a number of seconds, or one with a unit; days too.
func (f *fields) duration(name string) time.Duration {
	d, err := readDuration(f.text(name))
	if err != nil {
		f.fail(name, err.Error())
	}
	return d
}

func readDuration(text string) (time.Duration, error) {
	const longest = 100 * 365 * 24 * time.Hour // so that sums stay sums
	if text == "" {
		return 0, nil
	}
	unit, number := time.Second, text
	if days, ok := strings.CutSuffix(text, "d"); ok {
		unit, number = 24*time.Hour, days
	}
	d, err := time.Duration(0), error(nil)
	if n, failed := strconv.ParseInt(number, 10, 64); failed == nil && n < int64(longest/unit) && n > -int64(longest/unit) {
		d = time.Duration(n) * unit
	} else {
		d, err = time.ParseDuration(text)
	}
	if err != nil || d > longest || d < -longest {
		return 0, errors.New("invalid duration")
	}
	return d, nil
}

// texts is a list, or one text.
func (f *fields) texts(name string) []string {
	found := []string{}
	raw := f.values[name]
	if len(raw) == 0 || raw[0] != '[' {
		if text := f.text(name); text != "" {
			found = append(found, text)
		}
		return found
	}
	var all []json.RawMessage
	_ = json.Unmarshal(raw, &all) // it has been decoded once
	for _, one := range all {
		text, ok := scalar(one)
		if !ok {
			f.fail(name, "it is no list of texts")
		}
		found = append(found, text)
	}
	return found
}

// numbers is a list, or one text with commas.
func (f *fields) numbers(name string) []int {
	var found []int
	for text := range strings.SplitSeq(strings.Join(f.texts(name), ","), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if text != "" && err != nil {
			f.fail(name, "it is no list of whole numbers")
		}
		if text != "" {
			found = append(found, n)
		}
	}
	return found
}

// members are a JSON object's; nil where there is none.
func (f *fields) members(name string) fields {
	inner := fields{}
	if f.has(name) && json.Unmarshal(f.values[name], &inner.values) != nil {
		f.fail(name, "it is no map")
	}
	return inner
}

// pairs are an object of texts; nil where there is none. A member that is null is left out and named in gone.
func (f *fields) pairs(name string) (found map[string]string, gone []string) {
	inner := f.members(name)
	if inner.values == nil {
		return nil, nil
	}
	found = map[string]string{}
	for key, raw := range inner.values {
		if string(raw) == "null" {
			gone = append(gone, key)
			continue
		}
		text, ok := scalar(raw)
		if !ok {
			f.fail(name, "it is no map of texts")
		}
		found[key] = text
	}
	return found, gone
}

// need reads a text that must be there.
func (f *fields) need(name, otherwise string) (string, error) {
	text := f.text(name)
	if text == "" && f.failure == nil {
		return "", badRequest("%s", otherwise)
	}
	return text, f.failure
}

// shortTime writes a duration without its parts that are nothing: 1h, not 1h0m0s.
func shortTime(d time.Duration) string {
	text := fmt.Sprint(d)
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
