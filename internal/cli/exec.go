package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/proc"
)

// exec becomes the command, with the values that the running vwrap has now.
func (i *invocation) exec(c *cli.Context) error {
	i.status = courier.StatusFailed
	if c.Args().Len() > 0 || len(i.command) == 0 {
		return errors.New("write: vwrap exec [--pid N] -- CMD [ARG...]")
	}
	if err := errors.Join(proc.LimitCore(), proc.Harden()); err != nil { // values are about to come
		return err
	}
	socket, err := liveSocket(c.Int("pid"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, asking)
	defer cancel()
	values, err := socket.Environ(ctx)
	if err != nil {
		return err
	}
	values[courier.LiveVariable] = socket.Path
	environ := merged(environ(), values)
	file, err := courier.Program(i.command, environ)
	if err != nil {
		i.status = courier.StatusOf(err)
		return err
	}
	var errno syscall.Errno
	errors.As(proc.Exec(file, i.command, environ), &errno)
	i.status = courier.ExecStatus(errno)
	return courier.ExecError(i.command[0], errno)
}

// liveSocket is the live channel that the environment names, else the one that is found.
func liveSocket(pid int) (control.Socket, error) {
	if path := os.Getenv(courier.LiveVariable); path != "" && pid == 0 {
		return control.Socket{Path: path}, nil
	}
	socket, err := control.Choose(os.Getenv, true, pid)
	if !errors.Is(err, control.ErrNone) {
		return socket, err
	}
	if len(control.Find(os.Getenv, false)) > 0 {
		return socket, errors.New("the vwrap that runs here has no live channel: set live: true in its vwrap.yaml, and live_users where another user runs it")
	}
	return socket, fmt.Errorf("%w that has a live channel for this user: start one with live: true in its vwrap.yaml, and live_users where another user runs it", control.ErrNone)
}

// merged is environ with values laid over it.
func merged(environ []string, values map[string]string) []string {
	environ = slices.DeleteFunc(environ, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		_, replaced := values[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		environ = append(environ, name+"="+values[name])
	}
	return environ
}
