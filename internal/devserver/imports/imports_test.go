package imports_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/envsource/dotenv"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/devserver/imports"
)

const old = "\ufeff# the database\r\nexport DB_PASSWORD=\"hunter22\" # rotate me\r\n\r\nAPI_KEY = k3y-0123\nDEBUG=\nREF=vault:secret/a#b\nURL=${vault:secret/a#b}x\nSQLITE=file:./dev.db\nCERT='-----BEGIN\nabc\n-----END'\nLAST: \"it's\""

func TestRead(t *testing.T) {
	t.Parallel()
	f, err := imports.Read([]byte(old), "secret/dev/app", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "DB_PASSWORD API_KEY CERT LAST"; strings.Join(f.Moves, " ") != want || strings.Join(f.Stays, " ") != "DEBUG REF URL SQLITE" {
		t.Errorf("moves %q, stays %q", f.Moves, f.Stays)
	}
	if want := map[string]any{"DB_PASSWORD": "hunter22", "API_KEY": "k3y-0123", "CERT": "-----BEGIN\nabc\n-----END", "LAST": "it's"}; !maps.Equal(f.Fields(), want) {
		t.Error(f.Fields())
	}
	want := "\ufeff# the database\r\nexport DB_PASSWORD=\"vault:secret/dev/app#DB_PASSWORD\" # rotate me\r\n\r\nAPI_KEY = vault:secret/dev/app#API_KEY\nDEBUG=\nREF=vault:secret/a#b\n" +
		"URL=${vault:secret/a#b}x\nSQLITE=file:./dev.db\nCERT='vault:secret/dev/app#CERT'\nLAST: \"vault:secret/dev/app#LAST\""
	if got := string(f.Rewritten()); got != want {
		t.Errorf("got:\n%q\nwant:\n%q", got, want)
	}
	if got := f.References(); !slices.Equal(got[:2], []string{"DB_PASSWORD=vault:secret/dev/app#DB_PASSWORD", "API_KEY=vault:secret/dev/app#API_KEY"}) || len(got) != 4 {
		t.Error(got)
	}
	again, err := imports.Read(f.Rewritten(), "secret/dev/app", nil)
	if err != nil || len(again.Moves) > 0 {
		t.Errorf("a rewritten file: %q moves, %v", again.Moves, err)
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	f, err := imports.Read([]byte(old), "secret/dev/app", []string{"API_KEY", "REF"})
	if err != nil || !slices.Equal(f.Moves, []string{"API_KEY"}) || !strings.Contains(string(f.Rewritten()), "hunter22") {
		t.Errorf("%q, %v", f.Moves, err)
	}
	_, err = imports.Read([]byte(old), "secret/dev/app", []string{"NONE"})
	if err == nil || err.Error() != "NONE is not in the file" {
		t.Error(err)
	}
}

// The diff has the right places, and no value.
func TestDiff(t *testing.T) {
	t.Parallel()
	f, err := imports.Read([]byte(old), "secret/dev/app", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `--- .env
+++ .env
@@ -2 +2 @@
-export DB_PASSWORD=… # …
+export DB_PASSWORD="vault:secret/dev/app#DB_PASSWORD" # …
@@ -4 +4 @@
-API_KEY = …
+API_KEY = vault:secret/dev/app#API_KEY
@@ -9,3 +9 @@
-CERT=…
-…
-…
+CERT='vault:secret/dev/app#CERT'
@@ -12 +10 @@
-LAST: …
+LAST: "vault:secret/dev/app#LAST"
`
	if got := f.Diff(".env"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// What YAML gives vwrap.yaml takes.
func TestYAML(t *testing.T) {
	t.Parallel()
	f, err := imports.Read([]byte("NO=first\nB=second"), "secret/dev/app", nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), config.Name)
	if err := os.WriteFile(file, []byte("version: 1\n"+f.YAML()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, "")
	if want := "[{NO vault:secret/dev/app#NO 3} {B vault:secret/dev/app#B 4}]"; err != nil || fmt.Sprint(c.Env) != want {
		t.Errorf("%v, %v", c.Env, err)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const marker = "hunter2-marker"
	for _, tt := range []struct{ text, path, want string }{
		{"A=" + marker + "\nB=x\nA=y", "secret/a", "line 3: A stands in line 1 too: which of them counts is up to the reader: remove one"},
		{"A.B=" + marker, "secret/a", `line 1: "A.B" is no name that every reader takes (letters, digits and _)`},
		{"A=1\n" + marker, "secret/a", "line 2 is not KEY=value"},
		{"A=1", "secret", "secret: want the path of a secret, such as secret/dev/app"},
		{"A=1", "secret/a b", "secret/a b: want the path of a secret, such as secret/dev/app"},
		{"A=1", "secret/a#b", "secret/a#b: want the path of a secret, such as secret/dev/app"},
	} {
		_, err := imports.Read([]byte(tt.text), tt.path, nil)
		if err == nil || err.Error() != tt.want || strings.Contains(err.Error(), marker) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
	_, err := imports.Read([]byte("PW="+marker+"\nURL=postgres://app:${PW}@db"), "secret/a", []string{"PW"})
	if want := "line 2: URL would not be the same: it is made of a variable that moves: move it too, or write it as a text of its own"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	f, err := imports.Read([]byte("PW=a\nURL=postgres://app:${PW}@db"), "secret/a", nil)
	if err != nil || f.Fields()["URL"] != "postgres://app:a@db" {
		t.Errorf("%v, %v", f.Fields(), err)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{old, "A=1\nB=${A}", "A=a\\ b\\\"\nB=\"$(x)\"", "export A='x' # y\nB=\"z\"", "A=\u00a0x", "=x", "A=", "a b=cccc", "A=\"\\n\\\\\""} {
		f.Add(s, "A")
		f.Add(s, "")
	}
	const path = "secret/dev/app"
	f.Fuzz(func(t *testing.T, text, name string) {
		var only []string
		if name != "" {
			only = []string{name}
		}
		file, err := imports.Read([]byte(text), path, only)
		if err != nil {
			return
		}
		before, err1 := dotenv.Scan(text)
		after, err2 := dotenv.Scan(string(file.Rewritten()))
		values, err3 := dotenv.Parse(string(file.Rewritten()))
		if err := errors.Join(err1, err2, err3); err != nil || !slices.EqualFunc(before, after, func(a, b dotenv.Assignment) bool { return a.Name == b.Name && a.Quote == b.Quote }) {
			t.Fatalf("%q → %q: %v", text, file.Rewritten(), err)
		}
		for i, name := range file.Moves {
			if reference := "vault:" + path + "#" + name; values[name] != reference || file.References()[i] != name+"="+reference {
				t.Errorf("%q: %s is %q", text, name, values[name])
			}
			value, _ := file.Fields()[name].(string)
			if kept := strings.Count(string(file.Rewritten())+file.Diff("f"), value); len(value) >= 4 && strings.Count(text, value) == 1 && kept > 0 &&
				!strings.Contains("--- f\n+++ f\n@@ - + @@\n-… # …\n"+strings.Join(file.References(), "\n"), value) {
				t.Errorf("%q: the value of %s is left: %q", text, name, file.Rewritten())
			}
		}
	})
}
