package leaks

import (
	"os"
	"path/filepath"
	"slices"
)

// Names that scripts give to files of values in the temp directory, and what to do instead.
var knownTemp = map[string]string{
	".db_pass":       "delete it, and start what reads it by vwrap -- CMD: it gets the value in its environment",
	"local_keys.txt": "delete it, and use vwrap check parity, which keeps its lists in memory",
	"ci_keys.txt":    "delete it, and use vwrap check parity, which keeps its lists in memory",
}

// known looks at the places that are bad by their names, outside of the work trees.
func (l *look) known() {
	if l.Temp {
		l.knownInTemp()
	}
	if l.Histories && l.Env.Home != "" {
		l.knownInHome()
	}
}

func (l *look) knownInTemp() {
	var done []string
	for _, dir := range l.Env.Temp {
		real := resolve(dir)
		if slices.Contains(done, real) {
			continue
		}
		done = append(done, real)
		for name, mend := range knownTemp {
			l.bad(filepath.Join(real, name), filepath.Join(dir, name), "is where scripts leave secrets for all to read", mend)
		}
	}
}

func (l *look) knownInHome() {
	token := filepath.Join(l.Env.Home, ".vault-token")
	if info, err := os.Stat(token); err == nil && info.Mode().Perm()&0o004 != 0 {
		l.bad(token, token, "has a token, and all users can read it",
			"chmod 600 "+token+"; on a mount that keeps no modes (/mnt/c of WSL2), move the home directory off it")
	}
}

// knownInTree looks at a file of a work tree.
func (l *look) knownInTree(dir, name, root, shown string) {
	path := filepath.Join(dir, name)
	show := walker{path: root, shown: shown}.show(path)
	switch {
	case name == ".env.local":
		l.bad(path, show, "is a file for values in clear",
			"delete it, write references in vwrap.yaml (NAME: vault:PATH#FIELD), and start the command by vwrap -- CMD")
	case name == ".vault-token" && (l.Env.Home == "" || dir != resolve(l.Env.Home)):
		l.bad(path, show, "is a token of Vault inside a work tree",
			"vault token revoke it, delete it, and keep the token in the home directory, or log in as vwrap.yaml says (vault.auth)")
	}
}

// bad tells of a file that is there, and not empty.
func (l *look) bad(path, shown, text, mend string) {
	info, err := os.Lstat(path)
	if err != nil || info.IsDir() || info.Mode().IsRegular() && info.Size() == 0 {
		return
	}
	f := finding{path: path}
	f.Rule, f.File, f.Text, f.Mend = "known-place", shown, text, mend
	l.add(f)
}
