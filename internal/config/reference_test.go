package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// described is a part of vwrap.schema.json: what the reference says of a key.
type described struct {
	Type        any           `json:"type"`
	Description string        `json:"description"`
	Default     any           `json:"default"`
	Enum        []any         `json:"enum"`
	AllOf       []described   `json:"allOf"`
	Ref         string        `json:"$ref"`
	Properties  orderedFields `json:"properties"`
	Items       *described    `json:"items"`
	More        *described    `json:"-"`
}

// orderedFields are the properties of an object, in the order of the file.
type orderedFields []struct {
	name string
	described
}

func (f *orderedFields) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var of described
		if err := d.Decode(&of); err != nil {
			return err
		}
		*f = append(*f, struct {
			name string
			described
		}{name.(string), of})
	}
	return nil
}

func (s *described) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, []byte("false")) || bytes.Equal(text, []byte("true")) {
		return nil
	}
	type plain described
	var more struct {
		More *described `json:"additionalProperties"`
	}
	if err := json.Unmarshal(text, (*plain)(s)); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &more); err != nil {
		return err
	}
	if more.More != nil && !reflect.DeepEqual(*more.More, described{}) {
		s.More = more.More
	}
	return nil
}

// form is what may stand there.
func (s described) form() string {
	switch {
	case len(s.Enum) > 0:
		var words []string
		for _, w := range s.Enum {
			words = append(words, fmt.Sprintf("`%v`", w))
		}
		return strings.Join(words, ", ")
	case len(s.AllOf) > 0 && strings.HasSuffix(s.AllOf[0].Ref, "/duration"):
		return "a duration"
	case s.Items != nil:
		return "a list"
	case s.Properties != nil || s.More != nil || s.Type == "object":
		return "a mapping"
	case s.Type == "boolean":
		return "`true`, `false`"
	case s.Type == "number":
		return "a number"
	}
	return "text"
}

// rows writes one row for each key below s.
func (s described) rows(w *strings.Builder, path string) {
	for _, p := range s.Properties {
		p.row(w, strings.TrimPrefix(path+"."+p.name, "."))
	}
	if s.More != nil && s.More.Ref == "" && (s.More.Properties != nil || s.More.Description != "") {
		s.More.rows(w, path+".NAME")
	}
	if s.Items != nil {
		s.Items.rows(w, path+"[]")
	}
}

func (s described) row(w *strings.Builder, path string) {
	if len(s.Properties) == 0 || s.Description != "" {
		initial := ""
		if s.Default != nil {
			initial = fmt.Sprintf("`%v`", s.Default)
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", path, s.form(), initial, strings.ReplaceAll(s.Description, "|", `\|`))
	}
	if path != "profiles" {
		s.rows(w, path)
	}
}

// explained are the pages about what stands under a key.
var explained = map[string]string{
	"vault": "[Logins](logins.md), [trust](configuration.md#trust)", "env": "[References](references.md)",
	"secrets": "[Whole secrets](references.md#whole-secrets)", "fallback": "[Which value wins](references.md#which-value-wins)",
	"rotation": "[Rotation](rotation.md), [overlap](overlap.md)", "live": "[The live channel](control.md#the-live-channel)",
	"dev": "[A development Vault](dev.md), [what is in it](dev-seeding.md)", "check": "[Checks](check.md)",
	"profiles": "`vwrap -P NAME`",
}

const referenceHead = `# vwrap.yaml: every key

Made from ` + "[vwrap.schema.json](../vwrap.schema.json)" + `, which tells editors the same; a test holds both against vwrap. [Where the file is looked for](configuration.md#vwrapyaml), and what wins
over it. Durations have a unit: ` + "`2s`, `1h30m`" + `. An unknown key is an error that shows its place and the nearest known one. For an editor, as the first line:

` + "```yaml\n# yaml-language-server: $schema=https://github.com/vwrap/vwrap/releases/latest/download/vwrap.schema.json\n```\n"

// reference is docs/reference.md.
func reference(s described) string {
	var w strings.Builder
	w.WriteString(referenceHead)
	for _, p := range s.Properties {
		if p.name == "live_users" { // with live
			continue
		}
		fmt.Fprintf(&w, "\n## %s\n\n", p.name)
		if also := explained[p.name]; also != "" {
			fmt.Fprintf(&w, "%s.\n\n", also)
		}
		w.WriteString("| key | value | default | |\n|---|---|---|---|\n")
		p.row(&w, p.name)
		if p.name == "live" {
			i := slices.IndexFunc(s.Properties, func(q struct {
				name string
				described
			},
			) bool {
				return q.name == "live_users"
			})
			s.Properties[i].row(&w, "live_users")
		}
	}
	return w.String()
}

func readSchema(t *testing.T) (s described) {
	t.Helper()
	text, err := os.ReadFile("../../vwrap.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The reference is the schema's: VWRAP_WRITE=1 writes it.
func TestReference(t *testing.T) {
	const page = "../../docs/reference.md"
	want := reference(readSchema(t))
	if os.Getenv("VWRAP_WRITE") != "" {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != want {
		t.Errorf("docs/reference.md is not what vwrap.schema.json says (%v): make docs writes it", err)
	}
}

// What the schema calls a default is one: saying it changes nothing, and saying something else does.
func TestSchemaDefaults(t *testing.T) {
	without := loaded(t, "version: 1\n")
	checked := 0
	var walk func(s described, path []string)
	walk = func(s described, path []string) {
		for _, p := range s.Properties {
			walk(p.described, append(slices.Clone(path), p.name))
		}
		if s.Default == nil {
			return
		}
		key := strings.Join(path, ".")
		switch key {
		case "vault.auth.token_file", "vault.auth.method", "vault.auth.secret_id_wrapped", "dev.server": // applied where they are used
			return
		case "rotation.action": // what was said holds for a shell too
			return
		}
		checked++
		if with := loaded(t, nested(path, fmt.Sprint(s.Default))); !reflect.DeepEqual(with, without) {
			t.Errorf("%s: %v is not the default", key, s.Default)
		}
		if other := loaded(t, nested(path, another(s))); reflect.DeepEqual(other, without) {
			t.Errorf("%s: it makes no difference what is said", key)
		}
	}
	walk(readSchema(t), nil)
	if checked < 12 {
		t.Errorf("only %d defaults are looked at", checked)
	}
}

// another is a value that is not the default.
func another(s described) string {
	switch {
	case len(s.Enum) > 0:
		return fmt.Sprint(s.Enum[len(s.Enum)-1])
	case s.form() == "a duration":
		return "77s"
	case s.Type == "number":
		return "0.5"
	}
	return "USR1"
}

// nested is the YAML that says value at path.
func nested(path []string, value string) string {
	text := "version: 1\n"
	for depth, key := range path {
		text += strings.Repeat("  ", depth) + key + ":"
		if depth < len(path)-1 {
			text += "\n"
		}
	}
	return text + " " + value + "\n"
}

func loaded(t *testing.T, text string) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vwrap.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c.File = ""
	return c
}
