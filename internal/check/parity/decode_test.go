package parity

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestManifestForms(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"list":              "required_keys: [a, b#c]",
		"mapping":           "required_keys:\n  a:\n  b#c: {min_length: 0}\n",
		"BOM and CRLF":      "\ufeff# keys\r\nrequired_keys:\r\n  - a # the first\r\n  - b#c\r\n",
		"JSON":              `{"required_keys": ["a", "b#c"]}`,
		"JSON with tabs":    "{\n\t\"required_keys\": [\n\t\t\"a\",\n\t\t\"b#c\"\n\t]\n}\n",
		"JSON with mapping": `{"required_keys": {"a": {}, "b#c": null}}`,
		"slashes":           "required_keys: [/a/, b#c]",
		"somebody else's":   "x-owner: {team: a}\nrequired_keys: [a, b#c]",
		"empty lists":       "required_keys: [a, b#c]\noptional_keys: []\nforbidden_keys:\n",
		"an alias":          "x-c: &c b#c\nrequired_keys: [a, *c]",
	} {
		m, err := ParseManifest([]byte(text), name)
		if err != nil || len(m.keys) != 2 || m.keys[0].secret != "a" || m.keys[1].secret != "b" || m.keys[1].field != "c" || m.keys[1].need != required {
			t.Errorf("%s: %+v, %v", name, m.keys, err)
		}
	}
	m := manifest(t, "required_keys: {a: {pattern: '^x', min_length: 3, not_older_than: 1d12h, json_schema: {type: string}}}\nunlisted: warn\nnormalize: [separators]")
	if r := m.keys[0].rules; !r.pattern.MatchString("xy") || r.minLength != 3 || r.notOlderThan != 36*time.Hour || r.schema == nil || m.fold != (fold{separators: true}) || m.unlisted != "warn" {
		t.Errorf("%+v", m)
	}
	for text, want := range map[string]bool{"required_keys: [a]": false, "required_keys: {a: {not_older_than: 1h}}": false, "optional_keys: [a#b]": true, "required_keys: {a: {pattern: x}}": true} {
		if m := manifest(t, text); m.NeedsValues() != want {
			t.Errorf("%s: NeedsValues is not %v", text, want)
		}
	}
}

// An address with credentials in it is told without them, and is no file that a finding could point into.
func TestManifestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ci/keys.yaml": "ci/keys.yaml", "-": "standard input", "https://u:" + hush + "@ci/keys?token=" + hush: "https://ci/keys", "https://" + hush + ":" + hush + "/": "the manifest",
	} {
		m, err := ParseManifest([]byte("required_keys: [a]"), name)
		if m.String() != want || err != nil {
			t.Errorf("%s, %v", m, err)
		}
		r, err := Compare(t.Context(), there(t, nil), m)
		if err != nil || (r.Findings[0].File != "") != (want == name) || strings.Contains(r.Diff+r.Summary, hush) {
			t.Errorf("%v, %v", r, err)
		}
		if _, err := ParseManifest([]byte("a"), name); err == nil || !strings.HasPrefix(err.Error(), want+":1:1: ") {
			t.Errorf("%v", err)
		}
	}
}

func TestManifestMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "ci:1:1: the manifest is empty: write at least: required_keys: []",
		"[a]":                       "ci:1:1: the manifest: want a mapping, got a list",
		"requird_keys: [a]":         `ci:1:1: unknown key "requird_keys" in the manifest (did you mean "required_keys"?)`,
		"\nzzzzzzzzz: 1":            `ci:2:1: unknown key "zzzzzzzzz" in the manifest (known: forbidden_keys, normalize, optional_keys, required_keys, unlisted)`,
		"a: [":                      "ci:1:1: neither YAML nor JSON: did not find expected node content",
		"a: 1\n---\nb: 1":           "ci:2:1: a second document: one file, one manifest",
		"required_keys: a":          "ci:1:16: required_keys: want a list of names, or a mapping from names to rules, got text",
		"required_keys:\n  - #A":    "ci:2:4: required_keys: want a name, got nothing (one that begins with # wants quotes)",
		"required_keys: [[a]]":      "ci:1:17: required_keys: want a name, got a list (one that begins with # wants quotes)",
		"required_keys: ['a#']":     `ci:1:17: required_keys: "a#" is no name: want SECRET, SECRET#FIELD or #FIELD`,
		"required_keys: ['/']":      `ci:1:17: required_keys: "/" is no name: want SECRET, SECRET#FIELD or #FIELD`,
		"required_keys: [a, a]":     "ci:1:1: a stands twice (first in line 1, under required_keys)",
		"required_keys: {a: , a: }": `ci:1:22: "a" stands twice in required_keys (first in line 1)`,
		"required_keys: [a-b]\nforbidden_keys: [A_B]": "ci:2:1: A_B and a-b (line 1, under required_keys) are one key: normalize: [] would tell them apart",
		"forbidden_keys: {a: {}}":                     "ci:1:17: forbidden_keys: want a list: what must not be there has no rules",
		"required_keys: {a: {patern: x}}":             `ci:1:21: unknown key "patern" in a (did you mean "pattern"?)`,
		"required_keys: {a: {pattern: '('}}":          "ci:1:30: pattern: error parsing regexp: missing closing ): `(` (RE2: neither look-around nor back-references)",
		"required_keys: {a: {min_length: -1}}":        "ci:1:33: min_length: want a whole number from 0, got a number",
		"required_keys: {a: {not_older_than: 3}}":     "ci:1:37: not_older_than: want a duration as 90d, 12h or 1d12h, got a number",
		"required_keys: {a: {not_older_than: 0d}}":    "ci:1:37: not_older_than: want a duration as 90d, 12h or 1d12h, got text",
		"required_keys: {a: x}":                       "ci:1:20: a: want a mapping, got text",
		"unlisted: no":                                "ci:1:11: unlisted: want one of drift, warn, ignore",
		"normalize: case":                             "ci:1:12: normalize: want a list of case and separators, or [] for neither, got text",
		"normalize: [kase]":                           "ci:1:13: normalize: want one of case, separators",
		"required_keys: {a: {json_schema: {format: email}}}": `ci:1:35: unknown key "format" in json_schema (known: $comment, $id, $schema, additionalProperties, allOf, const, default, deprecated, description, ` +
			`enum, examples, exclusiveMaximum, exclusiveMinimum, items, maxItems, maxLength, maximum, minItems, minLength, minimum, pattern, properties, required, title, type)`,
		"required_keys: {a: {json_schema: {type: text}}}": "ci:1:41: type: want one of null, boolean, object, array, number, integer, string",
	} {
		if _, err := ParseManifest([]byte(text), "ci"); err == nil || err.Error() != want {
			t.Errorf("%q:\n%v, want\n%s", text, err, want)
		}
	}
	if _, err := ParseManifest([]byte("a: 1\nb: 2\nunlisted: x"), "ci"); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not all is told: %v", err)
	}
}

// An alias that stands for itself many times over ends.
func TestManifestBomb(t *testing.T) {
	t.Parallel()
	text := "x-a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := byte('b'); c < 'j'; c++ {
		before := string(c - 1)
		text += "x-" + string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+before+",", 9) + "*" + before + "]\n"
	}
	for _, schema := range []string{"{const: *i}", "{enum: *i}"} {
		_, err := ParseManifest([]byte(text+"required_keys: {a: {json_schema: "+schema+"}}\n"), "ci")
		if err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("%s: %v", schema, err)
		}
	}
	text = "x-a: &a {type: string}\n"
	for c := byte('b'); c < 'j'; c++ {
		before := string(c - 1)
		text += "x-" + string(c) + ": &" + string(c) + " {allOf: [" + strings.Repeat("*"+before+",", 9) + "*" + before + "]}\n"
	}
	if _, err := ParseManifest([]byte(text+"required_keys: {a: {json_schema: *i}}"), "ci"); err == nil || !strings.Contains(err.Error(), "too large: more than 10000 schemas") {
		t.Errorf("%v", err)
	}
}

