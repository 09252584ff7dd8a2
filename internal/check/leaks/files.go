package leaks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/vwrap/vwrap/internal/search"
)

// A file that is still to be looked at.
type file struct {
	path  string // absolute, to open
	shown string // as the user would write it
}

const (
	mendFile    = "take it out, and write a reference in its place (vault:PATH#FIELD); rotate the secret if others can read the file"
	mendName    = "rename the file, and rotate the secret"
	mendTyped   = "take the line out, and rotate the secret"
	mendTemp    = "delete the file, and give the value by vwrap -- CMD instead"
	mendTracked = "take it out, write a reference in its place (vault:PATH#FIELD), and rotate the secret: the history of git keeps it"
)

// roots looks at the work trees and further paths.
func (l *look) roots(ctx context.Context) error {
	var errs []error
	for _, root := range l.Roots {
		path := resolve(root)
		if _, err := os.Lstat(path); err != nil {
			errs = append(errs, fmt.Errorf("look at %s: %w", l.redact(root), cause(err)))
			continue
		}
		if top := topOf(path); top != "" && !slices.Contains(l.tops, top) {
			l.tops = append(l.tops, top)
		}
		l.walk(ctx, path, root, mendFile, func(dir, name string) { l.knownInTree(dir, name, path, root) })
	}
	return errors.Join(errs...)
}

// cause is an error without the path in it, which is told beside it.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// temp looks at the directories for temporary files.
func (l *look) temp(ctx context.Context) error {
	if !l.Temp {
		return nil
	}
	for _, dir := range l.Env.Temp {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			l.walk(ctx, resolve(dir), dir, mendTemp, nil)
		}
	}
	return nil
}

// typed are the files in which programs keep what was typed.
var typed = []string{
	".bash_history", ".zsh_history", ".zhistory", ".sh_history", ".ash_history", ".ksh_history", ".history", ".local/share/fish/fish_history",
	".local/share/powershell/PSReadLine/ConsoleHost_history.txt", ".config/nushell/history.txt", ".python_history", ".node_repl_history",
	".psql_history", ".mysql_history", ".rediscli_history", ".sqlite_history", ".mongosh/mongosh_repl_history", ".lesshst", ".viminfo",
}

func (l *look) histories(ctx context.Context) error {
	if !l.Histories || l.Env.Home == "" {
		return nil
	}
	paths := make([]string, 0, len(typed)+1)
	for _, name := range typed {
		paths = append(paths, filepath.Join(l.Env.Home, name))
	}
	if l.Env.History != "" {
		paths = append(paths, l.Env.History)
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			l.walk(ctx, resolve(path), path, mendTyped, nil)
		}
	}
	return nil
}

// walk looks at all files below a path, and at their names. What was walked before is left out. The function is told of each
// file and each ".git".
func (l *look) walk(ctx context.Context, path, shown, mend string, each func(dir, name string)) {
	if l.covered(path) {
		return
	}
	files := make(chan file, 64)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			buffer := l.searcher.Buffer()
			for f := range files {
				l.file(f, mend, buffer)
			}
		})
	}
	w := walker{l, path, shown, mend, device(path), each, files}
	// It ends early by the context alone, which Check asks.
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if e := ctx.Err(); e != nil {
			return e
		}
		return w.visit(p, d, err)
	})
	close(files)
	wg.Wait()
	l.walked = append(l.walked, path)
}

type walker struct {
	*look
	path, shown, mend string
	device            uint64
	each              func(dir, name string)
	files             chan<- file
}

func (w walker) visit(path string, d fs.DirEntry, err error) error {
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // it went meanwhile
			w.cannotRead(w.show(path), err)
		}
		return nil
	}
	if path != w.path {
		w.name(path)
	}
	if d.Name() == ".git" && w.each != nil && !slices.Contains(w.tops, filepath.Dir(path)) {
		w.tops = append(w.tops, filepath.Dir(path))
	}
	switch {
	case d.IsDir():
		if path != w.path && (w.covered(path) || packed(path) || pseudo(path, w.device)) {
			return fs.SkipDir
		}
	case d.Type().IsRegular():
		w.counts.files++
		w.files <- file{path, w.show(path)}
		fallthrough
	default:
		if w.each != nil {
			w.each(filepath.Dir(path), d.Name())
		}
	}
	return nil
}

func (w walker) show(path string) string {
	rel, err := filepath.Rel(w.path, path)
	if err != nil {
		return path
	}
	return filepath.Join(w.shown, rel)
}

// name looks at the name of a file: also one with a slash in its value, which is a name below a directory.
func (w walker) name(path string) {
	rel := strings.TrimPrefix(strings.TrimPrefix(path, w.path), "/")
	var own matches
	for _, m := range w.inText(rel) {
		m.hits = slices.DeleteFunc(m.hits, func(h search.Hit) bool { return int(h.End) <= len(rel)-len(filepath.Base(rel)) })
		if len(m.hits) > 0 {
			m.hits, m.more = m.hits[:1], 0
			own = append(own, m)
		}
	}
	f := finding{}
	f.File, f.Mend = w.show(path), mendName
	w.tell(own, f, "the name of the file")
}

// packed reports whether a directory is git's own storage, which is compressed: what is in it is looked at by git.
func packed(path string) bool {
	dir, name := filepath.Split(path)
	return name == "objects" && strings.Contains(dir, "/.git/") && filepath.Base(dir) != "lfs"
}

// file looks at one file. It waits for no FIFO and follows no link that took the file's place meanwhile.
func (l *look) file(f file, mend string, buffer []byte) {
	if len(l.patterns) == 0 {
		return
	}
	in, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.cannotRead(f.shown, err)
		}
		return
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return
	}
	var all matches
	if err := l.searcher.Stream(onlyReader{in}, buffer, l.collect(&all)); err != nil {
		l.cannotRead(f.shown, err)
	}
	where := finding{path: f.path}
	where.File, where.Mend = f.shown, mend
	l.tell(l.without(all, f.path), where, "")
}

type onlyReader struct{ io.Reader }
