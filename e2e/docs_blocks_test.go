package e2e

import (
	"encoding/json"
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

	"github.com/hashicorp/hcl"
	"go.yaml.in/yaml/v3"
)

// TestDocsBlocks: each block of code is what its language says. Of a block without one the lines with a prompt, or all of
// them, are shell; what a command is said to print has words that vwrap prints.
func TestDocsBlocks(t *testing.T) {
	known, sources := helpOf(t), phrasesOf(t)
	languages := map[string]func(text string) error{
		"":           func(text string) error { return checkSession(text, sources) },
		"sh":         checkShell,
		"yaml":       func(text string) error { return checkCommandsInYAML(text, known) },
		"json":       checkJSON,
		"jsonc":      checkJSON,
		"hcl":        checkHCL,
		"dockerfile": checkDockerfile,
		"dotenv":     checkDotenv,
	}
	seen := map[string]int{}
	for _, p := range manual(t) {
		for _, b := range p.blocks() {
			look, ok := languages[b.language]
			if !ok {
				t.Errorf("%s:%d: nobody looks at %s", p.path, b.line, b.language)
				continue
			}
			seen[b.language]++
			if err := look(b.text); err != nil {
				t.Errorf("%s:%d: %v", p.path, b.line, err)
			}
		}
	}
	for language, least := range map[string]int{"": 40, "yaml": 10, "jsonc": 1, "hcl": 4, "dockerfile": 2, "dotenv": 1} {
		if seen[language] < least {
			t.Errorf("only %d blocks of %q are looked at", seen[language], language)
		}
	}
}

func checkShell(text string) error {
	said, err := exec.Command("bash", "-n", "-c", text).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// columned is what stands beside a command, to say what it is for.
var columned = regexp.MustCompile(`(?m)(\S) {3,}\S.*$`)

// checkSession looks at lines that are typed, and what is answered; or at lines that are to be typed, or that were answered.
func checkSession(text string, sources string) error {
	if !strings.HasPrefix(text, "$ ") {
		if checkShell(columned.ReplaceAllString(text, "$1")) == nil {
			return nil
		}
		return checkOutput(text, sources)
	}
	var typed, answered strings.Builder
	ours := false // whether vwrap answers
	for line := range strings.Lines(text) {
		if own, ok := strings.CutPrefix(line, "$ "); ok {
			typed.WriteString(own)
			ours = begun.MatchString(line)
		} else if ours {
			answered.WriteString(line)
		}
	}
	if err := checkShell(strings.ReplaceAll(typed.String(), "[", "\\[")); err != nil {
		return err
	}
	return checkOutput(answered.String(), sources)
}

// phrasesOf is all that vwrap may say: its sources.
func phrasesOf(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	check(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"e2e", "bench", "docs", "bin", "dist"}, entry.Name())):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}

// spoken is a word of a message; what else stands in one, as a path or a number, is of the day.
var spoken = regexp.MustCompile(`^[a-z]+[,;]?$`)

// checkOutput finds the line that vwrap no longer says: of its phrases, of three words, none is in the sources.
func checkOutput(text, sources string) error {
	for line := range strings.Lines(text) {
		var phrases []string
		all := strings.Fields(line)
		for n := range max(0, len(all)-2) {
			if !slices.ContainsFunc(all[n:n+3], func(word string) bool { return !spoken.MatchString(word) }) {
				phrases = append(phrases, strings.TrimRight(strings.Join(all[n:n+3], " "), ",;"))
			}
		}
		if len(phrases) > 1 && !slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(sources, p) }) {
			return fmt.Errorf("does vwrap say this? %s", line)
		}
	}
	return nil
}

// checkCommandsInYAML looks at the commands of services, pods and workflows.
func checkCommandsInYAML(text string, known helps) error {
	var content any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "…", "x")), &content); err != nil {
		return err
	}
	return known.within(content)
}

