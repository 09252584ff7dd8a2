package cli

import (
	"os"
	"path/filepath"

	"github.com/vwrap/vwrap/internal/check"
)

// near is path as it is written from the folder that the user stands in, where there is such a way.
func near(path string) string {
	here, err := os.Getwd()
	if err != nil || !filepath.IsAbs(path) {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil {
		return rel
	}
	return path
}

// inWorkspace has findings name the files of a workflow's work tree as GitHub does: from its top, wherever the check stands.
// What is no file there, such as one in a commit, is left as it is.
func inWorkspace(all []check.Finding, top string) {
	if top == "" {
		return
	}
	for i, f := range all {
		path, err := filepath.Abs(f.File)
		if err != nil || f.File == "" {
			continue
		}
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		path = filepath.Join(resolved(filepath.Dir(path)), filepath.Base(path))
		if rel, err := filepath.Rel(resolved(top), path); err == nil && filepath.IsLocal(rel) {
			all[i].File = rel
		}
	}
}

// resolved is a folder without symbolic links; as it is where that cannot be told.
func resolved(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}
