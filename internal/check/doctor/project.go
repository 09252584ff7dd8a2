package doctor

import (
	"io/fs"
	"path"
	"strings"

	"github.com/vwrap/vwrap/internal/pattern"
)

// Settings is what was found of vwrap.yaml.
type Settings struct {
	File      string // "" is none
	Err       error  // what is wrong with it, or with what is asked for beside it, a line each
	Untrusted error  // why credentials may not go to the address that it names
	Approve   string // the line that approves it
}

// Project is what of the work tree matters to vwrap.
func Project(f Facts, s Settings) []Line {
	lines := append(settings(f, s), direnv(f)...)
	for i := range lines {
		lines[i].Area = AreaProject
	}
	return lines
}

func settings(f Facts, s Settings) (lines []Line) {
	const name = "vwrap.yaml"
	switch {
	case s.Err != nil:
		for line := range strings.SplitSeq(s.Err.Error(), "\n") {
			lines = append(lines, Line{Name: name, State: Fault, Text: line, Mend: "mend that line: vwrap plan shows what comes of it"})
		}
		return lines
	case s.File == "":
		return []Line{{Name: name, State: Note, Text: "there is none from here upwards: only -e, --from and inherited references are fetched", Mend: "write one: vwrap init"}}
	}
	lines = []Line{{Name: name, State: OK, Text: f.tilde(s.File)}}
	if s.Untrusted != nil {
		lines = append(lines, Line{Name: "trust", State: Fault, Text: s.Untrusted.Error(), Mend: "if that server is to get your credentials: " + s.Approve})
	}
	return lines
}

// direnv is about direnv: is it there, does the shell call it, may it read .envrc, and does it know use_vwrap.
func direnv(f Facts) (lines []Line) {
	file := f.envrc()
	switch {
	case file == "":
		return nil
	case f.Direnv == "":
		return []Line{{Name: "direnv", State: Warning, Text: f.tilde(file) + " is here, and direnv is not installed: nobody reads it", Mend: "install direnv (direnv.net), or remove the file"}}
	}
	lines = append(lines, f.hooked())
	lines = append(lines, allowed(f.DirenvStatus)...)
	if text := f.read(file); uses().MatchString(text) && !f.defined(text) {
		lines = append(lines, Line{
			Name: "use vwrap", State: Warning, Text: f.tilde(file) + " says use vwrap, and direnv does not know it",
			Mend: "mkdir -p ~/.config/direnv/lib && vwrap hook direnv > ~/.config/direnv/lib/vwrap.sh",
		})
	}
	return lines
}

// envrc is the .envrc that direnv would take; "" is none.
func (f Facts) envrc() string {
	for _, dir := range upwards(f.Dir) {
		if name := path.Join(dir, ".envrc"); f.is(name) {
			return name
		}
	}
	return ""
}

var (
	uses    = pattern.Of(`(?m)^\s*use[ \t]+vwrap\b`)
	defines = pattern.Of(`(?m)^\s*(function\s+)?use_vwrap\b`)
	hooks   = pattern.Of(`(?m)^[^#\n]*\bdirenv\b[^#\n]*\bhook\b`)
	plugin  = pattern.Of(`(?m)^[^#\n]*\bplugins\+?=\([^)#]*\bdirenv\b`)
)

// configs is the folder of the user's settings.
func (f Facts) configs() string {
	if dir := f.Getenv("XDG_CONFIG_HOME"); path.IsAbs(dir) {
		return dir
	}
	return path.Join(f.Home, ".config")
}

// hooked reports whether the user's shell calls direnv.
func (f Facts) hooked() Line {
	const name = "direnv"
	if f.Getenv("DIRENV_DIR") != "" {
		return Line{Name: name, State: OK, Text: "works in this shell"}
	}
	shell := path.Base(f.Getenv("SHELL"))
	files := map[string][]string{
		"bash": {path.Join(f.Home, ".bashrc"), path.Join(f.Home, ".bash_profile"), path.Join(f.Home, ".profile"), "/etc/bash.bashrc", "/etc/bashrc"},
		"zsh":  {path.Join(f.zdotdir(), ".zshrc"), path.Join(f.zdotdir(), ".zprofile"), path.Join(f.zdotdir(), ".zshenv"), "/etc/zsh/zshrc", "/etc/zshrc"},
		"fish": append([]string{path.Join(f.configs(), "fish/config.fish")}, f.glob(path.Join(f.configs(), "fish/conf.d/*.fish"))...),
	}[shell]
	if files == nil {
		return Line{Name: name, State: Note, Text: "installed; whether this shell calls it cannot be told", Mend: "direnv.net/docs/hook.html says how each shell does"}
	}
	for _, file := range files {
		if text := f.read(file); hooked(text) {
			return Line{Name: name, State: OK, Text: "installed, and called in " + f.tilde(file)}
		}
	}
	line := `echo 'eval "$(direnv hook ` + shell + `)"' >> ` + f.tilde(files[0])
	if shell == "fish" {
		line = "echo 'direnv hook fish | source' >> " + f.tilde(files[0])
	}
	return Line{Name: name, State: Warning, Text: "installed, but no file of " + shell + " calls it: .envrc is not read", Mend: line}
}

// hooked reports whether a shell's file has direnv called.
func hooked(text string) bool { return hooks().MatchString(text) || plugin().MatchString(text) }

func (f Facts) zdotdir() string {
	if dir := f.Getenv("ZDOTDIR"); path.IsAbs(dir) {
		return dir
	}
	return f.Home
}

func (f Facts) glob(pattern string) (names []string) {
	found, err := fs.Glob(f.Root, relative(pattern))
	if err != nil {
		return nil
	}
	for _, name := range found {
		names = append(names, "/"+name)
	}
	return names
}

// allowed is what direnv status says of the .envrc here: by a word in older versions, by a number in newer ones.
func allowed(status string) []Line {
	const name = ".envrc"
	for line := range strings.Lines(status) {
		word, ok := strings.CutPrefix(strings.TrimSpace(line), "Found RC allowed ")
		switch {
		case !ok:
			continue
		case word == "0" || word == "true":
			return []Line{{Name: name, State: OK, Text: "allowed"}}
		case word == "2":
			return []Line{{Name: name, State: Warning, Text: "denied: direnv does not read it", Mend: "read it, then: direnv allow"}}
		}
		return []Line{{Name: name, State: Warning, Text: "not allowed, or changed since: direnv does not read it", Mend: "read it, then: direnv allow"}}
	}
	return nil
}

// defined reports whether direnv knows use_vwrap, for an .envrc with text.
func (f Facts) defined(text string) bool {
	files := append([]string{path.Join(f.configs(), "direnv/direnvrc"), path.Join(f.Home, ".direnvrc")}, f.glob(path.Join(f.configs(), "direnv/lib/*.sh"))...)
	for _, file := range files {
		text += "\n" + f.read(file)
	}
	return defines().MatchString(text)
}
