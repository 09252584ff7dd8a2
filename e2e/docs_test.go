package e2e

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// page is a file of the manual.
type page struct{ path, text string }

// manual is README.md, docs/, and what the examples say of themselves.
func manual(t *testing.T) (pages []page) {
	t.Helper()
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/decisions/*.md", "../examples/*.md", "../examples/*/*.md", "*.md"} {
		paths, err := filepath.Glob(pattern)
		check(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			check(t, err)
			pages = append(pages, page{path, string(text)})
		}
	}
	if len(pages) < 50 {
		t.Fatalf("the manual has %d pages", len(pages))
	}
	return pages
}

// block is code in a page: what it is called, if it is fenced, and where it begins.
type block struct {
	language, text string
	line           int
}

// blocks are what a page has in fences, and indented by four.
func (p page) blocks() (all []block) {
	var b *block
	fenced := false
	for n, line := range strings.Split(p.text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"):
			if fenced {
				b = nil
			} else {
				all = append(all, block{language: strings.TrimPrefix(trimmed, "```"), line: n + 1})
				b = &all[len(all)-1]
			}
			fenced = !fenced
		case fenced:
			b.text += line + "\n"
		case strings.HasPrefix(line, "    "):
			if b == nil {
				all = append(all, block{line: n + 1})
				b = &all[len(all)-1]
			}
			b.text += line[4:] + "\n"
		case trimmed != "":
			b = nil
		}
	}
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notWord = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names of a page's headings, as code hosts make them.
func anchors(text string) (names []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		title := link.ReplaceAllString(m[1], "]")
		names = append(names, strings.ReplaceAll(strings.ToLower(notWord.ReplaceAllString(title, "")), " ", "-"))
	}
	return names
}

