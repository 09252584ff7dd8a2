package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/joho/godotenv"
	"go.yaml.in/yaml/v3"
)

// awkward are values that mean something to some reader.
var awkward = []string{
	"", " ", "plain", " both ends ", "\tтаб\t", "a b", "#", "a #b", "a=b", "=", "'", "''", "'a'", `"`, `"a"`, `'"`, `it's "it"`,
	"$HOME", "${HOME}", "$(id)", "`id`", "it's $HOME", "it's ${HOME}", "it's `id`", `\`, `\\`, `a\`, `a\b`, `a\\b`, `\n`, `\'`, `'\`, `'\''`, `it's \`,
	"a\nb", "\n", "\n\n", "a\n", "\na", "it's\na", "a\\\n", "\r", "a\rb", "a\r\nb", "a\r", "!", "a!b", "~", "*", "%", "50%", "%25",
	"{", "[", "- a", "null", "yes", "1e3", "0800", "::add-mask::x", "A=1\nB=2", "B=2\nexport C=3", "é", "日本", "😀", "\u2028", "\u0085",
	"\u00a0", "\ufeff", "\ufffe", "\x7f", "\x01", "\x1b[0m", "\xff", "a\xc3", strings.Repeat("long ", 30_000),
}

func refused(t *testing.T, err error, name, value string) {
	t.Helper()
	if !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q does not name %s alone", err, name)
	}
	if len(value) > 12 && strings.Contains(err.Error(), value) {
		t.Errorf("%q has the value in it", err)
	}
}

// neighbours stand around the value that is looked at: it must not spill over.
func neighbours(value string) map[string]string {
	return map[string]string{"AAA": "before", "NAME": value, "ZZZ": "it's after"}
}

// checkReader writes value by format and wants it from read, or an error that names it.
func checkReader(t *testing.T, format func(map[string]string) (string, error), read func(string) (map[string]string, error), value string) {
	t.Helper()
	want := neighbours(value)
	text, err := format(want)
	if err != nil {
		refused(t, err, "NAME", value)
		return
	}
	got, err := read(text)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q is read as %q: %v; it was written %q", value, got["NAME"], err, text)
	}
}

// readDocker does what Docker does with the file of --env-file.
func readDocker(text string) (map[string]string, error) {
	got := map[string]string{}
	s := bufio.NewScanner(strings.NewReader(text))
	for s.Scan() {
		if !utf8.Valid(s.Bytes()) {
			return nil, fmt.Errorf("not UTF-8: %q", s.Text())
		}
		line := strings.TrimLeftFunc(s.Text(), unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsFunc(name, unicode.IsSpace) {
			return nil, fmt.Errorf("bad line %q", line)
		}
		got[name] = value
	}
	return got, s.Err()
}

func readJSON(text string) (got map[string]string, err error) {
	return got, json.Unmarshal([]byte(text), &got)
}

func readYAML(text string) (got map[string]string, err error) {
	for _, c := range text { // YAML 1.2.2, c-printable: go.yaml.in takes more
		if c != '\n' && (c < 0x20 || c >= 0x7f && c <= 0x9f || c == 0xfeff || c == 0xfffe || c == 0xffff) {
			return nil, fmt.Errorf("%q is not printable", c)
		}
	}
	return got, yaml.Unmarshal([]byte(text), &got)
}

// readGitHub does what GitHub's runner does with the file of GITHUB_ENV.
func readGitHub(text string) (map[string]string, error) {
	got := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		name, end, ok := strings.Cut(lines[i], "<<")
		if !ok || strings.Contains(name, "=") {
			return nil, fmt.Errorf("bad line %q", lines[i])
		}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != end; i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("no end of %s", name)
		}
		got[name] = strings.Join(lines[begin:i], "\n")
	}
	return got, nil
}

func github(variables map[string]string) (string, error) {
	_, env, err := GitHub(variables, nil)
	return "LAST<<x\n\nx" + env, err // somebody left an end of line out
}

func withoutLast(read func(string) (map[string]string, error)) func(string) (map[string]string, error) {
	return func(text string) (map[string]string, error) {
		got, err := read(text)
		delete(got, "LAST")
		return got, err
	}
}

