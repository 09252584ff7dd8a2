// Package watch tells when files may have changed. It watches their folders, because who replaces a file does that by renaming another
// one over it (vault login), or by turning a link round (Kubernetes' projected volumes); and the files themselves, which may be mounted
// from elsewhere and written in place (Docker's secrets). Where the system tells nothing (network file systems, a virtual machine's
// shared folders) it looks, now and then.
package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long nothing must have happened: a file is made, written and renamed in several steps.
const settle = 100 * time.Millisecond

// Files are files that are watched.
type Files struct {
	changes chan string
	watcher *fsnotify.Watcher
	end     chan struct{}
	ended   chan struct{}

	known map[string]stamp // by path, as it was seen last
	dirty map[string]bool  // may have changed, and are let settle
	told  []string         // are to be told
}

// stamp is what a file that was written has anew.
type stamp struct {
	info os.FileInfo // nil: it is not there
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info}
}

func (s stamp) equal(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.info == t.info
	}
	return os.SameFile(s.info, t.info) && s.info.Size() == t.info.Size() && s.info.ModTime().Equal(t.info.ModTime())
}

// New begins to watch paths. The folder of each must exist; the files need not. Where poll is not 0 they are also looked at in such
// intervals, and a folder that cannot be watched is no error.
func New(poll time.Duration, paths ...string) (*Files, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", strings.Join(paths, ", "), err)
	}
	f := &Files{
		changes: make(chan string), watcher: watcher, end: make(chan struct{}), ended: make(chan struct{}),
		known: map[string]stamp{}, dirty: map[string]bool{},
	}
	for _, path := range paths {
		if err := watcher.Add(filepath.Dir(path)); err != nil && poll == 0 {
			_ = watcher.Close()
			return nil, fmt.Errorf("watch %s: %w", path, err)
		}
		_ = watcher.Add(path) // it may not be there
		f.known[path] = stampOf(path)
	}
	go f.follow(poll)
	return f, nil
}

// Changes gives the path of a file each time that it may have changed.
func (f *Files) Changes() <-chan string { return f.changes }

// Close ends watching.
func (f *Files) Close() {
	close(f.end)
	<-f.ended
	_ = f.watcher.Close()
}

func (f *Files) follow(poll time.Duration) {
	defer close(f.ended)
	calm := time.NewTimer(time.Hour)
	defer calm.Stop()
	var look <-chan time.Time
	if poll > 0 {
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		var changes chan string
		var first string
		if len(f.told) > 0 {
			changes, first = f.changes, f.told[0]
		}
		select {
		case <-f.end:
			return
		case event := <-f.watcher.Events:
			if f.touched(event.Name) {
				calm.Reset(settle)
			}
		case _, lost := <-f.watcher.Errors: // that is, events
			for path := range f.known {
				f.dirty[path] = lost
			}
			calm.Reset(settle)
		case <-calm.C:
			for path := range f.dirty {
				f.changed(path)
			}
			clear(f.dirty)
		case <-look:
			for path, before := range f.known {
				if !f.dirty[path] && !before.equal(stampOf(path)) {
					f.changed(path)
				}
			}
		case changes <- first:
			f.told = f.told[1:]
		}
	}
}

// touched notes what an event about name may mean; it reports whether it means anything.
func (f *Files) touched(name string) (some bool) {
	for path := range f.known {
		linked := filepath.Dir(name) == filepath.Dir(path) && strings.HasPrefix(filepath.Base(name), "..") // Kubernetes' ..data
		if filepath.Clean(name) == filepath.Clean(path) || linked {
			f.dirty[path], some = true, true
		}
	}
	return some
}

func (f *Files) changed(path string) {
	f.known[path] = stampOf(path)
	_ = f.watcher.Add(path) // it may be another one now
	if !slices.Contains(f.told, path) {
		f.told = append(f.told, path)
	}
}
