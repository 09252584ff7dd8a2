package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/listen"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/ready"
	"github.com/vwrap/vwrap/wrap"
)

// overlaps reports whether a rotation may have two generations run at a time.
func (s *session) overlaps() bool {
	overlap := s.conf.Rotation.Action == config.Overlap
	for _, secret := range s.conf.Secrets {
		overlap = overlap || secret.OnRotate == config.Overlap
	}
	return overlap
}

// prepareOverlap has rotations overlap, where that is wanted: it checks that they can, and says how a new generation is
// found to serve.
func (s *session) prepareOverlap(l *launcher, sockets *listen.Sockets) error {
	if !s.overlaps() {
		return nil
	}
	if l.Terminal.Mode == proc.Handoff {
		return errors.New("the rotation action overlap: two generations cannot share this terminal: run vwrap without one (vwrap … </dev/null | cat), or use restart")
	}
	check, err := s.readiness(sockets)
	if err != nil {
		return err
	}
	if check.Notify {
		if l.folder, err = control.Folder(os.Getenv); err != nil {
			return fmt.Errorf("rotation.ready.notify: %w", err)
		}
	}
	s.policy.Await = func(g wrap.Generation) (<-chan error, func()) { return l.await(check, g) }
	return nil
}

// readiness is how a new generation is found to serve.
func (s *session) readiness(sockets *listen.Sockets) (ready.Check, error) {
	r := s.conf.Rotation.Ready
	ways := 0
	for _, set := range []bool{r.Notify, r.TCP != "", r.HTTP != "", r.Delay > 0} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return ready.Check{}, errors.New("the rotation action overlap: say by one of rotation.ready.notify, tcp, http and delay how vwrap is to know that a new generation serves")
	}
	check := ready.Check{Notify: r.Notify, TCP: r.TCP, HTTP: r.HTTP, Delay: r.Delay, Timeout: r.Timeout}
	if strings.HasPrefix(r.HTTP, "/") {
		if sockets.TCP == "" {
			return check, fmt.Errorf("rotation.ready.http: %s needs a tcp socket in rotation.listen; else give the whole URL", r.HTTP)
		}
		check.HTTP = "http://" + sockets.TCP + r.HTTP
	}
	return check, nil
}

// notified opens the socket at which the next generation says that it is ready; those of generations that have ended
// are closed.
func (l *launcher) notified() (*ready.Notify, error) {
	for c, n := range l.notifies {
		select {
		case <-c.Ended():
			n.Close()
			delete(l.notifies, c)
		default:
		}
	}
	return ready.NewNotify(filepath.Join(l.folder, fmt.Sprintf("%d-%s.notify", os.Getpid(), rand.Text()[:8])), os.Getenv("NOTIFY_SOCKET"))
}

// closeNotifies closes those that are left.
func (l *launcher) closeNotifies() {
	for _, n := range l.notifies {
		n.Close()
	}
}

// await begins to wait until g serves.
func (l *launcher) await(check ready.Check, g wrap.Generation) (served <-chan error, stop func()) {
	c, _ := g.(*courier.Courier)
	var said <-chan struct{}
	if n := l.notifies[c]; n != nil {
		said = n.Said()
	}
	ctx, cancel := context.WithCancel(context.Background())
	result, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		result <- check.Wait(ctx, c, said)
	}()
	return result, func() {
		cancel()
		<-done
	}
}