// TestDocsLinks: what a page refers to in the repository is there.
func TestDocsLinks(t *testing.T) {
	seen := 0
	for _, p := range manual(t) {
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			seen++
			file, anchor, _ := strings.Cut(m[1], "#")
			to := p.path
			if file != "" {
				to = filepath.Join(filepath.Dir(p.path), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s is not there", p.path, m[1])
				continue
			}
			if anchor == "" {
				continue
			}
			if text, err := os.ReadFile(to); err != nil || !slices.Contains(anchors(string(text)), anchor) {
				t.Errorf("%s: %s has no heading %q (%v)", p.path, to, anchor, err)
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d links are looked at", seen)
	}
}

// TestDocsYAML: what a page shows of vwrap.yaml is one to vwrap, or a part of one; other YAML is YAML.
func TestDocsYAML(t *testing.T) {
	configs := 0
	for _, p := range manual(t) {
		for _, b := range p.blocks() {
			if b.language != "yaml" {
				continue
			}
			where := fmt.Sprintf("%s:%d", p.path, b.line)
			text := strings.ReplaceAll(b.text, "…", "x")
			var content any
			if err := yaml.Unmarshal([]byte(text), &content); err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			keys, _ := content.(map[string]any)
			if !ofVwrap(keys) {
				continue
			}
			if _, whole := keys["version"]; !whole {
				text = "version: 1\n" + text
			}
			configs++
			if err := plans(t, text); err != nil {
				t.Errorf("%s: %v", where, err)
			}
		}
	}
	if configs < 5 {
		t.Errorf("only %d parts of a vwrap.yaml are looked at", configs)
	}
}

// ofVwrap reports whether these are keys of vwrap.yaml alone.
func ofVwrap(keys map[string]any) bool {
	for key := range keys {
		if !slices.Contains([]string{"version", "vault", "env", "secrets", "fallback", "rotation", "live", "live_users", "dev", "profiles", "check"}, key) {
			return false
		}
	}
	return len(keys) > 0
}

var (
	begun    = regexp.MustCompile(`^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:sudo (?:[A-Z_]+=\S+ )?)?vwrap |\$\(vwrap |\| vwrap |exec vwrap |web vwrap `)
	called   = regexp.MustCompile("(?:^|[\\s;|&('\"=`$!])vwrap ((?:[^`'\"|;&<>#()\\n]|\"[^\"\\n]*\"|'[^'\\n]*')*)")
	inline   = regexp.MustCompile("`(vwrap [^`]+)`")
	listed   = regexp.MustCompile(`^--?[a-zA-Z].* {3}`) // flags, and what each does
	spelled  = regexp.MustCompile(`(?:^|, |  )(--?[a-zA-Z][\w-]*)`)
	flagWord = regexp.MustCompile(`^--?[a-zA-Z]`)
)

// TestDocsCommands: each line with vwrap that a page shows names a command and flags that are there.
func TestDocsCommands(t *testing.T) {
	known := helpOf(t)
	seen := 0
	for _, p := range manual(t) {
		if strings.Contains(p.path, "CHANGELOG") {
			continue
		}
		var lines []string
		for _, b := range p.blocks() {
			if b.language == "" || b.language == "sh" {
				lines = append(lines, strings.Split(strings.ReplaceAll(b.text, "\\\n", " "), "\n")...)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(p.text, -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			line, _, _ = strings.Cut(line, " # ")
			if listed.MatchString(line) {
				for _, flag := range spelled.FindAllStringSubmatch(line, -1) {
					seen++
					if !slices.Contains(known[""], flag[1]) {
						t.Errorf("%s: vwrap has no %s", p.path, flag[1])
					}
				}
			}
			if !begun.MatchString(line) {
				continue
			}
			for _, m := range called.FindAllStringSubmatch(strings.TrimPrefix(line, "$ "), -1) {
				seen++
				if err := known.check(m[1]); err != nil {
					t.Errorf("%s: vwrap %s: %v", p.path, m[1], err)
				}
			}
		}
	}
	if seen < 150 {
		t.Errorf("only %d lines are looked at", seen)
	}
}

// TestExamplesHaveNoDrift: in each example every place means one Vault, and none stands open.
func TestExamplesHaveNoDrift(t *testing.T) {
	folders, err := filepath.Glob("../examples/*")
	check(t, err)
	more, err := filepath.Glob("../examples/devcontainer/*")
	check(t, err)
	looked := 0
	for _, folder := range append(folders, more...) {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			continue
		}
		looked++
		address := exec.Command("vwrap", "check", "address", folder)
		address.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		if said, err := address.CombinedOutput(); err != nil || bytes.Contains(said, []byte("warning")) {
			t.Errorf("%s: %v\n%s", folder, err, said)
		}
	}
	if looked < 10 {
		t.Errorf("only %d examples are looked at", looked)
	}
}

// helps are the flags of each command, by its name; "" is vwrap itself.
type helps map[string][]string

// helpOf asks vwrap.
func helpOf(t *testing.T) helps {
	t.Helper()
	known := helps{}
	for _, name := range []string{
		"", "run", "dev", "exec", "status", "rotate", "export", "plan", "doctor", "trust", "init", "hook", "completion", "man", "install",
		"version", "check", "check parity", "check address", "check ttl", "check leaks", "check all",
	} {
		help, err := exec.Command("vwrap", append(strings.Fields(name), "--help")...).Output()
		check(t, err)
		known[name] = regexp.MustCompile(`(?m)(?:^|[\s,])(--?[a-zA-Z][\w-]*)`).FindAllString(string(help), -1)
		for i, f := range known[name] {
			known[name][i] = strings.Trim(f, " ,\n")
		}
	}
	return known
}

// check looks at what follows "vwrap" up to its "--".
func (known helps) check(line string) error {
	own, _, _ := strings.Cut(" "+line+" ", " -- ")
	words := strings.Fields(own)
	name := ""
	for len(words) > 0 {
		longer := strings.TrimSpace(name + " " + words[0])
		if _, ok := known[longer]; !ok {
			break
		}
		name, words = longer, words[1:]
	}
	for _, w := range words {
		flag, _, _ := strings.Cut(strings.Trim(w, "[].,:…"), "=")
		if flagWord.MatchString(flag) && !slices.Contains(known[name], flag) {
			return fmt.Errorf("%q has no %s", strings.TrimSpace("vwrap "+name), flag)
		}
	}
	if name == "" && len(words) > 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[0]) && !strings.Contains(" "+line, " -- ") {
		return fmt.Errorf("there is no command %s", words[0])
	}
	return nil
}

// TestDocsPictures: each is what its text says.
func TestDocsPictures(t *testing.T) {
	folder := t.TempDir()
	texts, err := filepath.Glob("../docs/pictures/*.txt")
	check(t, err)
	for _, text := range texts {
		content, err := os.ReadFile(text)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(folder, filepath.Base(text)), content, 0o644))
	}
	draw := exec.Command("go", "run", "./pictures", folder)
	draw.Dir = "../docs"
	if said, err := draw.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, text := range texts {
		picture := strings.TrimSuffix(text, ".txt") + ".svg"
		got, err := os.ReadFile(picture)
		check(t, err)
		if want, err := os.ReadFile(filepath.Join(folder, filepath.Base(picture))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its text says (%v): make docs draws it", picture, err)
		}
	}
	if len(texts) == 0 {
		t.Error("there is no picture")
	}
}