// readShell has a shell evaluate text, and reads the environment of what it starts then.
func readShell(shell string, dir string) func(string) (map[string]string, error) {
	return func(text string) (map[string]string, error) {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			return nil, err
		}
		dump := exec.Command(path, "-c", `. "$FILE"; exec env -0`)
		dump.Dir, dump.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "FILE=" + file}
		var complaints bytes.Buffer
		dump.Stderr = &complaints
		out, err := dump.Output()
		if err == nil && complaints.Len() > 0 {
			err = fmt.Errorf("%s", complaints.Bytes())
		}
		got := map[string]string{}
		for entry := range strings.SplitSeq(string(out), "\x00") {
			if name, value, _ := strings.Cut(entry, "="); neighbours("")[name] != "" || name == "NAME" {
				got[name] = value
			}
		}
		return got, err
	}
}

// shells are those that the shell form is tried with: where it is fuzzed all, else the one that is everywhere.
func shells() []string {
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		return []string{"bash", "dash", "zsh", "fish"}
	}
	return []string{"sh"}
}

func FuzzShell(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 100<<10 {
			return // the kernel's limit for what these shells start is not far
		}
		for _, shell := range shells() {
			checkReader(t, Shell, readShell(shell, t.TempDir()), value)
		}
	})
}

func FuzzDotenv(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, value string) { checkReader(t, Dotenv, godotenv.Unmarshal, value) })
}

func FuzzDocker(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, value string) { checkReader(t, Docker, readDocker, value) })
}

func FuzzJSON(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, value string) { checkReader(t, JSON, readJSON, value) })
}

func FuzzYAML(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, value string) { checkReader(t, YAML, readYAML, value) })
}

func FuzzGitHub(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, value string) {
		checkReader(t, github, withoutLast(readGitHub), value)
		masks, _, _ := GitHub(map[string]string{"NAME": "x"}, []string{value})
		for line := range strings.Lines(masks) {
			if !strings.HasPrefix(line, "::add-mask::") || strings.TrimSpace(strings.TrimPrefix(line, "::add-mask::")) == "" {
				t.Errorf("%q masks %q", line, value)
			}
		}
	})
}

func seed(f *testing.F) {
	for _, value := range awkward {
		f.Add(value)
	}
}

// TestCarried: what a format is for is carried, not refused.
func TestCarried(t *testing.T) {
	refuses := map[string]func(value string) bool{
		"shell":  func(v string) bool { return strings.Contains(v, "\x00") },
		"docker": func(v string) bool { return strings.ContainsAny(v, "\r\n") || len(v) > 60_000 || !utf8.ValidString(v) },
		"json":   func(v string) bool { return !utf8.ValidString(v) },
		"yaml":   func(v string) bool { return !utf8.ValidString(v) },
		"github": func(v string) bool { return !utf8.ValidString(v) },
	}
	formats := map[string]func(map[string]string) (string, error){"shell": Shell, "docker": Docker, "json": JSON, "yaml": YAML, "github": github}
	for _, value := range append(awkward, "a\x00b") {
		for name, format := range formats {
			_, err := format(neighbours(value))
			if want := refuses[name](value) || strings.Contains(value, "\x00"); (err != nil) != want {
				t.Errorf("%s: %.40q: %v", name, value, err)
			}
		}
	}
}

func TestShell(t *testing.T) {
	for value, want := range map[string]string{
		"a b": `export A='a b'`, `it's`: `export A='it'\''s'`, `a\b`: `export A='a'\\'b'`, "": `export A=''`,
		"a\nb": `test '\\' = \\ && set -gx A 'a` + "\n" + `b' || export A='a` + "\n" + `b'`,
	} {
		if got, err := Shell(map[string]string{"A": value}); err != nil || got != want+"\n" {
			t.Errorf("%q: %s, %v", value, got, err)
		}
	}
}

