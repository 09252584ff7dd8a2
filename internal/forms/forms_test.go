package forms

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, as, text string }{
		{"hunter2hunter2", "", "hunter2hunter2"},
		{"hunter2hunter2", "as base64", "aHVudGVyMmh1bnRlcj"},
		{"hunter2hunter2", "as hex", "68756e7465723268756e74657232"},
		{"hunter2hunter2", "as hex", "68756E7465723268756E74657232"},
		{"hunter2hunter2", "as UTF-16", "h\x00u\x00n\x00t\x00e\x00r\x002\x00h\x00u\x00n\x00t\x00e\x00r\x002\x00"},
		{"p@ss w/rd?", "URL-escaped", "p%40ss+w%2Frd%3F"},
		{"p@ss w/rd?", "URL-escaped", "p%40ss+w%2frd%3f"},
		{"p@ss w/rd?", "URL-escaped", "p@ss%20w%2Frd%3F"},
		{"p@ss w/rd?", "URL-escaped", "p%40ss%20w/rd%3F"},
		{`say "no\way"`, "JSON-escaped", `say \"no\\way\"`},
		{`say "no\way"`, "JSON-escaped", `say \u0022no\\way\u0022`},
		{"tom&jerry<3", "JSON-escaped", `tom\u0026jerry\u003c3`},
		{"tom&jerry<3", "JSON-escaped", `tom\u0026jerry\u003C3`},
		{"über/straße", "JSON-escaped", `\u00fcber/stra\u00dfe`},
		{"über/straße", "JSON-escaped", `\u00fcber\/stra\u00dfe`},
		{"over the 😀", "JSON-escaped", `over the \ud83d\ude00`},
		{"it's a value", "shell-escaped", `it'\''s a value`},
		{"it's a value", "shell-escaped", `it'"'"'s a value`},
		{"it's a value", "shell-escaped", `it\'s\ a\ value`},
		{"it's a value", "with its quotes doubled", `it''s a value`},
		{"cost $5 `now`", "shell-escaped", "cost \\$5 \\`now\\`"},
		{"two\nlines\x1b", "shell-escaped", `two\nlines\E`},
		{"-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\nshort\n-----END KEY-----", "in part (a line of it)", "MC4CAQAwBQYDK2VwBCIEIA"},
	} {
		if !slices.Contains(Of(c.value), Form{c.as, c.text}) {
			t.Errorf("%q %s has no %q", c.value, c.as, c.text)
		}
	}
	if n := len(Of("hunter2hunter2")); n != 7 {
		t.Errorf("a plain value has %d forms", n)
	}
}

// What real encoders write has one of the forms in it.
func TestFormsOfEncoders(t *testing.T) {
	t.Parallel()
	encoders := map[string]func(string) string{
		"raw":   func(v string) string { return "x" + v + "y" },
		"hex":   func(v string) string { return hex.EncodeToString([]byte(v)) },
		"query": func(v string) string { return url.QueryEscape(v) },
		"path":  func(v string) string { return url.PathEscape(v) },
		"user": func(v string) string {
			return (&url.URL{Scheme: "a", User: url.UserPassword("u", v), Host: "h"}).String()
		},
		"json": func(v string) string { b, _ := json.Marshal([]string{v}); return string(b) },
		"json without HTML": func(v string) string {
			var b strings.Builder
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			_ = e.Encode(map[string]string{"a": v})
			return b.String()
		},
	}
	for name, e := range map[string]*base64.Encoding{"std": base64.StdEncoding, "raw std": base64.RawStdEncoding, "url": base64.URLEncoding, "raw url": base64.RawURLEncoding} {
		for _, before := range []string{"", "a", "ab", "abc", "user:"} {
			encoders["base64 "+name+" after "+before] = func(v string) string { return e.EncodeToString([]byte(before + v + "\xff?")) }
			encoders["base64 "+name+" at the end after "+before] = func(v string) string { return e.EncodeToString([]byte(before + v)) }
		}
	}
	r := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		v := strings.TrimSpace(randomValue(r))
		for name, encode := range encoders {
			if len(v) >= 8 && !hasForm(v, encode(v)) {
				t.Errorf("%s of %q is %q, which has no form of it", name, v, encode(v))
			}
		}
	}
}

func hasForm(value, text string) bool {
	return slices.ContainsFunc(Of(value), func(f Form) bool { return strings.Contains(text, f.Text) })
}

// The same of programs, where they are installed.
func TestFormsOfPrograms(t *testing.T) {
	t.Parallel()
	programs := map[string][]string{
		"printf %q":  {"bash", "-c", `printf %q "$1"`, "-"},
		"@Q":         {"bash", "-c", `echo "${1@Q}"`, "-"},
		"declare":    {"bash", "-c", `a=$1; declare -p a; export a; export -p`, "-"},
		"set":        {"bash", "-c", `secret=$1; set`, "-"},
		"xtrace":     {"bash", "-c", `exec 2>&1; set -x; true "$1"`, "-"},
		"json":       {"python3", "-c", `import json,sys; print(json.dumps(sys.argv[1]))`},
		"quote":      {"python3", "-c", `import sys,urllib.parse; print(urllib.parse.quote(sys.argv[1]))`},
		"quote_plus": {"python3", "-c", `import sys,urllib.parse; print(urllib.parse.quote_plus(sys.argv[1]))`},
		"shlex":      {"python3", "-c", `import sys,shlex; print(shlex.quote(sys.argv[1]))`},
		"jq":         {"jq", "-n", "--arg", "a", "", "$a"},
		"node":       {"node", "-e", `a=process.argv[1];console.log(process.env.HOW=='u'?encodeURI(a):encodeURIComponent(a))`},
		"forms":      {"node", "-e", `console.log(new URLSearchParams({a:process.argv[1]}).toString())`},
	}
	values := []string{
		"plain-value-1", "it's a \"va\\lue\" for $5", "a,b;c&d|e<f>g(h)i*j?", "~tilde#hash!bang^", "#hash~tilde", "über/straße 漢😀", "tab\tand\nline\x1b\x01",
		"p@ss:w/rd?x=1&y=[2]{3}%20+4", "back`tick`$(id)",
	}
	for name, argv := range programs {
		if _, err := exec.LookPath(argv[0]); err != nil {
			continue
		}
		for _, v := range values {
			args := slices.Clone(argv)
			if i := slices.Index(args, ""); i > 0 {
				args[i] = v
			} else {
				args = append(args, v)
			}
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "PYTHONIOENCODING=utf-8"}
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !hasForm(v, string(out)) {
				t.Errorf("%s of %q is %q, which has no form of it", name, v, out)
			}
		}
	}
}

func FuzzForms(f *testing.F) {
	f.Add("it's \"a\" value", "prefix")
	f.Fuzz(func(t *testing.T, v, before string) {
		if len(v) < 8 {
			t.Skip()
		}
		texts := []string{url.QueryEscape(v), url.PathEscape(v), base64.StdEncoding.EncodeToString([]byte(before + v + before)), hex.EncodeToString([]byte(v))}
		if utf8.ValidString(v) {
			b, _ := json.Marshal(v)
			texts = append(texts, string(b))
		}
		for _, text := range texts {
			if !hasForm(v, text) {
				t.Errorf("%q has no form of %q", text, v)
			}
		}
	})
}

func randomValue(r *rand.Rand) string {
	alphabet := []rune([]string{"abcXYZ019", "ab\n'\"\\$` ", "aé漢😀/&?%", "\x01\x1b\x7f~#!<>", "aa"}[r.IntN(5)])
	var b strings.Builder
	for b.Len() < 8+r.IntN(40) {
		b.WriteRune(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}