func FuzzParseManifest(f *testing.F) {
	for _, seed := range []string{richManifest, "{\n\t\"required_keys\": [\"a\\u00e9\", \"b#c\"]}", "x: &a [*a]", "required_keys: {a: {json_schema: &s {properties: {x: *s}}}}", "\ufeffrequired_keys:\r\n- a\r\n", "normalize: []\nrequired_keys: ['\\#']"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text, "ci")
		if err != nil {
			return
		}
		tree := there(t, map[string]string{"a": `{"v":"` + hush + `"}`, "": `{"c":1}`})
		r, err := Compare(t.Context(), tree, m)
		if err != nil {
			t.Fatal(err)
		}
		if encoded, _ := json.Marshal(r); strings.Contains(string(encoded), "this-is-a-value") && !strings.Contains(string(text), "this-is-a-value") {
			t.Errorf("a value in %s", encoded)
		}
	})
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for text, values := range map[string][2][]string{ // the ones it allows, the ones it does not
		"{}":                           {{`1`, `"x"`, `null`, `{}`, `[]`}, nil},
		"true":                         {{`1`}, nil},
		"false":                        {nil, {`1`, `"x"`}},
		"{type: string}":               {{`"x"`, `"1"`}, {`1`, `null`, `"{}"`}},
		"{type: integer}":              {{`1`, `1.0`, `"7"`}, {`1.5`, `"x"`}},
		"{type: [number, 'null']}":     {{`1.5`, `null`, `"null"`}, {`true`, `"x"`}},
		"{type: boolean}":              {{`true`, `"false"`}, {`"yes"`}},
		"{enum: [a, 1, null, [1]]}":    {{`"a"`, `1`, `1.0`, `null`, `[1]`, `"[1.0]"`}, {`"b"`, `2`, `[2]`, `false`}},
		"{const: {a: 1}}":              {{`{"a":1}`, `"{\"a\":1.0}"`}, {`{"a":2}`, `{"b":1}`, `{}`}},
		"{const: 9007199254740993}":    {{`9007199254740993`}, {`9007199254740992`}},
		"{minLength: 2, maxLength: 3}": {{`"äö"`, `"abc"`}, {`"ä"`, `"abcd"`}},
		"{pattern: '^a'}":              {{`"ab"`, `1`}, {`"ba"`}},
		"{minimum: 1, maximum: 5}":     {{`1`, `5`}, {`0`, `5.1`, `1e999`}},
		"{type: number, exclusiveMinimum: 1, exclusiveMaximum: 2}": {{`1.5`}, {`1`, `2`}},
		"{required: [a]}": {{`{"a":1}`}, {`{}`, `"{}"`}},
		"{properties: {a: {type: integer}}, additionalProperties: false}": {{`{"a":1}`, `{}`}, {`{"a":"x"}`, `{"b":1}`}},
		"{additionalProperties: {type: string}}":                          {{`{"a":"x"}`}, {`{"a":1}`}},
		"{items: {type: integer}, minItems: 1, maxItems: 2}":              {{`[1]`, `"[1,2]"`}, {`[]`, `["x"]`, `[1,2,3]`}},
		"{allOf: [{minimum: 1}, {maximum: 2}]}":                           {{`1`}, {`0`, `3`}},
	} {
		m := manifest(t, "required_keys: {a: {json_schema: "+text+"}}")
		for i, list := range values {
			for _, value := range list {
				if got := m.keys[0].rules.schema.allowsRaw(json.RawMessage(value)); got != (i == 0) {
					t.Errorf("%s, %s: %v", text, value, got)
				}
			}
		}
	}
}
