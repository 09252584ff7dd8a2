package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// scratch is the folder of one run of the suite; programs is the part of it that stands first on every PATH.
var scratch, programs string

func TestMain(m *testing.M) {
	flag.Parse()
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		cleanup.run()
		os.Exit(1)
	}
	cleanUpWhenInterrupted()
	code := m.Run()
	cleanup.run()
	os.Exit(code)
}

// prepare builds what every test needs; servers are started by the first test that asks for one.
func prepare() error {
	if err := preferParallel(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "vwrap-e2e-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	cleanup.add(func() { os.RemoveAll(dir) })
	// The unprivileged user that PostgreSQL runs as has to pass through.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open scratch folder: %w", err)
	}
	scratch, programs = dir, filepath.Join(dir, "bin")
	if err := os.Mkdir(programs, 0o755); err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	if err := os.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return fmt.Errorf("set PATH: %w", err)
	}
	return buildPrograms()
}

// preferParallel runs eight scripts at a time unless the command line says otherwise: scripts mostly wait.
func preferParallel() error {
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if chosen {
		return nil
	}
	return flag.Set("test.parallel", "8")
}

// cleanup is what has to be undone when the suite ends, last first.
var cleanup undo

type undo struct {
	mu    sync.Mutex
	steps []func()
}

func (u *undo) add(step func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.steps = append(u.steps, step)
}

func (u *undo) run() {
	u.mu.Lock()
	steps := u.steps
	u.steps = nil
	u.mu.Unlock()
	for _, step := range slices.Backward(steps) {
		step()
	}
}

// cleanUpWhenInterrupted goes on as long as the test binary does. A KILL it cannot see: then the children's own
// parent-death signals end them, and only the scratch folder stays. HUP is caught under nohup too, and passed over:
// what ignores it begins programs that ignore it.
func cleanUpWhenInterrupted() {
	nohup := signal.Ignored(syscall.SIGHUP)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range interrupted {
			if s == syscall.SIGHUP && nohup {
				continue
			}
			cleanup.run()
			os.Exit(130)
		}
	}()
}
