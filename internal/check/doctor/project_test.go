package doctor

import (
	"errors"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    Settings
		want []string
	}{
		"none":      {Settings{}, []string{"note vwrap.yaml: there is none from here upwards"}},
		"good":      {Settings{File: "/home/u/src/app/vwrap.yaml"}, nil},
		"bad":       {Settings{File: "x", Err: errors.Join(errors.New("vwrap.yaml:3: one"), errors.New("vwrap.yaml:4: two"))}, []string{"fault vwrap.yaml: vwrap.yaml:3: one", "fault vwrap.yaml: vwrap.yaml:4: two"}},
		"untrusted": {Settings{File: "x", Untrusted: errors.New("not approved"), Approve: "vwrap trust"}, []string{"fault trust: not approved"}},
	} {
		lines := Project(facts(nil), c.s)
		mended(t, lines)
		got := said(lines)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

func TestDirenv(t *testing.T) {
	t.Parallel()
	const (
		rc   = "/home/u/.bashrc"
		envr = "/home/u/src/.envrc" // above the folder that it is
		hook = "eval \"$(direnv hook bash)\"\n"
	)
	for name, c := range map[string]struct {
		files   map[string]string
		shell   string
		missing bool
		status  string
		want    []string // of what is not ok
	}{
		"no .envrc":       {map[string]string{rc: ""}, "/bin/bash", false, "", nil},
		"not installed":   {map[string]string{envr: ""}, "/bin/bash", true, "", []string{"warning direnv: ~/src/.envrc is here, and direnv is not installed"}},
		"works":           {map[string]string{envr: "", rc: hook}, "/bin/bash", false, "Found RC path x\nFound RC allowed 0\n", nil},
		"works, old":      {map[string]string{envr: "", rc: hook}, "/bin/bash", false, "Found RC allowed true\n", nil},
		"no hook":         {map[string]string{envr: "", rc: "# " + hook}, "/bin/bash", false, "", []string{"warning direnv: installed, but no file of bash calls it"}},
		"zsh":             {map[string]string{envr: "", "/home/u/.zshrc": "plugins=(git direnv)\n"}, "/bin/zsh", false, "", nil},
		"zsh, no hook":    {map[string]string{envr: "", rc: hook}, "/bin/zsh", false, "", []string{"warning direnv: installed, but no file of zsh calls it"}},
		"fish":            {map[string]string{envr: "", "/home/u/.config/fish/conf.d/d.fish": "direnv hook fish | source"}, "/usr/bin/fish", false, "", nil},
		"some shell":      {map[string]string{envr: ""}, "/bin/xonsh", false, "", []string{"note direnv: installed; whether this shell calls it"}},
		"not allowed":     {map[string]string{envr: "", rc: hook}, "/bin/bash", false, "Found RC allowed 1\n", []string{"warning .envrc: not allowed"}},
		"not allowed old": {map[string]string{envr: "", rc: hook}, "/bin/bash", false, "Found RC allowed false\n", []string{"warning .envrc: not allowed"}},
		"denied":          {map[string]string{envr: "", rc: hook}, "/bin/bash", false, "Found RC allowed 2\n", []string{"warning .envrc: denied"}},
		"not known":       {map[string]string{envr: "use vwrap\n", rc: hook}, "/bin/bash", false, "", []string{"warning use vwrap: ~/src/.envrc says use vwrap, and direnv does not know it"}},
		"known":           {map[string]string{envr: "use vwrap\n", rc: hook, "/home/u/.config/direnv/lib/vwrap.sh": "use_vwrap() {\n"}, "/bin/bash", false, "", nil},
		"known by itself": {map[string]string{envr: "use_vwrap() { :; }\nuse vwrap\n", rc: hook}, "/bin/bash", false, "", nil},
	} {
		f := facts(c.files)
		f.DirenvStatus = c.status
		if !c.missing {
			f.Direnv = "/usr/bin/direnv"
		}
		f.Getenv = func(name string) string { return map[string]string{"SHELL": c.shell}[name] }
		lines := Project(f, Settings{File: "x"})
		mended(t, lines)
		got := said(lines)
		if len(got) != len(c.want) || len(got) > 0 && !strings.HasPrefix(got[0], c.want[0]) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	f := facts(map[string]string{envr: ""})
	f.Direnv, f.Getenv = "/usr/bin/direnv", func(name string) string { return map[string]string{"DIRENV_DIR": "-/home/u/src"}[name] }
	if got := said(Project(f, Settings{File: "x"})); got != nil {
		t.Errorf("in a shell that direnv is in: %q", got)
	}
}

func FuzzProject(f *testing.F) {
	f.Add("eval \"$(direnv hook bash)\"", "use vwrap", "use_vwrap() {", "Found RC allowed 0\n")
	f.Fuzz(func(t *testing.T, rc, envrc, lib, status string) {
		machine := facts(map[string]string{"/home/u/.bashrc": rc, "/home/u/src/.envrc": envrc, "/home/u/.config/direnv/direnvrc": lib})
		machine.Direnv, machine.DirenvStatus = "/usr/bin/direnv", status
		machine.Getenv = func(name string) string { return map[string]string{"SHELL": "bash"}[name] }
		mended(t, Project(machine, Settings{File: "x"}))
	})
}
