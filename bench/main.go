// Command bench measures what vwrap costs, beside its peers, and prints it as Markdown: against a real Vault on loopback,
// the same over a slow link, and with nothing to inject.
//
//	go run . -vwrap PROGRAM [-vault PROGRAM] [-devvault PROGRAM] [-peers DIR] [-runs N] [-signals N] [-quick] [-only PART[,PART...]] [-write FILE]
//
// The parts are named in the list of parts below, each of which has a file here. Three small programs are built for it:
// floor, the least that fetches a secret; waiter, the least that supervises; and receiver, which is wrapped and says when
// it began, when a signal came, or when it ended. Peers are looked for in a folder, and on the PATH; one that is not
// there is not run, and the report says so.
//
// What is compared is run alternately in one go, so that whatever else the machine does hits all alike. It prints
// figures, and whether they are what vwrap has set itself; nothing here is a test. It reads /proc, and so runs on Linux
// alone; some figures of a process that is not dumpable, as vwrap is, only root can read.
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
	vwrap, vault, devvault string
	peers, write, only     string
	scale                  scale
}

// scale is how much is measured.
type scale struct {
	runs, signals int
	crowd         int           // of wrappers that start at once
	leases        int           // the most that one wrapper has
	idle          time.Duration // how long wrappers are watched that have nothing to do
	calm          time.Duration // how long they are left before
	renewals      time.Duration // how long one is watched that renews
}

var (
	whole = scale{runs: 50, signals: 2000, crowd: 200, leases: 1000, idle: 5 * time.Minute, calm: 100 * time.Second, renewals: 100 * time.Second}
	quick = scale{runs: 10, signals: 200, crowd: 50, leases: 1000, idle: 10 * time.Second, calm: settling, renewals: 40 * time.Second}
)

func parse(args []string) (settings, error) {
	s := settings{scale: whole}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.vwrap, "vwrap", "../bin/vwrap", "the vwrap `program` to measure")
	flags.StringVar(&s.vault, "vault", "", "the Vault or OpenBao `program` (default: the newest that the e2e suite has built)")
	flags.StringVar(&s.devvault, "devvault", "", "the devvault `program`, which leases (default: likewise)")
	flags.StringVar(&s.peers, "peers", "", "a `folder` with programs of peers, which go before those of the PATH")
	flags.StringVar(&s.write, "write", "", "put the figures between the markers of `file` too")
	runs := flags.Int("runs", 0, "how often each start is measured; 50 or more for a p99 that means something (default 50)")
	signals := flags.Int("signals", 0, "how many of each signal each wrapper has to pass on (default 2000)")
	flags.StringVar(&s.only, "only", "", "measure these `parts` alone, with commas between")
	hurry := flags.Bool("quick", false, "few runs and short watches: to see whether it works")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("read arguments: %q is not a flag", flags.Arg(0))
	}
	if *hurry {
		s.scale = quick
	}
	for _, given := range []struct {
		name     string
		from, to *int
	}{{"runs", runs, &s.scale.runs}, {"signals", signals, &s.scale.signals}} {
		if *given.from < 0 {
			return s, fmt.Errorf("read -%s: %d is too few", given.name, *given.from)
		}
		if *given.from > 0 {
			*given.to = *given.from
		}
	}
	if s.only != "" && s.write != "" {
		return s, errors.New("read -write: with -only the other figures would be lost")
	}
	return s, absolute(&s.vwrap, &s.vault, &s.devvault, &s.peers)
}

// absolute makes paths that are given such that they hold in every folder.
func absolute(paths ...*string) (err error) {
	for _, path := range paths {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("find working directory: %w", err)
		}
	}
	return nil
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
	fmt.Print(found.markdown()) // what there is, where a part failed
	if err != nil || s.write == "" {
		return err
	}
	return writeBetweenMarkers(s.write, found.markdown())
}

// part is a part of the measurement.
type part struct {
	name, what  string
	vault, lent bool // needs the one server, the other
	do          func(*bench, context.Context) (section, error)
}

