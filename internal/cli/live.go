package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/wrap"
)

// wantsLive reports whether there is to be a live channel: where it is asked for, and where a running program has no
// other way to new values.
func (s *session) wantsLive() bool {
	told := func(a config.Action) bool { return a == config.Signal || a == config.None }
	wants := s.conf.Live || told(s.conf.Rotation.Action)
	for _, secret := range s.conf.Secrets {
		wants = wants || told(secret.OnRotate)
	}
	return wants
}

// openLive opens the live channel, where there is to be one, and has the command told of it. Where it was asked for
// and cannot be had, that is an error.
func (s *session) openLive() (stop func(), err error) {
	if !s.wantsLive() {
		return func() {}, nil
	}
	users, err := uids(s.conf.Users)
	if err != nil {
		return nil, err
	}
	live, err := control.ListenLive(os.Getenv, users)
	if err != nil && s.conf.Live {
		return nil, fmt.Errorf("the live channel (live: true) cannot be opened: %w", err)
	}
	if err != nil {
		s.log.Warn(fmt.Sprintf("the command cannot get new values while it runs: %v", err))
		return func() {}, nil
	}
	s.orders.Live = live.Path()
	s.policy.Publish = func(n uint64, g wrap.Generation) {
		c, ok := g.(*courier.Courier)
		if !ok {
			return
		}
		file, at := c.Live()
		if err := live.Publish(n, file, control.Section(at.JSON), control.Section(at.Dotenv)); err != nil {
			s.log.Warn(err.Error())
		}
	}
	return live.Close, nil
}

// uids are the users who are named, or numbered.
func uids(users []string) (all []int, err error) {
	var errs []error
	for _, name := range users {
		number := name
		if _, err := strconv.Atoi(name); err != nil {
			u, err := user.Lookup(name)
			if err != nil {
				errs = append(errs, fmt.Errorf("live_users: there is no user %s on this machine", name))
				continue
			}
			number = u.Uid
		}
		uid, err := strconv.Atoi(number)
		if err != nil || uid < 0 {
			errs = append(errs, fmt.Errorf("live_users: %s is no user", name))
			continue
		}
		all = append(all, uid)
	}
	return all, errors.Join(errs...)
}
