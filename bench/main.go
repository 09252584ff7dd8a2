// Command bench measures what vwrap costs, and prints it as Markdown: with secrets against a real Vault on loopback, and
// with nothing to inject beside tini and dumb-init, which have to be installed (apt-get install tini dumb-init).
//
//	go run . -vwrap PROGRAM [-vault PROGRAM] [-runs N] [-signals N] [-quick] [-only PART[,PART...]] [-write FILE]
//
// The parts are nothing, exits and signals, which need no Vault, and sizes, starts, peak, rest and copies. Three small
// programs are built for it: floor, the least that fetches a secret; waiter, the least that supervises; and receiver,
// which is wrapped and says when a signal came, or when it ended.
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
	"slices"
	"strings"
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
	only                string
	runs, signals       int
	idle                time.Duration
}

func parse(args []string) (settings, error) {
	s := settings{idle: 10 * time.Second}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.vwrap, "vwrap", "../bin/vwrap", "the vwrap `program` to measure")
	flags.StringVar(&s.vault, "vault", "", "the Vault or OpenBao `program` (default: the newest that the e2e suite has built)")
	flags.StringVar(&s.write, "write", "", "put the figures between the markers of `file` too")
	flags.IntVar(&s.runs, "runs", 60, "how often each start is measured; 50 or more for a p99 that means something")
	flags.IntVar(&s.signals, "signals", 2000, "how many of each signal each wrapper has to pass on")
	flags.StringVar(&s.only, "only", "", "measure these `parts` alone, with commas between")
	quick := flags.Bool("quick", false, "few runs and a short watch: to see whether it works")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("read arguments: %q is not a flag", flags.Arg(0))
	}
	if *quick {
		s.runs, s.signals, s.idle = 10, 200, 2*time.Second
	}
	if s.runs < 1 {
		return s, fmt.Errorf("read -runs: %d is too few", s.runs)
	}
	if s.signals < 1 {
		return s, fmt.Errorf("read -signals: %d is too few", s.signals)
	}
	if s.only != "" && s.write != "" {
		return s, errors.New("read -write: with -only the other figures would be lost")
	}
	var err error
	if s.vwrap, err = filepath.Abs(s.vwrap); err != nil {
		return s, fmt.Errorf("find vwrap: %w", err)
	}
	if s.vault != "" {
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

// part is a part of the measurement.
type part struct {
	name, what string
	vault      bool // needs one
	do         func(*bench, context.Context, *figures) error
}

// parts are in the order in which they are measured: a server that waits takes time now and then, so those that need
// none come first.
var parts = []part{
	{"nothing", "starts with nothing to inject", false, (*bench).nothing},
	{"exits", "exits with nothing to inject", false, (*bench).exits},
	{"signals", "signals", false, (*bench).signals},
	{"sizes", "sizes", false, (*bench).sizes},
	{"starts", "starts", true, (*bench).starts},
	{"peak", "memory of a start", true, (*bench).peak},
	{"rest", "a command that sleeps", true, (*bench).rest},
	{"copies", "copies of a value", true, (*bench).copies},
}

// choose returns the parts of these names, or all.
func choose(only string) ([]part, error) {
	if only == "" {
		return parts, nil
	}
	names := strings.Split(only, ",")
	for _, name := range names {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return nil, fmt.Errorf("read -only: there is no part %q", name)
		}
	}
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !slices.Contains(names, p.name) }), nil
}

// measure does everything, and leaves no process and no file behind.
func measure(ctx context.Context, s settings) (figures, error) {
	f := figures{machine: thisMachine(), idle: s.idle, runs: s.runs, signalRuns: s.signals}
	chosen, err := choose(s.only)
	if err != nil {
		return f, err
	}
	b, err := prepare(ctx, s, chosen)
	if err != nil {
		return f, err
	}
	defer b.close()
	for _, p := range chosen {
		fmt.Fprintf(os.Stderr, "bench: measuring %s\n", p.what)
		if p.vault && b.server == nil {
			if b.server, err = startServer(ctx, b.vault, b.dir); err != nil {
				return f, err
			}
		}
		if err := p.do(b, ctx, &f); err != nil {
			return f, fmt.Errorf("measure %s: %w", p.what, err)
		}
	}
	return f, nil
}

// bench is what the measurements share.
type bench struct {
	dir                     string // a folder of its own, and home
	vwrap, vault            string
	floor, waiter, receiver string
	peers                   peers
	server                  *server // nil before the first part that needs one
}

// prepare finds and builds all programs, before minutes of work.
func prepare(ctx context.Context, s settings, chosen []part) (_ *bench, err error) {
	b := &bench{vwrap: s.vwrap, vault: s.vault}
	if b.peers, err = findPeers(ctx); err != nil {
		return nil, err
	}
	if b.vault == "" && slices.ContainsFunc(chosen, func(p part) bool { return p.vault }) {
		if b.vault, err = newestServer(); err != nil {
			return nil, err
		}
	}
	if b.dir, err = os.MkdirTemp("", "vwrap-bench-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	for _, program := range []struct {
		name string
		path *string
	}{{"floor", &b.floor}, {"waiter", &b.waiter}, {"receiver", &b.receiver}} {
		if *program.path, err = build(ctx, program.name, b.dir); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *bench) close() {
	if b.server != nil {
		b.server.stop()
	}
	os.RemoveAll(b.dir)
}

// environ is what every measured program gets.
func (b *bench) environ() []string {
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir}
	if b.server != nil {
		environ = append(environ, "VAULT_ADDR="+b.server.address, "VAULT_TOKEN="+b.server.token)
	}
	return environ
}

// wrapped is vwrap around argv, with what it injects.
func (b *bench) wrapped(flags []string, argv ...string) []string {
	return append(append(append([]string{b.vwrap}, flags...), "--"), argv...)
}

// injecting is the flag that makes vwrap fetch what the floor fetches.
var injecting = []string{"-e", "A=vault:secret/dev/api#key"}

// sizes looks at the files.
func (b *bench) sizes(_ context.Context, f *figures) error {
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

// build builds one of the programs here as vwrap is built.
func build(ctx context.Context, name, dir string) (string, error) {
	program := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, said)
	}
	return program, nil
}