// parts are in the order in which they are measured: a server that waits takes time now and then, so those that need
// none come first.
var parts = []part{
	{name: "nothing", what: "starts with nothing to inject", do: (*bench).nothing},
	{name: "exits", what: "exits with nothing to inject", do: (*bench).exits},
	{name: "signals", what: "signals", do: (*bench).signals},
	{name: "starts", what: "starts", vault: true, do: (*bench).starts},
	{name: "first", what: "the way to a command's first instruction", vault: true, do: (*bench).first},
	{name: "far", what: "starts over a slow link", vault: true, do: (*bench).far},
	{name: "sizes", what: "sizes and pages", vault: true, do: (*bench).sizes},
	{name: "rest", what: "memory around a command that sleeps", vault: true, do: (*bench).rest},
	{name: "copies", what: "copies of a value", vault: true, do: (*bench).copies},
	{name: "crowd", what: "many wrappers at once", vault: true, do: (*bench).crowd},
	{name: "changes", what: "changes of a value", vault: true, lent: true, do: (*bench).changes},
	{name: "ends", what: "ends of leases", vault: true, do: (*bench).ends},
	{name: "leaves", what: "exits with leases", lent: true, do: (*bench).leaves},
	{name: "memory", what: "memory with leases", lent: true, do: (*bench).memory},
	{name: "requests", what: "requests", vault: true, lent: true, do: (*bench).requests},
	{name: "idle", what: "wrappers with little to do", vault: true, lent: true, do: (*bench).idle},
	{name: "renewals", what: "many leases in one wrapper", lent: true, do: (*bench).renewals},
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

// measure does everything, and leaves no process and no file behind. With an error it returns what it has found so far.
func measure(ctx context.Context, s settings) (report, error) {
	r := report{machine: thisMachine()}
	chosen, err := choose(s.only)
	if err != nil {
		return r, err
	}
	b, err := prepare(ctx, s, chosen)
	if err != nil {
		return r, err
	}
	defer b.close()
	r.peers = b.peers // what becomes known of them later too
	for _, p := range chosen {
		fmt.Fprintf(os.Stderr, "bench: measuring %s\n", p.what)
		if err := b.serve(ctx, p); err != nil {
			return r, err
		}
		found, err := p.do(b, ctx)
		if err != nil {
			return r, fmt.Errorf("measure %s: %w", p.what, err)
		}
		r.sections = append(r.sections, found)
	}
	return r, nil
}

// bench is what the measurements share.
type bench struct {
	scale                   scale
	dir                     string // a folder of its own, and home
	tmpfs                   string // another, in memory
	vwrap                   string
	floor, waiter, receiver string
	peers                   []peer
	vaultProgram, devvault  string
	server, lender          *server // nil before the first part that needs one
}

// prepare finds and builds all programs, before minutes of work.
func prepare(ctx context.Context, s settings, chosen []part) (_ *bench, err error) {
	b := &bench{scale: s.scale, vwrap: s.vwrap, vaultProgram: s.vault, devvault: s.devvault}
	if b.vaultProgram == "" && slices.ContainsFunc(chosen, func(p part) bool { return p.vault }) {
		if b.vaultProgram, err = newestBuilt("vaultserver"); err != nil {
			return nil, err
		}
	}
	if b.devvault == "" && slices.ContainsFunc(chosen, func(p part) bool { return p.lent }) {
		if b.devvault, err = newestBuilt("devvault"); err != nil {
			return nil, err
		}
	}
	b.peers = findPeers(ctx, s.peers)
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "vwrap-bench-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if b.tmpfs, err = os.MkdirTemp("/dev/shm", "vwrap-bench-"); err != nil {
		return nil, fmt.Errorf("make folder in memory: %w", err)
	}
	for _, program := range []struct {
		name string
		path *string
	}{{"floor", &b.floor}, {"waiter", &b.waiter}, {"receiver", &b.receiver}} {
		if *program.path, err = build(ctx, program.name, b.dir); err != nil {
			return nil, err
		}
	}
	return b, b.install()
}

// install has every program that is measured as an installation leaves it: written in one go. What a linker has written stays in
// the page cache a page at a time, which costs each start of a large program a millisecond.
func (b *bench) install() (err error) {
	bin := filepath.Join(b.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	programs := []*string{&b.vwrap, &b.floor, &b.waiter, &b.receiver}
	for i := range b.peers {
		if b.peers[i].found() {
			programs = append(programs, &b.peers[i].program)
		}
	}
	for _, path := range programs {
		if *path, err = copied(*path, bin); err != nil {
			return err
		}
	}
	return nil
}

// copied copies a program into a folder, unless it was.
func copied(program, into string) (string, error) {
	to := filepath.Join(into, filepath.Base(program))
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	content, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(to, content, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("install %s: %w", program, err)
	}
	return to, nil
}

// serve starts the servers that a part needs, unless they run.
func (b *bench) serve(ctx context.Context, p part) (err error) {
	if p.vault && b.server == nil {
		if b.server, err = startVault(ctx, b.vaultProgram, b.dir); err != nil {
			return err
		}
		if err = b.fillShapes(ctx); err != nil {
			return err
		}
		if err = b.tryPeers(ctx); err != nil {
			return err
		}
	}
	if p.lent && b.lender == nil {
		b.lender, err = startLender(ctx, b.devvault, b.dir)
	}
	return err
}

func (b *bench) fillShapes(ctx context.Context) error {
	for _, s := range shapes {
		if err := b.server.fill(ctx, s.values(kvMount), nil); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) close() {
	for _, s := range []*server{b.server, b.lender} {
		if s != nil {
			s.stop()
		}
	}
	for _, dir := range []string{b.dir, b.tmpfs} {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
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
