package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// rotations is how many changes of the value the supervisor is watched through.
const rotations = 3

// found is how often a value was there.
type found struct {
	unreadable                 bool // memory cannot be looked at
	control                    int  // in the command
	atRest, during, afterwards int  // in the supervisor
	looks                      int
}

// copies looks for a value in the supervisor's memory: all the time while the command is started and rotated, and once
// after each. The same eye has to find it in the command, where it is.
func (b *bench) copies(ctx context.Context) (section, error) {
	var f found
	markers := make([]string, 1+rotations)
	for i := range markers {
		markers[i] = randomHex()
	}
	if err := b.server.setKey(ctx, markers[0]); err != nil {
		return section{}, err
	}
	words, err := sleepWords()
	if err != nil {
		return section{}, err
	}
	rules := "rotation: {poll: 1s, settle: 100ms}\nenv: {A: \"vault:secret/dev/api#key\"}\n"
	c, err := b.vwrapped(b.server.place(), nil, rules, words...)
	if err != nil {
		return section{}, err
	}
	wrapped, err := start(c)
	if err != nil {
		return section{}, err
	}
	defer wrapped.stop()
	w := watch(wrapped.pid(), markers)
	err = b.rotate(ctx, &f, wrapped, markers)
	f.looks, f.during = w.stop()
	if errors.Is(err, fs.ErrPermission) {
		f.unreadable, err = true, nil
	}
	return section{markdown: f.markdown()}, err
}

func (f found) markdown() string {
	const title = "copies of a value in the supervisor's memory"
	if f.unreadable {
		return rows(title, [2]string{"at any time", "only root can look"})
	}
	return rows(title,
		[2]string{"at rest", fmt.Sprint(f.atRest)},
		[2]string{fmt.Sprintf("in any of %d looks during the start and %d rotations", f.looks, rotations), fmt.Sprint(f.during)},
		[2]string{"after a rotation", fmt.Sprint(f.afterwards)},
		[2]string{"in the command's memory, by the same scanner", fmt.Sprint(f.control)})
}

// awaitSleep returns the wrapped command's PID once it runs with the given variable.
func awaitSleep(ctx context.Context, wrapped *process, variable string) (pid int, err error) {
	err = await(ctx, 30*time.Second, "the wrapped command", func() error {
		if wrapped.ended() {
			return wrapped.failure()
		}
		var err error
		pid, err = sleeper(wrapped.pid(), variable)
		return err
	})
	return pid, err
}

// rotate writes a marker after the other and looks when the command has it.
func (b *bench) rotate(ctx context.Context, f *found, wrapped *process, markers []string) error {
	for i, marker := range markers {
		if i > 0 {
			if err := b.server.setKey(ctx, marker); err != nil {
				return err
			}
		}
		command, err := awaitSleep(ctx, wrapped, "A="+marker)
		if err != nil {
			return err
		}
		control, err := count(command, markers)
		if err != nil {
			return err
		}
		if control == 0 {
			return errors.New("the value is not found in the command itself: what is found elsewhere says nothing")
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil { // the rotation comes to its end
			return err
		}
		held, err := count(wrapped.pid(), markers)
		if err != nil {
			return err
		}
		f.control = max(f.control, control)
		if i == 0 {
			f.atRest = held
		} else {
			f.afterwards = max(f.afterwards, held)
		}
	}
	return nil
}

// watcher looks at one process over and over.
type watcher struct {
	end, ended  chan struct{}
	looks, most int
}

func watch(pid int, values []string) *watcher {
	w := &watcher{end: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		pause := time.NewTicker(5 * time.Millisecond)
		defer pause.Stop()
		for {
			if found, err := count(pid, values); err == nil { // else rotate says so
				w.looks++
				w.most = max(w.most, found)
			}
			select {
			case <-w.end:
				return
			case <-pause.C:
			}
		}
	}()
	return w
}

// stop returns how often was looked, and the most copies that were found in one look.
func (w *watcher) stop() (looks, most int) {
	close(w.end)
	<-w.ended
	return w.looks, w.most
}

// count is how often the values stand in all the memory that a process can read.
func count(pid int, values []string) (int, error) {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, fmt.Errorf("open memory: %w", err)
	}
	defer memory.Close()
	maps, err := procFile(pid, "maps")
	if err != nil {
		return 0, fmt.Errorf("read mappings: %w", err)
	}
	found, read := 0, int64(0)
	for line := range strings.Lines(maps) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || mode[0] != 'r' {
			continue // or one of the kernel's own, above what an int64 holds
		}
		copies, n := countIn(io.NewSectionReader(memory, from, to-from), values)
		found, read = found+copies, read+n
	}
	if read == 0 {
		return 0, fmt.Errorf("scan memory of process %d: nothing could be read", pid)
	}
	return found, nil
}

// countIn reads a mapping in pieces that overlap by one byte less than a value, so that none falls between two or
// counts twice. A page that cannot be read ends it: the kernel's own are such.
func countIn(mapping io.ReaderAt, values []string) (found int, read int64) {
	overlap := len(values[0]) - 1 // all have one length
	piece := make([]byte, 1<<20)
	for offset := int64(0); ; offset += int64(len(piece) - overlap) {
		n, err := mapping.ReadAt(piece, offset)
		for _, value := range values {
			found += bytes.Count(piece[:n], []byte(value))
		}
		read += int64(n)
		if err != nil {
			return found, read
		}
	}
}
