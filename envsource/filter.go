package envsource

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Filter names a transformation of a value inside ${vault:… | filter}.
type Filter string

var filters = map[Filter]func(string) string{
	"urlencode": urlencode,
	"base64":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"json":      jsonText,
}

// urlencode escapes s so that it may stand in any part of a URL, userinfo included: url.QueryEscape writes a
// space as "+", which only a query reads back as a space (RFC 3986 §2.1).
func urlencode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// jsonText is s as a JSON string, quotes included, with no HTML escaping.
func jsonText(s string) string {
	text, _ := encodeJSON(s) // a string always encodes
	return string(text)
}

// encodeJSON is json.Marshal without the escaping of <, > and &, which would change a value on its way.
func encodeJSON(v any) (json.RawMessage, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n")), nil
}

func filterNames() string {
	var names []string
	for f := range maps.Keys(filters) {
		names = append(names, string(f))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// EncodeData is the data of a write as Read.Data has it: compact JSON, keys sorted.
func EncodeData(data map[string]any) (json.RawMessage, error) {
	if data == nil {
		data = map[string]any{}
	}
	return encodeJSON(data)
}
