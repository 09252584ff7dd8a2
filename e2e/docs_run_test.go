package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"
)

// scratchProject is a folder in which lines of the manual are typed.
type scratchProject struct {
	t       *testing.T
	folder  string
	environ []string
}

// newScratchProject has files, the embedded server for its Vault, and an npm whose program stays.
func newScratchProject(t *testing.T, files map[string]string) *scratchProject {
	t.Helper()
	folder, err := os.MkdirTemp("", "v") // a socket's path must be short
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	bin := filepath.Join(folder, "bin")
	check(t, os.Mkdir(bin, 0o755))
	check(t, os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\nenv\nexec sleep 1000\n"), 0o755))
	for name, text := range files {
		check(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return &scratchProject{t, folder, []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + folder, "LANG=C.UTF-8",
		"VWRAP_SERVER=embedded", "VWRAP_RUNTIME_DIR=" + filepath.Join(folder, "run"),
	}}
}

// has sets a variable from now on.
func (p *scratchProject) has(assignment string) { p.environ = append(p.environ, assignment) }

// types a line, and returns all that is printed.
func (p *scratchProject) types(line string) string {
	p.t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = p.folder, p.environ
	said, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, said)
	}
	return string(said)
}

// leaves a line running.
func (p *scratchProject) leaves(line string) *background {
	p.t.Helper()
	return startBackground(p.t, []string{"sh", "-c", "cd " + p.folder + " && exec " + line + " 2>&1"}, p.environ...)
}

// pageOf is a page of the manual.
func pageOf(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return page{path, string(text)}
}

// TestDocsQuickStart: the quick start, line by line, as it is on its page.
func TestDocsQuickStart(t *testing.T) {
	t.Parallel()
	blocks := pageOf(t, "../docs/quickstart.md").blocks()
	var lines []string
	for _, b := range blocks[1:] {
		lines = append(lines, strings.Split(strings.TrimSpace(b.text), "\n")...)
	}
	if len(blocks) != 7 || blocks[0].language != "yaml" || len(lines) != 7 {
		t.Fatalf("the page has other steps than this test: %q", lines)
	}
	p := newScratchProject(t, map[string]string{"vwrap.yaml": blocks[0].text})
	expects := func(said, pattern string) {
		t.Helper()
		if !regexp.MustCompile(pattern).MatchString(said) {
			t.Errorf("it does not say %s, but\n%s", pattern, said)
		}
	}
	expects(p.types(lines[0]), `API_KEY +vault:secret/dev/api#key +\(vwrap\.yaml:5\)`)
	expects(p.types(lines[1]), `(?m)^a key of \d+ letters, for debug$`)

	server := p.leaves(lines[2])
	for range 2 {
		server.expect(`export VAULT_TOKEN=\S+\n`)
	}
	for _, m := range regexp.MustCompile(`(?m)^export (VAULT_\w+=\S+)$`).FindAllStringSubmatch(server.said(), -1) {
		p.has(m[1])
	}
	program := p.leaves(lines[3])
	program.expect(`up with \S{20,}\n`)
	p.types(lines[4])
	expects(p.types(lines[5]), `^generation \d+\n$`)
	program.expect(`up with another one\n`)
	expects(p.types(lines[6]), `API_KEY +secret/dev/api +version 2`)
	check(t, program.signal(syscall.SIGTERM))
	program.expectStatus(143)
	check(t, server.signal(syscall.SIGTERM))
	server.expectStatus(0)
}