// TestDocsRecording: what README.md shows of two terminals is what they show, of this vwrap. It is an SVG, small, of no more
// than 80 columns.
func TestDocsRecording(t *testing.T) {
	vwrap, err := exec.LookPath("vwrap")
	check(t, err)
	picture := filepath.Join(t.TempDir(), "session.svg")
	record := exec.Command("go", "run", "./recording", vwrap, picture)
	record.Dir = "../docs"
	if said, err := record.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	want, err := os.ReadFile(picture)
	check(t, err)
	got, err := os.ReadFile("../docs/pictures/session.svg")
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("docs/pictures/session.svg is not what this vwrap does: make docs draws it\n%s", want)
	}
	if len(got) > 16<<10 {
		t.Errorf("it has %d bytes", len(got))
	}

	var svg struct {
		Rows []struct {
			Words []struct {
				X    float64 `xml:"x,attr"`
				Wide float64 `xml:"textLength,attr"`
				Text string  `xml:",chardata"`
			} `xml:"text"`
		} `xml:"g"`
	}
	check(t, xml.Unmarshal(got, &svg))
	known, typed := helpOf(t), 0
	for _, row := range svg.Rows {
		for _, w := range row.Words {
			if w.X+w.Wide > 16+80*8.4+0.1 {
				t.Errorf("%q is beyond column 80", w.Text)
			}
			line, isTyped := strings.CutPrefix(w.Text, "$ ")
			if !isTyped {
				continue
			}
			typed++
			if own, ok := strings.CutPrefix(line, "vwrap "); ok {
				check(t, known.check(own))
			}
		}
	}
	if typed < 5 || !strings.Contains(string(got), "restarting the command: new ") {
		t.Errorf("%d lines are typed, or there is no rotation", typed)
	}
}

// TestDocsAreReached: from README.md one gets to each page of docs/.
func TestDocsAreReached(t *testing.T) {
	reached := map[string]bool{}
	var follow func(path string)
	follow = func(path string) {
		if reached[path] {
			return
		}
		reached[path] = true
		text, err := os.ReadFile(path)
		check(t, err)
		for _, m := range link.FindAllSubmatch(text, -1) {
			file, _, _ := bytes.Cut(m[1], []byte("#"))
			to := filepath.Join(filepath.Dir(path), string(file))
			if filepath.Ext(to) == ".md" && !bytes.Contains(m[1], []byte("://")) {
				if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
					follow(to)
				}
			}
		}
	}
	follow("../README.md")
	for _, p := range manual(t) {
		if strings.HasPrefix(p.path, "../docs/") && !strings.Contains(p.path, "decisions") && !reached[p.path] {
			t.Errorf("nothing leads to %s", p.path)
		}
	}
}
