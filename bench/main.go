// Command bench measures what vwrap costs, against a real Vault on loopback, and prints it as Markdown.
//
//	go run . -vwrap PROGRAM [-vault PROGRAM] [-runs N] [-quick] [-write FILE]
//
// What is compared is run alternately in one go, so that whatever else the machine does hits all alike. It prints
// figures and judges none of them: nothing here is a test. It reads /proc, and so runs on Linux alone; some figures
// of a process that is not dumpable, as vwrap is, only root can read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// A child's parent-death signal comes when the thread that forked it ends: all are forked from the main one.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	vwrap, vault, write string
	runs                int
	idle                time.Duration
}

func parse(args []string) (settings, error) {
	s := settings{idle: 10 * time.Second}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.vwrap, "vwrap", "../bin/vwrap", "the vwrap `program` to measure")
	flags.StringVar(&s.vault, "vault", "", "the Vault or OpenBao `program` (default: the newest that the e2e suite has built)")
	flags.StringVar(&s.write, "write", "", "put the figures between the markers of `file` too")
	flags.IntVar(&s.runs, "runs", 60, "how often each start is measured; 50 or more for a p99 that means something")
	quick := flags.Bool("quick", false, "few runs and a short watch: to see whether it works")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("read arguments: %q is not a flag", flags.Arg(0))
	}
	if *quick {
		s.runs, s.idle = 10, 2*time.Second
	}
	if s.runs < 1 {
		return s, fmt.Errorf("read -runs: %d is too few", s.runs)
	}
	var err error
	if s.vwrap, err = filepath.Abs(s.vwrap); err != nil {
		return s, fmt.Errorf("find vwrap: %w", err)
	}
	if s.vault == "" {
		s.vault, err = newestServer()
	} else {
		s.vault, err = filepath.Abs(s.vault)
	}
	return s, err
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if s.write != "" { // before minutes of work
		if err := checkMarkers(s.write); err != nil {
			return err
		}
	}
	found, err := measure(ctx, s)
	if err != nil {
		return err
	}
	table := found.markdown()
	fmt.Print(table)
	if s.write != "" {
		return writeBetweenMarkers(s.write, table)
	}
	return nil
}

// measure does everything, and leaves no process and no file behind.
func measure(ctx context.Context, s settings) (figures, error) {
	f := figures{machine: thisMachine(), idle: s.idle, runs: s.runs}
	dir, err := os.MkdirTemp("", "vwrap-bench-")
	if err != nil {
		return f, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	floor, err := buildFloor(ctx, dir)
	if err != nil {
		return f, err
	}
	server, err := startServer(ctx, s.vault, dir)
	if err != nil {
		return f, err
	}
	defer server.stop()

	b := bench{dir: dir, vwrap: s.vwrap, floor: floor, server: server}
	steps := []struct {
		what string
		do   func(context.Context, *figures) error
	}{
		{"sizes", b.sizes},
		{"starts", b.starts},
		{"memory of a start", b.peak},
		{"a command that sleeps", b.rest},
		{"copies of a value", b.copies},
	}
	for _, step := range steps {
		fmt.Fprintf(os.Stderr, "bench: measuring %s\n", step.what)
		if err := step.do(ctx, &f); err != nil {
			return f, fmt.Errorf("measure %s: %w", step.what, err)
		}
	}
	return f, nil
}

// bench is what the measurements share.
type bench struct {
	dir          string // an empty folder, and home
	vwrap, floor string
	server       *server
}

// environ is what every measured program gets.
func (b bench) environ() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir,
		"VAULT_ADDR=" + b.server.address, "VAULT_TOKEN=" + b.server.token,
	}
}

// wrapped is vwrap around argv, with what it injects.
func (b bench) wrapped(flags []string, argv ...string) []string {
	return append(append(append([]string{b.vwrap}, flags...), "--"), argv...)
}

// injecting is the flag that makes vwrap fetch what the floor fetches.
var injecting = []string{"-e", "A=vault:secret/dev/api#key"}

// sizes looks at the files.
func (b bench) sizes(_ context.Context, f *figures) error {
	for _, program := range []struct {
		path string
		size *int64
	}{{b.vwrap, &f.vwrapSize}, {b.floor, &f.floorSize}} {
		info, err := os.Stat(program.path)
		if err != nil {
			return err
		}
		*program.size = info.Size()
	}
	return nil
}

// buildFloor builds the floor as vwrap is built.
func buildFloor(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "floor")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./floor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build floor: %w\n%s", err, said)
	}
	return program, nil
}
