package backend

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/proc"
)

// stopGrace is what a server that was asked to end is given before it is killed.
const stopGrace = 5 * time.Second

// startProgram starts devvault, vault or bao.
func startProgram(ctx context.Context, o Options) (*Server, error) {
	path, err := find(o.Kind)
	if err != nil {
		return nil, err
	}
	address, err := concrete(o.Listen)
	if err != nil {
		return nil, err
	}
	p, err := spawn(o, path, address)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	s := &Server{Kind: o.Kind, What: path, Address: "http://" + address, gone: p.ended, close: p.end}
	if o.Kind == Devvault {
		s.Lacks = "every engine but KV, leased KV, database (PostgreSQL), PKI and transit, and every login but tokens, AppRole, userpass, JWT and Kubernetes"
	}
	s.Unseal = unsealer(s.Address, o.Token, p.said.unsealKey)
	if err := await(ctx, s.Address, o.Token, readyWithin, p.ended); err != nil {
		s.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return s, nil
}

// program is a server that runs.
type program struct {
	cmd   *exec.Cmd
	said  *saying
	ended chan struct{}
}

// spawn starts the program, with an environment of its own: what is set for the user's Vault is not for this one. The
// token goes by the environment, since argv is for everybody to read.
func spawn(o Options, path, address string) (*program, error) {
	cmd := exec.Command(path, "server", "-dev", "-dev-no-store-token", "-dev-listen-address="+address)
	if o.Kind == Devvault {
		cmd = exec.Command(path, "-listen", address)
	}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmp.Or(os.Getenv("HOME"), "/"), "TMPDIR=" + os.TempDir(),
		"DEVVAULT_TOKEN=" + o.Token, "VAULT_DEV_ROOT_TOKEN_ID=" + o.Token, "BAO_DEV_ROOT_TOKEN_ID=" + o.Token,
		"VAULT_LOG_LEVEL=error", "BAO_LOG_LEVEL=error",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's keys are not for it
	proc.EndWithThread(cmd.SysProcAttr)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer w.Close()
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	p := &program{cmd: cmd, said: listenTo(r), ended: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	return p, <-started
}

// run starts the program, on a thread that lives as long: with that it would end.
func (p *program) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // how it ended is nobody's matter
	}
}

// end asks the server to end, and kills it where it does not.
func (p *program) end() {
	_ = p.cmd.Process.Signal(unix.SIGTERM) // a process that is gone has ended
	select {
	case <-p.ended:
	case <-time.After(stopGrace):
		_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
		<-p.ended
	}
	<-p.said.done
}

// saying is what a server writes to standard output. Nothing but its unseal key is kept.
type saying struct {
	key  atomic.Pointer[string]
	done chan struct{}
}

func listenTo(r io.ReadCloser) *saying {
	s := &saying{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer r.Close()
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if key := unsealKey(lines.Text()); key != "" {
				s.key.Store(&key)
			}
		}
		_, _ = io.Copy(io.Discard, r) // a line too long ends the scanner: who writes has to be read on
	}()
	return s
}

func (s *saying) unsealKey() string {
	if key := s.key.Load(); key != nil {
		return *key
	}
	return ""
}

// unsealKey is the key that a line of a development server tells; "" where it tells none. Vault and OpenBao have a line
// for it, devvault a word.
func unsealKey(line string) string {
	if key, ok := strings.CutPrefix(strings.TrimSpace(line), "Unseal Key:"); ok {
		return strings.TrimSpace(key)
	}
	for word := range strings.FieldsSeq(line) {
		if key, ok := strings.CutPrefix(word, "UNSEAL_KEY="); ok {
			return key
		}
	}
	return ""
}
