package parity

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/check"
)

var update = flag.Bool("update", false, "write the golden files")

const hush = "hush-this-is-a-value"

// rich is a tree with everything in it that a manifest can complain about.
var rich = map[string]string{
	"api-key":       `{"value":"` + hush + `"}`,
	"db":            `{"password":"` + hush + `","user":"app","old_password":"` + hush + `"}`,
	"db/replica":    `{"dsn":"` + hush + `"}`, // a folder and a secret of one name
	"smtp.host":     `{"value":"localhost"}`,
	"SMTP_HOST":     `{"value":"localhost"}`,
	"deleted":       "",
	"extra\x1b[31m": `{"value":"` + hush + `"}`,
	"service":       `{"json":"{\"port\":99999,\"key\":\"` + hush + `\"}"}`,
	"many":          `{"a":"` + hush + `","b":"2"}`,
	"root":          `{"value":"` + hush + `"}`,
	"same":          `{"value":"` + hush + `"}`,
}

const richManifest = `# what CI has
required_keys:
  API_KEY: {pattern: "^sk_", min_length: 40, not_older_than: 30m}
  db#password: {min_length: 8}
  db#user:
  db/replica:
  SMTP_HOST:
  DELETED:
  missing/one:
  service#json: {json_schema: {type: object, properties: {port: {type: integer, maximum: 65535}}}}
  many: {min_length: 1}
  same: {pattern: "^hush", not_older_than: 90d}
optional_keys: [not-there, "db#host"]
forbidden_keys: [root, db#old_password, debug]
`