// TestDotenv: the form that readers agree on, or none; and then the one that who must answer gives.
func TestDotenv(t *testing.T) {
	for _, tt := range []struct {
		value, want string
		agreed      bool
	}{
		{"", `''`, true},
		{` a "b" $HOME #\n `, `' a "b" $HOME #\n '`, true},
		{"it's\n#", "\"it's\n#\"", true},
		{"a\nb", "'a\nb'", true},
		{`C:\dir`, `'C:\dir'`, true},
		{`C:\dir\`, `C:\dir\`, false},
		{`C:\my dir\`, `'C:\my dir\'`, false},
		{`\\host`, `'\\host'`, false},
		{"${HOME}", "'${HOME}'", false},
		{"a\r\nb", "'a\r\nb'", false},
		{"\xff", "'\xff'", false},
		{`it's "it"`, `"it's \"it\""`, false},
		{`it's $HOME`, `"it's \$HOME"`, false},
		{`it's \`, `"it's \\"`, false},
		{"it's `id`", "\"it's `id`\"", false},
	} {
		variables := map[string]string{"A": tt.value}
		got, err := Dotenv(variables)
		if (err == nil) != tt.agreed || tt.agreed && got != "A="+tt.want+"\n" {
			t.Errorf("%q: %s, %v", tt.value, got, err)
		}
		if got := DotenvAnyway(variables); got != "A="+tt.want+"\n" {
			t.Errorf("%q anyway: %s", tt.value, got)
		}
	}
	if got := DotenvAnyway(map[string]string{"A\nB": "x", "C": "y"}); got != "C='y'\n" {
		t.Errorf("%q", got)
	}
}

func TestNames(t *testing.T) {
	formats := map[string]func(map[string]string) (string, error){"shell": Shell, "dotenv": Dotenv, "docker": Docker, "github": github}
	for name, takers := range map[string]string{
		"A": "shell dotenv docker github", "_a1": "shell dotenv docker github", "a.b-c": "docker github",
		"1A": "", "A B": "", "A\nB": "", "A\n": "", "#A": "", "A;id": "", "$(id)": "", "A<<B": "", "Ä": "", "export A": "",
	} {
		for format, write := range formats {
			_, err := write(map[string]string{name: "x"})
			if (err == nil) != strings.Contains(takers, format) {
				t.Errorf("%s: %q: %v", format, name, err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
		}
		for _, f := range []struct {
			write func(map[string]string) (string, error)
			read  func(string) (map[string]string, error)
		}{{JSON, readJSON}, {YAML, readYAML}} {
			text, err := f.write(map[string]string{name: "x"})
			got, err2 := f.read(text)
			if err != nil || err2 != nil || got[name] != "x" {
				t.Errorf("%q: %q, %v, %v", name, text, err, err2)
			}
		}
	}
}

func TestYAML(t *testing.T) {
	got, err := YAML(map[string]string{"A": "é\u0085\x7f<", "NO": "no", "a: b": "c"})
	if want := "A: \"é\\u0085\\u007f<\"\n\"NO\": \"no\"\n\"a: b\": \"c\"\n"; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	for _, write := range []func(map[string]string) (string, error){YAML, JSON} {
		if got, err := write(nil); err != nil || got != "{}\n" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestMasks(t *testing.T) {
	masks, env, err := GitHub(map[string]string{"A": "x"}, []string{"50%\r\n  two \n\n", " ", "two", "a\rb"})
	if want := "::add-mask::50%25\n::add-mask::two\n::add-mask::a\n::add-mask::b\n"; err != nil || masks != want {
		t.Errorf("%q, %v", masks, err)
	}
	_, other, _ := GitHub(map[string]string{"A": "x"}, nil)
	if env == other || !strings.HasPrefix(env, "\nA<<vwrap_") {
		t.Errorf("%q, %q", env, other)
	}
	if masks, env, err := GitHub(nil, nil); masks != "" || env != "" || err != nil {
		t.Errorf("%q, %q, %v", masks, env, err)
	}
	if masks, env, err := GitHub(map[string]string{"A": "\xff"}, []string{"\xff"}); masks != "" || env != "" || err == nil {
		t.Errorf("%q, %q, %v", masks, env, err)
	}
}

// TestAllErrors: all that is wrong is told together, sorted, and nothing is written.
func TestAllErrors(t *testing.T) {
	text, err := Docker(map[string]string{"B": "a\nb", "A": "a\nb", "C": "x"})
	if err == nil || text != "" || strings.Count(err.Error(), "\n") != 1 || !strings.HasPrefix(err.Error(), "A: ") {
		t.Errorf("%q, %v", text, err)
	}
}