// TestDocsMigrating: each vwrap.yaml of the page gives the command the variables that it names.
func TestDocsMigrating(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, b := range pageOf(t, "../docs/migrating.md").blocks() {
		var config struct {
			Version int
			Vault   struct {
				Auth struct{ Method string }
			}
			Env     map[string]string
			Secrets []struct {
				Path, Prefix string
				Env          map[string]string
			}
		}
		if b.language != "yaml" || yaml.Unmarshal([]byte(b.text), &config) != nil || config.Version != 1 {
			continue
		}
		ran++
		t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
			t.Parallel()
			p := newScratchProject(t, map[string]string{"vwrap.yaml": b.text})
			var want []string
			for name := range config.Env {
				want = append(want, name)
			}
			for _, s := range config.Secrets {
				want = append(want, s.Prefix+"VALUE") // what a secret of which no field is named is made up with
			}
			if len(want) == 0 { // the reference is in the pod's environment
				p.has("DB_PASSWORD=vault:secret/data/dev/db#password")
				want = []string{"DB_PASSWORD"}
			}
			said := p.types("vwrap dev -- env")
			for _, name := range want {
				m := regexp.MustCompile(`(?m)^` + name + `=(.+)$`).FindStringSubmatch(said)
				if m == nil || strings.Contains(m[1], "vault:") || strings.Contains(m[1], "swordfish") {
					t.Errorf("the command has no %s:\n%s", name, said)
				}
			}
		})
	}
	if ran < 6 {
		t.Errorf("only %d are run", ran)
	}
}

// pattern is what an answer of the manual stands for: numbers, times and bars are of the day, and "…" is anything.
func pattern(line string) *regexp.Regexp {
	text := regexp.QuoteMeta(regexp.MustCompile(`[0-9a-f]{4}…`).ReplaceAllString(strings.TrimRight(line, "\n"), "…"))
	text = regexp.MustCompile(`\d+`).ReplaceAllString(text, `\d+`)
	text = strings.ReplaceAll(text, "…", ".*")
	return regexp.MustCompile("(?m)^" + text + "$")
}

// TestDocsSessions: what pages show that a command answers it answers, line by line.
func TestDocsSessions(t *testing.T) {
	t.Parallel()
	const config = "version: 1\nrotation: {poll: 1s, settle: 100ms}\nenv:\n  API_KEY: vault:secret/dev/api#key\n" +
		"  DATABASE_URL: postgres://${vault:database/creds/app#username | urlencode}:${vault:database/creds/app#password | urlencode}@localhost/app\n"
	for name, tt := range map[string]struct {
		page, line string // where it is, and what is typed
		config     string
		instead    string // of what is typed, where that would not do here
		stays      bool
	}{
		"README":  {"../README.md", "vwrap -- npm start", config, "vwrap dev -- npm start", true},
		"dev":     {"../docs/dev.md", "vwrap dev -- npm start", config, "", true},
		"alone":   {"../docs/dev.md", "vwrap dev", config, "", true},
		"masking": {"../docs/masking.md", "vwrap --mask always -- ", "version: 1\nenv: {DB_PASSWORD: 'vault:secret/dev/db#password'}\n", "vwrap dev --mask always -- ", false},
		"plan":    {"../docs/plan.md", "vwrap plan -- npm start", config + "secrets:\n  # all of it\n  - {path: secret/dev/app, prefix: APP_}\n", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			typed, answers := sessionOf(t, pageOf(t, tt.page), tt.line)
			if tt.instead != "" {
				typed = strings.Replace(typed, tt.line, tt.instead, 1)
			}
			p := newScratchProject(t, map[string]string{"vwrap.yaml": tt.config})
			if name == "plan" {
				p.has("API_KEY=there")
			}
			if !tt.stays {
				said := p.types(typed)
				for _, line := range answers {
					if !pattern(line).MatchString(said) {
						t.Errorf("the page has %q, and it says\n%s", line, said)
					}
				}
				return
			}
			w := p.leaves(typed)
			if name == "README" {
				w.expect(`API_KEY=`)
				p.types("vwrap rotate DATABASE_URL")
			}
			for _, line := range answers {
				w.expect(pattern(line).String())
			}
		})
	}
}

// sessionOf finds a session by how its line begins, and returns that with what is answered.
func sessionOf(t *testing.T, p page, begins string) (typed string, answers []string) {
	t.Helper()
	for _, b := range p.blocks() {
		lines := strings.Split(strings.TrimRight(b.text, "\n"), "\n")
		if line, ok := strings.CutPrefix(lines[0], "$ "); ok && strings.HasPrefix(line, begins) && (begins != "vwrap dev" || line == begins) {
			return line, slices.DeleteFunc(lines[1:], func(line string) bool { return strings.HasPrefix(line, "...") || line == "" })
		}
	}
	t.Fatalf("%s has no session that begins with %q", p.path, begins)
	return "", nil
}
