package starter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/dotenv"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/guess"
	"github.com/vwrap/vwrap/internal/pattern"
)

// Project is what lies in a folder.
type Project struct {
	Dir  string
	Name string // of the folder, as a part of a secret's path

	Secrets []Variable // that the program gets, each name once
	Others  []Variable // that are no secrets by the look of them
	Start   string     // the line that starts the program, where package.json says
	Notes   []string   // what somebody should see to himself

	address      string // of Vault, where a file says
	compose      *compose
	devcontainer *devcontainer
	envrc        bool
}

// Variable is one that a file of the project sets.
type Variable struct {
	Name  string
	File  string // that sets it, relative to the project's folder
	Value string // as it stands there
}

// reference is the variable's value where that is one already; else "".
func (v Variable) reference() string {
	if envsource.IsInheritedReference(v.Value) {
		return v.Value
	}
	return ""
}

// dotenvFiles are read in this order: what a former one sets counts. The samples have names alone.
var dotenvFiles = []string{".env", ".env.local", ".env.development", ".env.development.local", ".env.example", ".env.sample", ".env.template"}

func sample(file string) bool {
	return slices.Contains([]string{".example", ".sample", ".template"}, filepath.Ext(file))
}

// Look reads what is in dir: dotenv files, the Compose file, devcontainer.json, package.json. A file that cannot be read as what it is
// gets a note, and counts for nothing.
func Look(dir string) (Project, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Project{}, fmt.Errorf("find the project: %w", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return Project{}, errors.Join(err, notFolder(dir, err == nil))
	}
	p := Project{Dir: dir, Name: slug(filepath.Base(dir))}
	if c, err := config.Load(filepath.Join(dir, config.Name), ""); err == nil {
		p.address = c.Vault.Address // else the pieces would mean another server
	}
	p.readDotenv()
	p.readPackage()
	p.readCompose()
	p.readDevcontainer()
	_, err = os.Stat(filepath.Join(dir, ".envrc"))
	p.envrc = err == nil
	return p, nil
}

func notFolder(dir string, is bool) error {
	if is {
		return fmt.Errorf("%s is no folder", dir)
	}
	return nil
}

// slug is name as a part of a path that needs no quotes anywhere.
func slug(name string) string {
	plain := func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '-'
	}
	if name = strings.Trim(strings.Map(plain, name), "-_"); name == "" {
		return "app"
	}
	return name
}

func (p *Project) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// read is the text of a file of the project, nil where there is none.
func (p *Project) read(path string) []byte {
	text, err := os.ReadFile(filepath.Join(p.Dir, path))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			p.note("%s cannot be read, and is left out", path)
		}
		return nil
	}
	return text
}

func (p *Project) readDotenv() {
	for _, file := range dotenvFiles {
		text := p.read(file)
		if text == nil {
			continue
		}
		values, err := dotenv.Parse(string(text))
		if err != nil {
			p.note("%s: %v: it is left out", file, err)
			continue
		}
		for _, name := range inOrder(string(text), values) {
			if v := (Variable{name, file, values[name]}); v.Value != "" || sample(file) {
				p.add(v)
			}
		}
	}
}

// inOrder is the names of values, as they stand in text.
func inOrder(text string, values map[string]string) (names []string) {
	if all, err := dotenv.Scan(text); err == nil {
		for _, a := range all {
			if !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
			}
		}
		return names
	}
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// add takes a variable in, unless its name is known already.
func (p *Project) add(v Variable) {
	same := func(known Variable) bool { return known.Name == v.Name }
	switch {
	case v.Name == "VAULT_ADDR" || v.Name == "BAO_ADDR":
		if _, err := config.NormalizeAddress(v.Value); p.address == "" && err == nil {
			p.address = v.Value
		}
	case ours(v.Name):
		if strings.HasSuffix(v.Name, "_TOKEN") && v.Value != "" && !sample(v.File) {
			p.note("%s has a token in %s: take it out, and log in by: vault login", v.File, v.Name)
		}
	case !variableName().MatchString(v.Name):
		p.note("%s: %q is no name that a program can ask for, and is left out", v.File, v.Name)
	case slices.ContainsFunc(p.Secrets, same) || slices.ContainsFunc(p.Others, same):
	case guess.Secret(v.Name, v.Value):
		p.Secrets = append(p.Secrets, v)
	default:
		p.Others = append(p.Others, v)
	}
}

// readPackage finds how the program starts: by the package manager that package.json or a lock file names.
func (p *Project) readPackage() {
	text := p.read("package.json")
	if text == nil {
		return
	}
	var is struct {
		PackageManager string            `json:"packageManager"`
		Scripts        map[string]string `json:"scripts"`
	}
	if json.Unmarshal(text, &is) != nil {
		p.note("package.json is no JSON, and is left out")
		return
	}
	manager, _, _ := strings.Cut(is.PackageManager, "@")
	for _, lock := range [][2]string{{"pnpm-lock.yaml", "pnpm"}, {"yarn.lock", "yarn"}, {"bun.lock", "bun"}, {"package-lock.json", "npm"}} {
		if _, err := os.Stat(filepath.Join(p.Dir, lock[0])); manager == "" && err == nil {
			manager = lock[1]
		}
	}
	if !slices.Contains([]string{"npm", "pnpm", "yarn", "bun"}, manager) {
		manager = "npm"
	}
	switch {
	case is.Scripts["start"] != "" && manager != "bun":
		p.Start = manager + " start"
	case is.Scripts["start"] != "":
		p.Start = "bun run start"
	case is.Scripts["dev"] != "":
		p.Start = manager + " run dev"
	}
}

var variableName = pattern.Of(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ours reports whether a variable is one of Vault's or vwrap's own, which no program is handed.
func ours(name string) bool {
	return slices.ContainsFunc([]string{"VAULT_", "BAO_", "VWRAP_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}
