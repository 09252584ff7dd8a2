package backend

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/pattern"
	"github.com/vwrap/vwrap/internal/proc"
)

// ownerLabel names, on a container, the process that has to end it. What a killed vwrap left is found by it.
const ownerLabel = "vwrap.dev.owner"

// pullWithin is how long a container may take to begin, the download of its image included.
const pullWithin = 10 * time.Minute

// startContainer starts a server in a container whose port is published on the listening address alone.
func startContainer(ctx context.Context, o Options) (*Server, error) {
	image := cmp.Or(o.Image, DefaultImage)
	if err := CheckImage(image); err != nil {
		return nil, err
	}
	d, err := findDocker()
	if err != nil {
		return nil, err
	}
	d.sweep(ctx)
	if _, err := d.say(ctx, "image", "inspect", "--format", "{{.Id}}", image); err != nil {
		o.Tell("Docker has no image " + image + " yet: it downloads it")
	}
	id, err := d.run(ctx, o, image)
	if err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	waiting, leave := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(gone)
		_, _ = d.say(waiting, "wait", id) // until it has ended, or is removed
	}()
	s := &Server{Kind: Docker, What: image + " in a container", gone: gone, close: func() { d.remove(id); leave(); <-gone }}
	if err := s.answer(ctx, d, id, o.Token); err != nil {
		if ended(gone) {
			err = fmt.Errorf("the container has ended: %s", d.lastWords(id))
		}
		s.Close()
		return nil, fmt.Errorf("start %s: %w", image, err)
	}
	return s, nil
}

// answer finds out where the container is published, and waits until the server there answers.
func (s *Server) answer(ctx context.Context, d docker, id, token string) error {
	published, err := d.say(ctx, "port", id, "8200/tcp")
	if err != nil {
		return err
	}
	address, _, _ := strings.Cut(published, "\n")
	s.Address = "http://" + address
	s.Unseal = unsealer(s.Address, token, func() string { return d.unsealKey(id) })
	return await(ctx, s.Address, token, readyWithin, s.gone)
}

// ended reports whether a container has, or does in a moment: Docker may say so by its other answers first.
func ended(gone <-chan struct{}) bool {
	select {
	case <-gone:
		return true
	case <-time.After(2 * time.Second):
		return false
	}
}

// reference is an image as Docker names it, without capitals: a host perhaps, a path, a tag, a digest. It begins as no option does.
var reference = pattern.Of(`^(?:[a-z0-9][a-z0-9.-]*(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::([A-Za-z0-9_][A-Za-z0-9_.-]*))?(@sha256:[0-9a-f]{64})?$`)

// CheckImage refuses an image without a version, since who runs it tomorrow would have another server, and what is no image at all.
func CheckImage(image string) error {
	m := reference().FindStringSubmatch(image)
	if m == nil || m[2] == "" && (m[1] == "" || m[1] == "latest") {
		return fmt.Errorf("--image %s: want a version: %s", image, DefaultImage)
	}
	return nil
}

// docker is the Docker CLI.
type docker struct{ path string }

func findDocker() (docker, error) {
	path, err := exec.LookPath("docker")
	if err != nil {
		return docker{}, errors.New("docker is not on PATH: install it, or take another --server")
	}
	return docker{path}, nil
}

// say runs a command of the CLI and returns what it prints; environ is added to its environment.
func (d docker) say(ctx context.Context, args ...string) (string, error) {
	return d.with(ctx, nil, args...)
}

func (d docker) with(ctx context.Context, environ []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.path, args...)
	var out, complaint bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), environ...), &out, &complaint
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(complaint.String())
		return "", fmt.Errorf("docker %s: %s", args[0], cmp.Or(said[strings.LastIndex(said, "\n")+1:], err.Error()))
	}
	return strings.TrimSpace(out.String()), nil
}

// run starts the container and returns its ID. The token goes by the CLI's own environment, not its argv.
func (d docker) run(ctx context.Context, o Options, image string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pullWithin)
	defer cancel()
	owner, err := proc.Identity(os.Getpid())
	if err != nil {
		return "", err
	}
	listen := strings.TrimSuffix(o.Listen, ":0")
	if listen != o.Listen {
		listen += ":" // Docker's way to say: a free port
	}
	return d.with(ctx, []string{"VAULT_DEV_ROOT_TOKEN_ID=" + o.Token, "BAO_DEV_ROOT_TOKEN_ID=" + o.Token},
		"run", "--detach", "--label", ownerLabel+"="+owner, "--publish", listen+":8200",
		"--env", "VAULT_DEV_ROOT_TOKEN_ID", "--env", "BAO_DEV_ROOT_TOKEN_ID",
		"--env", "VAULT_DEV_LISTEN_ADDRESS=0.0.0.0:8200", "--env", "BAO_DEV_LISTEN_ADDRESS=0.0.0.0:8200", // within the container
		"--env", "SKIP_SETCAP=1", "--env", "VAULT_LOG_LEVEL=error", "--env", "BAO_LOG_LEVEL=error", // in development mode no memory is locked
		image, "server", "-dev", "-dev-no-store-token")
}

// remove ends the container; nothing of it stays.
func (d docker) remove(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, _ = d.say(ctx, "rm", "--force", "--volumes", id) // else the next start does it
}

// sweep removes the containers whose owner is gone.
func (d docker) sweep(ctx context.Context) {
	list, err := d.say(ctx, "ps", "--all", "--no-trunc", "--filter", "label="+ownerLabel, "--format", `{{.ID}} {{.Label "`+ownerLabel+`"}}`)
	if err != nil {
		return // the start will say what is wrong
	}
	for line := range strings.Lines(list) {
		id, owner, _ := strings.Cut(strings.TrimSpace(line), " ")
		if id != "" && !proc.Lives(owner) {
			d.remove(id)
		}
	}
}

// unsealKey is the key that the container's log tells.
func (d docker) unsealKey(id string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	log, _ := d.say(ctx, "logs", id)
	for line := range strings.Lines(log) {
		if key := unsealKey(line); key != "" {
			return key
		}
	}
	return ""
}

// lastWords is the last line that the container wrote.
func (d docker) lastWords(id string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, d.path, "logs", "--tail", "1", id).CombinedOutput()
	if err != nil {
		return "and said nothing"
	}
	return strings.TrimSpace(string(out))
}
