package cli

import (
	"fmt"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/file"
	"github.com/vwrap/vwrap/internal/watch"
)

// followFiles tells notice of the files that values come from when they may have changed: a probe has to look whether a value has. It
// returns what ends that.
func (s *session) followFiles(notice func(envsource.Notice)) (end func()) {
	reads := map[string][]envsource.Read{} // by path
	var paths []string
	for _, r := range s.plan.Reads() {
		if r.Source == envsource.SourceVault || file.Pipe(r.Path) { // what came out of a pipe does not come again
			continue
		}
		if reads[r.Path] == nil {
			paths = append(paths, r.Path)
		}
		reads[r.Path] = append(reads[r.Path], r)
	}
	if len(paths) == 0 {
		return func() {}
	}
	files, err := watch.New(s.conf.Rotation.Poll, paths...)
	if err != nil {
		s.log.Warn(fmt.Sprintf("changes are not seen: %v", err))
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case path := <-files.Changes():
				for _, r := range reads[path] {
					notice(envsource.Notice{Key: r.Key(), Reason: path + " has changed", Confirm: true, Probe: true})
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		files.Close()
	}
}