func (known helps) within(content any) error {
	switch c := content.(type) {
	case map[string]any:
		for key, value := range c {
			if slices.Contains([]string{"run", "script", "command", "entrypoint", "test"}, key) {
				if err := known.line(value); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
			if err := known.within(value); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range c {
			if err := known.within(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// line is a command as one text, or as a list of words.
func (known helps) line(command any) error {
	line := fmt.Sprint(command)
	if list, ok := command.([]any); ok {
		line = strings.TrimPrefix(strings.Trim(fmt.Sprint(list), "[]"), "CMD ")
	}
	for own := range strings.Lines(line) {
		if program, rest, _ := strings.Cut(strings.TrimSpace(own), " "); filepath.Base(program) == "vwrap" {
			if err := known.check(rest); err != nil {
				return err
			}
		}
	}
	return nil
}

var comment = regexp.MustCompile(`(?m)(^|\s)//.*$`)

// checkJSON takes a part of an object for one, and comments.
func checkJSON(text string) error {
	text = comment.ReplaceAllString(text, "")
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = "{" + text + "}"
	}
	var content any
	return json.Unmarshal([]byte(text), &content)
}

// checkHCL has the reader of Vault's policies and agents read it.
func checkHCL(text string) error {
	var content map[string]any
	if err := hcl.Decode(&content, text); err != nil {
		return err
	}
	for _, m := range regexp.MustCompile(`capabilities = \[([^]]*)\]`).FindAllStringSubmatch(text, -1) {
		for c := range strings.SplitSeq(m[1], ", ") {
			if !slices.Contains([]string{`"create"`, `"read"`, `"update"`, `"patch"`, `"delete"`, `"list"`, `"sudo"`, `"deny"`}, c) {
				return fmt.Errorf("there is no capability %s", c)
			}
		}
	}
	return nil
}

// checkDockerfile knows what stands in the manual's.
func checkDockerfile(text string) error {
	for line := range strings.Lines(text) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if instruction != "" && !slices.Contains([]string{"FROM", "COPY", "ENTRYPOINT", "CMD", "HEALTHCHECK", "USER", "ENV", "RUN", "WORKDIR", "ARG", "EXPOSE"}, instruction) {
			return fmt.Errorf("there is no instruction %q", instruction)
		}
		var list []string
		if strings.HasPrefix(rest, "[") {
			if err := json.Unmarshal([]byte(rest), &list); err != nil {
				return fmt.Errorf("%s: %w", line, err)
			}
		}
	}
	return nil
}

func checkDotenv(text string) error {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !regexp.MustCompile(`^(#|[A-Za-z_]\w*=)`).MatchString(line) {
			return fmt.Errorf("%q is no line of a dotenv file", line)
		}
	}
	return nil
}

var (
	code    = regexp.MustCompile("`([^`\n]+)`")
	dotted  = regexp.MustCompile(`^(?:vault|rotation|check|dev)(?:\.[a-z_]+)+$`)
	partial = regexp.MustCompile(`^(?:vault|env|secrets|fallback|rotation|live|live_users|dev|profiles|check)(?:\.[a-z_]+)*: .`)
	twin    = regexp.MustCompile(`\bVWRAP_[A-Z0-9_]+`)
	making  = regexp.MustCompile("(?:^|`|\\s{4})make ([a-z][a-z0-9-]*)")
	long    = regexp.MustCompile(`^--[a-z][a-z-]*`)
)

// TestDocsNames: keys, flags, variables and targets that a page names are there; what it shows of vwrap.yaml in a line is
// a part of one.
func TestDocsNames(t *testing.T) {
	keys := readSchema(t)
	known := helpOf(t)
	sources := phrasesOf(t)
	for _, path := range []string{"../install.sh", "../.goreleaser.yaml", "../features/src/vwrap/install.sh"} {
		text, err := os.ReadFile(path)
		check(t, err)
		sources += string(text)
	}
	makefile, err := os.ReadFile("../Makefile")
	check(t, err)
	var flags []string
	for _, of := range known {
		flags = append(flags, of...)
	}
	others := []string{"--add-host", "--build-arg"} // Docker's
	seen := map[string]int{}
	for _, p := range manual(t) {
		if strings.Contains(p.path, "CHANGELOG") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(p.text, -1) {
			text := strings.ReplaceAll(m[1], `\|`, "|")
			switch {
			case dotted.MatchString(text):
				seen["keys"]++
				if !keys.has(strings.Split(text, ".")) {
					t.Errorf("%s: vwrap.yaml has no %s", p.path, text)
				}
			case partial.MatchString(text):
				seen["parts"]++
				if err := plansPart(t, text); err != nil {
					t.Errorf("%s: %s: %v", p.path, text, err)
				}
			case long.MatchString(text):
				seen["flags"]++
				if f := long.FindString(text); !slices.Contains(flags, f) && !slices.Contains(others, f) {
					t.Errorf("%s: no command has %s", p.path, f)
				}
			}
		}
		if strings.HasPrefix(p.path, "../docs") || strings.HasPrefix(p.path, "../README") {
			for _, name := range twin.FindAllString(p.text, -1) {
				seen["variables"]++
				if f := "--" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "VWRAP_")), "_", "-"); !strings.Contains(sources, name) && !slices.Contains(flags, f) {
					t.Errorf("%s: nothing reads %s", p.path, name)
				}
			}
		}
		for line := range strings.Lines(p.text) {
			for _, m := range making.FindAllStringSubmatch(line, -1) {
				seen["targets"]++
				if !strings.Contains(string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s: there is no target %s", p.path, m[1])
				}
			}
		}
	}
	for what, least := range map[string]int{"keys": 60, "parts": 10, "flags": 60, "variables": 40, "targets": 20} {
		if seen[what] < least {
			t.Errorf("only %d %s are looked at", seen[what], what)
		}
	}
}

