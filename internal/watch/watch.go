// Package watch tells when a file may have changed. It watches the file's folder, because who replaces a file does that
// by renaming another one over it (vault login), or by turning a link round (Kubernetes' projected volumes).
package watch

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long nothing must have happened: a file is made, written and renamed in several steps.
const settle = 100 * time.Millisecond

// File is a file that is watched.
type File struct {
	changes chan struct{}
	watcher *fsnotify.Watcher
	ended   chan struct{}
}

// New begins to watch path, whose folder must exist; the file itself need not. What happens besides in that folder is
// not told.
func New(path string) (*File, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		_ = watcher.Close()
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	f := &File{changes: make(chan struct{}, 1), watcher: watcher, ended: make(chan struct{})}
	go f.follow(filepath.Base(path))
	return f, nil
}

// Changes has something in it when the file may have changed since it was taken out last.
func (f *File) Changes() <-chan struct{} { return f.changes }

// Close ends watching.
func (f *File) Close() {
	_ = f.watcher.Close()
	<-f.ended
}

func (f *File) follow(name string) {
	defer close(f.ended)
	calm := time.NewTimer(time.Hour)
	defer calm.Stop()
	for {
		select {
		case event, ok := <-f.watcher.Events:
			if !ok {
				return
			}
			if base := filepath.Base(event.Name); base == name || strings.HasPrefix(base, "..") {
				calm.Reset(settle)
			}
		case _, ok := <-f.watcher.Errors: // events were lost
			if !ok {
				return
			}
			calm.Reset(settle)
		case <-calm.C:
			select {
			case f.changes <- struct{}{}:
			default: // told already
			}
		}
	}
}
