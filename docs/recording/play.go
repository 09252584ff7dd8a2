package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// step is a line of the session: what is typed at a terminal (0 or 1), or waited for there.
type step struct {
	terminal int
	kind     byte // '$', '&' or '~'
	text     string
}

func parse(text string) (steps []step, err error) {
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		head, rest, ok := strings.Cut(line, " ")
		if !ok || len(head) != 2 || !strings.Contains("12", head[:1]) || !strings.Contains("$&~", head[1:]) {
			return nil, fmt.Errorf("line %d: what is %q?", n+1, line)
		}
		steps = append(steps, step{int(head[0] - '1'), head[1], rest})
	}
	return steps, nil
}

// event is what appears at a terminal at once: a line that is typed, or lines of output.
type event struct {
	terminal int
	typed    bool
	text     string
}

// shown is the port in the session and in the picture; another is free.
const shown = ":3000"

// player is a scratch folder with the program in it, in which lines are typed.
type player struct {
	folder, port string
	environ      []string
	terminals    [2]*output
	taken        [2]int // of each one's output, by events
	awaited      map[string]int
	seen         []event
	running      []*exec.Cmd
}

// play types the steps, and returns what was seen.
func play(ctx context.Context, vwrap string, steps []step) (seen []event, err error) {
	folder, err := os.MkdirTemp("", "vwrap-recording-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	p := &player{folder: folder, terminals: [2]*output{newOutput(), newOutput()}, awaited: map[string]int{}}
	if err := p.prepare(ctx, vwrap); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	for _, s := range steps {
		if err := p.do(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %w; the first terminal said:\n%s", s.text, err, p.terminals[0].String())
		}
	}
	return p.seen, nil
}

// prepare finds a port, and lays vwrap, its file and the program into the folder.
func (p *player) prepare(ctx context.Context, vwrap string) error {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a port: %w", err)
	}
	p.port = fmt.Sprintf(":%d", free.Addr().(*net.TCPAddr).Port)
	if err := free.Close(); err != nil {
		return fmt.Errorf("find a port: %w", err)
	}
	bin := filepath.Join(p.folder, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Symlink(vwrap, filepath.Join(bin, "vwrap")); err != nil {
		return fmt.Errorf("lay out vwrap: %w", err)
	}
	if err := os.WriteFile(filepath.Join(p.folder, "vwrap.yaml"), []byte(strings.ReplaceAll(config, shown, p.port)), 0o600); err != nil {
		return fmt.Errorf("lay out vwrap.yaml: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", filepath.Join(p.folder, "server"), "./drill")
	build.Dir = filepath.Join("..", "examples")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, said)
	}
	// A machine may have servers that vwrap dev would rather take, and a person a Vault.
	p.environ = []string{
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + p.folder, "LANG=C.UTF-8",
		"VWRAP_SERVER=embedded", "VWRAP_RUNTIME_DIR=" + filepath.Join(p.folder, "run"),
	}
	return nil
}

func (p *player) do(ctx context.Context, s step) error {
	out := p.terminals[s.terminal]
	if s.kind == '~' {
		p.awaited[s.text]++
		if err := out.await(ctx, s.text, p.awaited[s.text]); err != nil {
			return err
		}
		p.look()
		return nil
	}
	p.seen = append(p.seen, event{s.terminal, true, s.text})
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+strings.ReplaceAll(s.text, shown, p.port))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.folder, p.environ, out, out
	if strings.HasPrefix(s.text, "curl ") { // without a meter of its progress, which a terminal does not keep
		cmd.Args[2] += " -sS"
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start it: %w", err)
	}
	if s.kind == '&' {
		p.running = append(p.running, cmd)
		return nil
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, out.String())
	}
	p.look()
	return nil
}

// look takes what the terminals have said since the last time.
func (p *player) look() {
	for n, out := range p.terminals {
		text := out.String()
		if fresh := text[p.taken[n]:]; fresh != "" {
			p.seen = append(p.seen, event{n, false, fresh})
			p.taken[n] = len(text)
		}
	}
}

// end stops what still runs.
func (p *player) end() (err error) {
	for _, cmd := range p.running {
		if stop := cmd.Process.Signal(syscall.SIGTERM); stop != nil {
			err = errors.Join(err, fmt.Errorf("stop %s: %w", cmd.Args[2], stop))
		}
		_ = cmd.Wait() // that of the signal
	}
	return err
}

// output is what a terminal shows.
type output struct {
	mu    sync.Mutex
	text  strings.Builder
	wrote chan struct{} // has room for one: something was written since it was last looked at
}

func newOutput() *output { return &output{wrote: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until a whole line with text was written the nth time.
func (o *output) await(ctx context.Context, text string, n int) error {
	for {
		said := o.String()
		if end := strings.LastIndexByte(said, '\n'); strings.Count(said[:end+1], text) >= n {
			return nil
		}
		select {
		case <-o.wrote:
		case <-ctx.Done():
			return fmt.Errorf("wait for %q: %w", text, ctx.Err())
		}
	}
}
