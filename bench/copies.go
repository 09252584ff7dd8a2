package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// rotations is how many changes of the value the supervisor is watched through.
const rotations = 3

// copies looks for a value in the supervisor's memory: all the time while the command is started and rotated, and once
// after each. The same eye has to find it in the command, where it is.
func (b *bench) copies(ctx context.Context, f *figures) error {
	dir := filepath.Join(b.dir, "rotating")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	const config = "version: 1\nrotation: {poll: 1s, settle: 100ms}\n"
	if err := os.WriteFile(filepath.Join(dir, "vwrap.yaml"), []byte(config), 0o600); err != nil {
		return fmt.Errorf("write vwrap.yaml: %w", err)
	}
	markers := make([]string, 1+rotations)
	for i := range markers {
		markers[i] = randomHex()
	}
	if err := b.server.setKey(ctx, markers[0]); err != nil {
		return err
	}
	wrapped, err := b.startSleep(dir)
	if err != nil {
		return err
	}
	defer wrapped.stop()
	w := watch(wrapped.pid(), markers)
	err = b.rotate(ctx, f, wrapped, markers)
	f.looks, f.copiesDuring = w.stop()
	if errors.Is(err, fs.ErrPermission) {
		f.unreadable = true
		return nil
	}
	return err
}

// rotate writes a marker after the other and looks when the command has it.
func (b *bench) rotate(ctx context.Context, f *figures, wrapped *process, markers []string) error {
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
			f.copiesAtRest = held
		} else {
			f.copiesAfter = max(f.copiesAfter, held)
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