// schema is a part of that of vwrap.yaml.
type schema struct {
	Properties map[string]schema
}

func readSchema(t *testing.T) (root schema) {
	t.Helper()
	text, err := os.ReadFile("../vwrap.schema.json")
	check(t, err)
	check(t, json.Unmarshal(text, &root))
	return root
}

func (s schema) has(path []string) bool {
	for _, key := range path {
		below, ok := s.Properties[key]
		if !ok {
			return false
		}
		s = below
	}
	return true
}

// plansPart has vwrap plan take "rotation.ready: {notify: true}" for a vwrap.yaml.
func plansPart(t *testing.T, text string) error {
	t.Helper()
	path, value, _ := strings.Cut(strings.ReplaceAll(text, "…", "x"), ": ")
	keys := strings.Split(path, ".")
	whole := "version: 1\n"
	for depth, key := range keys {
		whole += strings.Repeat("  ", depth) + key + ":"
		if depth < len(keys)-1 {
			whole += "\n"
		}
	}
	return plans(t, whole+" "+value+"\n")
}

// plans has vwrap plan read a vwrap.yaml.
func plans(t *testing.T, text string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vwrap.yaml")
	check(t, os.WriteFile(file, []byte(text), 0o600))
	plan := exec.Command("vwrap", "plan", "--config", file)
	plan.Dir = filepath.Dir(file)
	plan.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(file), "VAULT_ADDR=http://127.0.0.1:1"} // else the file's is to be approved
	if said, err := plan.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	return nil
}