func richReport(t *testing.T) check.Report {
	t.Helper()
	r, err := Compare(t.Context(), there(t, rich), manifest(t, richManifest))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func golden(t *testing.T, name string, r check.Report) {
	t.Helper()
	for _, format := range check.Formats {
		var b strings.Builder
		if err := check.Write(&b, format, false, r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "hush") {
			t.Errorf("%s has a value in it:\n%s", format, b.String())
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s moves the cursor", format)
		}
		file := filepath.Join("testdata", name+"."+format+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || b.String() != string(want) {
			t.Errorf("%s is\n%s(%v; -update writes it)", file, b.String(), err)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { golden(t, "rich", richReport(t)) })
}

// drift is what a report says, a finding a line.
func drift(r check.Report) string {
	var all []string
	for _, f := range r.Findings {
		text := f.Rule + " " + f.Subject
		if f.Warning {
			text += " (warning)"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	one := map[string]string{"": `{"API_KEY":"` + hush + `","db.host":"` + hush + `"}`}
	both := map[string]string{"": `{"own":"` + hush + `"}`, "db": `{"password":"` + hush + `"}`}
	for name, tt := range map[string]struct {
		secrets        map[string]string
		manifest, want string
	}{
		"same":                       {map[string]string{"a": `{}`, "b/c": `{}`}, "required_keys: [a, b/c]", ""},
		"missing":                    {map[string]string{"a": `{}`}, "required_keys: [a, b]", "missing b"},
		"nothing there":              {nil, "required_keys: [a]", "missing a"},
		"nothing wanted":             {nil, "required_keys: []", ""},
		"unlisted":                   {map[string]string{"a": `{}`}, "required_keys: []", "unlisted a"},
		"unlisted is told":           {map[string]string{"a": `{}`}, "unlisted: warn", "unlisted a (warning)"},
		"unlisted is ignored":        {map[string]string{"a": `{}`}, "unlisted: ignore", ""},
		"optional":                   {map[string]string{"a": `{}`}, "optional_keys: [a, b]", ""},
		"forbidden":                  {map[string]string{"a": `{}`}, "forbidden_keys: [a, b]", "forbidden a"},
		"normalized":                 {map[string]string{"db.host-name": `{}`}, "required_keys: [DB_HOST_NAME]", ""},
		"as written":                 {map[string]string{"db-host": `{}`}, "required_keys: [DB_HOST]\nnormalize: []", "unlisted db-host, missing DB_HOST"},
		"case alone":                 {map[string]string{"db-host": `{}`}, "required_keys: [DB-HOST]\nnormalize: [case]", ""},
		"two spellings":              {map[string]string{"a-b": `{}`, "A_B": `{}`}, "required_keys: [a_b]", "same-name A_B (warning)"},
		"field":                      {map[string]string{"db": `{"password":"x"}`}, "required_keys: [db#password]", ""},
		"field missing":              {map[string]string{"db": `{"password":"x"}`}, "required_keys: [db#password, db#user]", "missing db#user"},
		"field of none":              {map[string]string{"a": `{}`}, "required_keys: [a, db#user]", "missing db#user"},
		"field unlisted":             {map[string]string{"db": `{"password":"x","user":"y"}`}, "required_keys: [db#password]", "unlisted db#user"},
		"whole and field":            {map[string]string{"db": `{"password":"x","user":"y"}`}, "required_keys: [db, db#password]", ""},
		"field forbidden":            {map[string]string{"db": `{"password":"x","user":"y"}`}, "required_keys: [db]\nforbidden_keys: [db#user, db#root]", "forbidden db#user"},
		"field forbidden, unlisted":  {map[string]string{"db": `{"user":"y"}`}, "forbidden_keys: [db#root]", "unlisted db"},
		"one secret":                 {one, "required_keys: [API_KEY, DB_HOST]", ""},
		"one secret, with #":         {one, `required_keys: ["#API_KEY", "#DB_HOST"]`, ""},
		"one secret, unlisted":       {one, "required_keys: [API_KEY]", "unlisted db.host"},
		"one secret, missing":        {one, "required_keys: [API_KEY, DB_HOST, db#x]", "missing db#x"},
		"secret and folder":          {both, "required_keys: [db]", ""},
		"secret and folder, field":   {both, `required_keys: [db, "#own"]`, ""},
		"secret and folder, missing": {both, `required_keys: [db, "#own", "#other"]`, "missing #other"},
		"no secret but a folder":     {map[string]string{"db": `{}`}, `required_keys: [db, "#own"]`, "missing #own"},
		"deleted":                    {map[string]string{"a": ""}, "required_keys: [a]", "missing a"},
		"deleted, optional":          {map[string]string{"a": ""}, "optional_keys: [a]", ""},
		"deleted, with a rule":       {map[string]string{"a": ""}, "required_keys: {a: {min_length: 1}}", "missing a"},
		"a name with #":              {map[string]string{"a#b": `{"c#d":"x"}`}, `required_keys: ['a\#b#c\#d']`, ""},
		"pattern":                    {map[string]string{"a": `{"v":"sk_1"}`, "b": `{"v":"x"}`}, "required_keys: {a: {pattern: ^sk_}, b: {pattern: ^sk_}}", "pattern b"},
		"length":                     {map[string]string{"a": `{"v":"12345678"}`, "b": `{"v":1234567}`}, "required_keys: {a: {min_length: 8}, b: {min_length: 8}}", "too-short b"},
		"age":                        {map[string]string{"a": `{"v":1}`, "b": `{"v":1}`}, "required_keys: {a: {not_older_than: 1d}, b: {not_older_than: 59m}}", "too-old b"},
		"schema": {
			map[string]string{"a": `{"v":"5432"}`, "b": `{"v":{"port":"x"}}`, "c": `{"v":"{\"port\":\"x\"}"}`, "d": `{"v":"{1"}`},
			"required_keys: {a: {json_schema: {type: integer}}, b: &p {json_schema: {properties: {port: {type: integer}}}}, c: *p, d: {json_schema: {minLength: 2}}}",
			"json-schema b, json-schema c",
		},
		"which value":           {map[string]string{"a": `{"v":1,"w":2}`}, "required_keys: {a: {min_length: 1}}", "no-one-value a"},
		"optional, with a rule": {map[string]string{"a": `{"v":"x"}`}, "optional_keys: {a: {min_length: 2}, b: {min_length: 2}}", "too-short a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, err := Compare(t.Context(), there(t, tt.secrets), manifest(t, tt.manifest))
				if got := drift(r); got != tt.want || err != nil {
					t.Errorf("%s, %v; want %s\n%s", got, err, tt.want, r.Diff)
				}
				if strings.Contains(fmt.Sprint(r), "hush") {
					t.Errorf("a value in %v", r)
				}
			})
		})
	}
}

// A KV engine of version 1 does not know when a secret was written, and that is no "young enough".
func TestUnknownAge(t *testing.T) {
	t.Parallel()
	tree, err := List(t.Context(), &fake{secrets: map[string]string{"a": `{"v":1}`}}, "kv")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compare(t.Context(), tree, manifest(t, "required_keys: {a: {not_older_than: 1d}}"))
	if got := drift(r); got != "age-unknown a" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

// What is not asked for is not read: a manifest of names takes no permission to read values.
func TestNothingIsReadForNames(t *testing.T) {
	t.Parallel()
	f := &fake{secrets: map[string]string{"a": `{}`, "b": `{}`, "c": `{}`}, denied: "read"}
	tree, err := List(t.Context(), f, "secret")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compare(t.Context(), tree, manifest(t, "required_keys: [a, b]\noptional_keys: [c]"))
	if !r.Clean() || err != nil || f.reads != 0 || f.asked != 2 {
		t.Errorf("%v, %v, %d reads, %d asked", r, err, f.reads, f.asked)
	}
	f.denied = "written"
	r, err = Compare(t.Context(), tree, manifest(t, "required_keys: [a, b, c]"))
	if got := drift(r); got != "unsure  (warning)" || err != nil {
		t.Errorf("without metadata: %q, %v", got, err)
	}
	_, err = Compare(t.Context(), tree, manifest(t, "required_keys: {a: {not_older_than: 1d}}"))
	if !errors.Is(err, envsource.ErrDenied) {
		t.Errorf("an age without metadata: %v", err)
	}
	f.denied = "read"
	_, err = Compare(t.Context(), tree, manifest(t, "required_keys: [a#x]"))
	if !errors.Is(err, envsource.ErrDenied) {
		t.Errorf("a field that may not be read: %v", err)
	}
	f.denied = "list"
	if _, err = List(t.Context(), f, "secret"); !errors.Is(err, envsource.ErrDenied) {
		t.Errorf("a folder that may not be listed: %v", err)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	tree := Variables("vwrap.yaml", map[string]string{"API_KEY": "sk_" + hush, "DB_HOST": "h"})
	r, err := Compare(t.Context(), tree, manifest(t, "required_keys: {api-key: {pattern: ^sk_}, db-password: }\noptional_keys: [db.host]"))
	if got := drift(r); got != "missing db-password" || err != nil || r.Findings[0].Mend != "set it in vwrap.yaml" {
		t.Errorf("%s, %v", got, err)
	}
}

// A quota is waited for; an outage is not.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		tree, err := List(t.Context(), &fake{secrets: map[string]string{"a": `{}`}, busy: 3}, "secret")
		if err != nil || len(tree.names) != 1 || time.Since(begin) != 3*time.Second {
			t.Errorf("%v, %v after %s", tree.names, err, time.Since(begin))
		}
		if _, err := List(t.Context(), &fake{busy: 100}, "secret"); !errors.Is(err, envsource.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	})
}

// What is written from a tree holds of that tree.
func TestWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, secrets := range []map[string]string{
			nil, {"longer-name": `{}`, "b": `{}`, "a/c": `{}`, "a": `{}`}, {"": `{"API_KEY":1,"#":2,"a b":3}`}, {"a-b": `{}`, "A_B": `{}`}, {"#x": `{}`, "true": `{}`, "1": `{}`, "a\nb": `{}`, "- x": `{}`},
		} {
			tree := there(t, secrets)
			text := Write(tree)
			r, err := Compare(t.Context(), tree, manifest(t, string(text)))
			if err != nil || !r.Clean() {
				t.Errorf("%s: %v, %v", text, r, err)
			}
		}
		if got := string(Write(there(t, map[string]string{"longer-name": `{}`, "b": `{}`, "a/c": `{}`, "true": `{}`}))); got != "# The keys of secret/dev.\nrequired_keys:\n  - a/c\n  - b\n  - longer-name\n  - \"true\"\n" {
			t.Errorf("%s", got)
		}
	})
}
