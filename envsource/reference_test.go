package envsource

import (
	"errors"
	"strings"
	"testing"
)

func TestParseTemplate(t *testing.T) {
	for _, tt := range []struct {
		text string
		refs []string // path#field of each reference, with what else is set
	}{
		{"plain", nil},
		{"", nil},
		{"literal:vault:secret/a#b", nil},
		{"vault:v1:GyAfOg/uG5+hfoJk0=", nil}, // what transit encrypts to
		{"vault:v12/a#b", []string{"v12/a#b"}},
		{"vault:secret/dev/db#password", []string{"secret/dev/db#password"}},
		{"vault:/secret/dev/db/#password", []string{"secret/dev/db#password"}},
		{"vault:secret/a#b?version=3", []string{"secret/a#b version=3"}},
		{"vault:secret/a#b#3", []string{"secret/a#b version=3"}},
		{"vault:secret/a#b?optional", []string{"secret/a#b optional"}},
		{"vault:secret/a#b?namespace=team%2Fa&optional", []string{"team/a secret/a#b optional"}},
		{"vault:secret/a#/x/y~1z", []string{"secret/a#/x/y~1z"}},
		{"a ${vault:secret/a#b} c ${vault:secret/d#e | urlencode | base64}", []string{"secret/a#b", "secret/d#e|urlencode|base64"}},
		{"${HOME} ${vault:secret/a#b}", []string{"secret/a#b"}},
		{"file:/run/secrets/x", []string{"file:/run/secrets/x"}},
		{"dotenv:.env.defaults#KEY", []string{"dotenv:.env.defaults#KEY"}},
	} {
		got, err := ParseTemplate(tt.text)
		if err != nil {
			t.Errorf("ParseTemplate(%q): %v", tt.text, err)
			continue
		}
		var refs []string
		for _, r := range got.Refs() {
			refs = append(refs, show(r))
		}
		if strings.Join(refs, ", ") != strings.Join(tt.refs, ", ") {
			t.Errorf("ParseTemplate(%q) = %q, want %q", tt.text, refs, tt.refs)
		}
	}
}

// show writes r the way the tests above name it.
func show(r Ref) string {
	s := r.Read.Path + "#" + r.Field
	switch r.Read.Source {
	case SourceFile:
		return "file:" + r.Read.Path
	case SourceDotenv:
		return "dotenv:" + r.Read.Path + "#" + r.Field
	}
	if len(r.Pointer) > 0 {
		for _, token := range r.Pointer {
			s += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
		}
	}
	if r.Read.Namespace != "" {
		s = r.Read.Namespace + " " + s
	}
	if r.Read.Version != 0 {
		s += " version=" + string(rune('0'+r.Read.Version))
	}
	if r.Optional {
		s += " optional"
	}
	for _, f := range r.Filters {
		s += "|" + string(f)
	}
	return s
}

func TestParseTemplateRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"vault:":                               `malformed reference at position 7: the path is empty (want vault:PATH#FIELD)`,
		"vault:secret/a":                       `malformed reference at position 15: "secret/a" names no field (want vault:PATH#FIELD)`,
		"vault:secret/a#":                      `malformed reference at position 15: "secret/a" names no field (want vault:PATH#FIELD)`,
		"vault:sec ret/a#b":                    `malformed reference at position 10: " " cannot stand in a path`,
		"vault:secret/a#b?version=0":           `malformed reference at position 26: a version is a number from 1, not "0"`,
		"vault:secret/a#b?verzion=1":           `malformed reference at position 18: unknown option "verzion" (known: optional, version=N, namespace=NAME)`,
		"x ${vault:secret/a#b":                 `malformed reference at position 3: "${vault:" has no closing "}"`,
		"${vault:secret/a#b | rot13}":          `malformed reference at position 22: unknown filter "rot13" (known: base64, json, urlencode)`,
		"${vault:secret/a}":                    `malformed reference at position 17: "secret/a" names no field (want vault:PATH#FIELD)`,
		"file:":                                `malformed reference at position 6: the path is empty (want file:/run/secrets/NAME)`,
		"dotenv:.env":                          `malformed reference at position 12: ".env" names no key (want dotenv:FILE#KEY)`,
		"vault:secret/a#b?version=1&version=2": `malformed reference at position 36: two versions are named`,
	} {
		_, err := ParseTemplate(text)
		if err == nil || err.Error() != want || !errors.Is(err, ErrReference) {
			t.Errorf("ParseTemplate(%q): %v, want %s", text, err, want)
		}
	}
}

func TestInheritedTextIsAReferenceOnlyWithVault(t *testing.T) {
	for text, want := range map[string]bool{
		"file:./dev.db": false, "dotenv:x#y": false, "literal:x": false, "plain": false,
		"vault:secret/a#b": true, "x${vault:secret/a#b}": true,
	} {
		if got := IsInheritedReference(text); got != want {
			t.Errorf("IsInheritedReference(%q) = %v", text, got)
		}
	}
}

func FuzzParseTemplate(f *testing.F) {
	for _, seed := range []string{"vault:a#b", "${vault:a#b|json}", "vault:a#/b?version=1&optional", "file:x", "dotenv:x#y", "vault:#?&=", "${vault:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseTemplate(text)
		if err != nil {
			if !errors.Is(err, ErrReference) {
				t.Errorf("%v is not ErrReference", err)
			}
			return
		}
		for _, ref := range parsed.Refs() {
			if ref.Read.Path == "" {
				t.Errorf("%q has a reference without a path", text)
			}
		}
	})
}