// TestDocsExamples: each file of the examples and of the Feature is what its name says, also where what it is for is not at hand.
func TestDocsExamples(t *testing.T) {
	known := helpOf(t)
	seen := map[string]int{}
	for _, root := range []string{"../examples", "../features", "../action.yml"} {
		check(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text, kind := string(content), filepath.Ext(path)
			var wrong error
			switch {
			case entry.Name() == "vwrap.yaml":
				kind, wrong = "vwrap.yaml", plans(t, text)
			case kind == ".yaml" || kind == ".yml":
				for document := range strings.SplitSeq(text, "\n---\n") {
					wrong = errors.Join(wrong, checkCommandsInYAML(document, known))
				}
			case kind == ".json":
				wrong = checkJSON(text)
			case kind == ".hcl":
				wrong = checkHCL(text)
			case kind == ".sh", strings.HasPrefix(text, "#!/bin/sh\n"):
				kind, wrong = ".sh", checkShell(text)
			case entry.Name() == "Dockerfile":
				kind, wrong = "Dockerfile", checkDockerfile(regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, ""))
			}
			seen[kind]++
			if wrong != nil {
				t.Errorf("%s: %v", path, wrong)
			}
			return nil
		}))
	}
	for kind, least := range map[string]int{"vwrap.yaml": 6, ".yaml": 4, ".yml": 3, ".json": 4, ".hcl": 2, ".sh": 5, "Dockerfile": 1} {
		if seen[kind] < least {
			t.Errorf("only %d of %s are looked at", seen[kind], kind)
		}
	}
}

// TestDocsWorkflow: what the example gives to the action are inputs of it.
func TestDocsWorkflow(t *testing.T) {
	var action struct{ Inputs map[string]any }
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string
				With map[string]string
			}
		}
	}
	for path, into := range map[string]any{"../action.yml": &action, "../examples/ci/github.yml": &workflow} {
		text, err := os.ReadFile(path)
		check(t, err)
		check(t, yaml.Unmarshal(text, into))
	}
	steps := 0
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			if !strings.HasPrefix(step.Uses, "vwrap/vwrap@") {
				continue
			}
			steps++
			for name := range step.With {
				if _, ok := action.Inputs[name]; !ok {
					t.Errorf("the action has no input %s", name)
				}
			}
		}
	}
	if steps == 0 {
		t.Error("the example does not use the action")
	}
}

// TestDocsBlocksRefuse: what rots is found.
func TestDocsBlocksRefuse(t *testing.T) {
	known, sources := helpOf(t), phrasesOf(t)
	for name, err := range map[string]error{
		"a command's answer": checkSession("$ vwrap status\nvwrap: the vault is feeling rather poorly today\n", sources),
		"a quote":            checkSession("$ vwrap -- sh -c 'true\n", sources),
		"a quote, to type":   checkSession("vwrap -- sh -c 'true\nthis was never said by anybody here\n", sources),
		"a service's flag":   checkCommandsInYAML("services: {web: {command: [vwrap, --no-such, --, npm]}}", known),
		"a probe's flag":     checkCommandsInYAML("probe: {exec: {command: [/opt/vwrap/vwrap, status, --no-such]}}", known),
		"a step's command":   checkCommandsInYAML("- run: vwrap examine --all", known),
		"JSON":               checkJSON(`"a": 1 "b": 2`),
		"HCL":                checkHCL(`path "a" { capabilities = ["read" }`),
		"a capability":       checkHCL(`path "a" { capabilities = ["write"] }`),
		"an instruction":     checkDockerfile("COPPY a b"),
		"a list":             checkDockerfile(`CMD ["node" "server.js"]`),
		"a dotenv file":      checkDotenv("A: b"),
		"a part":             plansPart(t, "rotation.ready: {notified: true}"),
	} {
		if err == nil {
			t.Errorf("%s is passed over", name)
		}
	}
	for name, err := range map[string]error{
		"a session": checkSession("$ vwrap rotate A\nvwrap: restarting the command: new DATABASE_URL\n", sources),
		"a service": checkCommandsInYAML("services: {web: {command: [vwrap, --, npm, start], healthcheck: {test: [CMD, vwrap, status]}}}", known),
		"JSON":      checkJSON("\"a\": \"http://x\", // why\n\"b\": 2"),
		"a part":    plansPart(t, "rotation.ready: {notify: true}"),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if keys := readSchema(t); keys.has([]string{"rotation", "stop_gracefully"}) || !keys.has([]string{"rotation", "stop_grace"}) {
		t.Error("the schema is misread")
	}
}
