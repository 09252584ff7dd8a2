// Package backend finds a development Vault and starts it: the embedded server, a program that is here (devvault,
// vault, bao), or a container. All of them are in memory, and end with what started them. What is put into one is not
// its business.
package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/devserver/admin"
)

// The kinds of servers.
const (
	Auto     = "auto"
	Embedded = "embedded"
	Devvault = "devvault"
	Vault    = "vault"
	Bao      = "bao"
	Docker   = "docker"
)

// Kinds are all of them.
var Kinds = []string{Auto, Embedded, Devvault, Vault, Bao, Docker}

// DefaultImage is what Docker runs where nobody says what.
const DefaultImage = "hashicorp/vault:1.21.1"

// Options say which server is started.
type Options struct {
	Kind   string `json:"kind"`   // one of Kinds
	Image  string `json:"image"`  // of Docker, with a tag; "" is DefaultImage
	Listen string `json:"listen"` // HOST:PORT; port 0 is a free one
	Token  string `json:"token"`  // the root's

	Fits func(kind string) error `json:"-"` // why a server of a kind cannot be given what is to be put there; nil is all can
	Tell func(line string)       `json:"-"` // what takes long
}

// Server is a development Vault that runs.
type Server struct {
	Kind    string
	What    string // for people: the kind, and which one it is
	Lacks   string // for people: what it cannot do; "" where it is the real thing
	Address string
	Unseal  func(context.Context) error

	gone  <-chan struct{} // closed when it ended by itself; nil where that is not seen
	close func()
}

// Gone is closed when the server has ended without being told to.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// Close ends the server, and waits until it has.
func (s *Server) Close() { s.close() }

// Start starts a server, and returns when it answers and has its secret/.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Kind == Auto {
		o.Kind = choose(func(kind string) bool {
			_, err := find(kind)
			return err == nil && (o.Fits == nil || o.Fits(kind) == nil)
		})
	}
	switch o.Kind {
	case Embedded:
		return startEmbedded(o)
	case Docker:
		return startContainer(ctx, o)
	case Devvault, Vault, Bao:
		return startProgram(ctx, o)
	}
	return nil, fmt.Errorf("%q is no kind of server (want %s)", o.Kind, strings.Join(Kinds, ", "))
}

// choose takes the first that will do, the real ones first.
func choose(will func(kind string) bool) string {
	for _, kind := range []string{Bao, Vault, Devvault} {
		if will(kind) {
			return kind
		}
	}
	return Embedded
}

// find is the program of a kind.
func find(kind string) (string, error) {
	if kind == Devvault {
		if path := besides(kind); path != "" {
			return path, nil
		}
	}
	path, err := exec.LookPath(kind)
	switch {
	case err == nil:
		return path, nil
	case kind == Devvault:
		return "", errors.New("devvault is neither beside vwrap nor on PATH: vwrap dev --build-devvault builds it")
	}
	return "", fmt.Errorf("%s is not on PATH: install it, or take another --server", kind)
}

const (
	readyWithin = 30 * time.Second
	readyLook   = 10 * time.Millisecond
)

// await returns when the server at address has come up: it is unsealed, its root has this token, and secret/ is mounted,
// which development servers do last.
func await(ctx context.Context, address, token string, within time.Duration, gone <-chan struct{}) error {
	root := admin.New(address, token)
	defer root.Close()
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		mounts, err := root.Read(ctx, "sys/mounts")
		if err == nil && mounts.Data["secret/"] != nil {
			return nil
		}
		if admin.IsStatus(err, http.StatusForbidden) && ctx.Err() == nil {
			err = errors.New("it does not know the root token that it was given") // yet
		}
		select {
		case <-gone:
			return errors.New("it ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("it is not ready after %s: %w", within, err)
		case <-time.After(readyLook):
		}
	}
}

// unsealer unseals with a key that is known once the server runs.
func unsealer(address, token string, key func() string) func(context.Context) error {
	return func(ctx context.Context) error {
		k := key()
		if k == "" {
			return errors.New("unseal: the server did not say what its key is")
		}
		root := admin.New(address, token)
		defer root.Close()
		_, err := root.Write(ctx, "sys/unseal", map[string]any{"key": k})
		return err
	}
}
