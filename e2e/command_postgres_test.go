package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pg-role NAME DEFAULT_TTL MAX_TTL makes a role of $DB whose users may connect to the database app at $PGADDR.
func pgRole(s *session, args []string) error {
	if len(args) != 3 {
		return usageError("pg-role NAME DEFAULT_TTL MAX_TTL")
	}
	p, err := sharedPostgres()
	if err != nil {
		return err
	}
	s.ts.Setenv("PGADDR", p.address)
	return s.databaseRole(p, args[0], args[1], args[2])
}

// pg-static NAME PERIOD makes a static role of $DB, whose password Vault changes every so often: a number of seconds, or
// the five words of cron in one.
func pgStatic(s *session, args []string) error {
	if len(args) != 2 {
		return usageError("pg-static NAME SECONDS|SCHEDULE")
	}
	p, err := sharedPostgres()
	if err != nil {
		return err
	}
	s.ts.Setenv("PGADDR", p.address)
	return s.staticRole(p, args[0], args[1])
}

// watch looks at the users of one role all the time.
type watch struct {
	stop func() // returns when the watch has ended

	mu   sync.Mutex
	most int // at a time
	seen map[string]bool
	err  error
}

// lookEvery is short, because a user that is one too many may be there for a few milliseconds: from the fetch of the
// new one to the revocation of the old one, if the program in between stops at once.
const lookEvery = 5 * time.Millisecond

// startWatch returns after the first look.
func startWatch(p *postgres, prefix string) (*watch, error) {
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := p.connect(ctx, "postgres")
	if err != nil {
		cancel()
		return nil, fmt.Errorf("connect: %w", err)
	}
	w := &watch{seen: map[string]bool{}}
	look := func() bool {
		users, err := usersOver(ctx, conn, prefix)
		if ctx.Err() != nil {
			return false
		}
		w.note(users, err)
		return err == nil
	}
	look()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer conn.Close(context.Background())
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if !look() {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	w.stop = func() { cancel(); <-ended }
	return w, nil
}

func (w *watch) note(users []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	w.most = max(w.most, len(users))
	for _, user := range users {
		w.seen[user] = true
	}
}

// pg-watch start NAME looks all the time which users of the role exist. pg-watch check NAME asks what it saw, and
// pg-watch stop NAME asks and ends it: -max N at a time, -distinct N or -distinct-min N in all, -left N now.
func pgWatch(s *session, args []string) error {
	const usage = usageError("pg-watch start|check|stop NAME [-max N] [-distinct N] [-distinct-min N] [-left N]")
	flags := newFlags("pg-watch")
	most := flags.Int("max", -1, "at most so many at a time")
	distinct := flags.Int("distinct", -1, "exactly so many in all")
	distinctMin := flags.Int("distinct-min", -1, "at least so many in all")
	left := flags.Int("left", -1, "exactly so many now")
	rest, err := parseMixed(flags, args)
	if err != nil || len(rest) != 2 {
		return usage
	}
	verb, role := rest[0], rest[1]
	p, err := sharedPostgres()
	if err != nil {
		return err
	}
	w, known := s.watches[role]
	switch {
	case verb == "start" && !known:
		s.watches[role], err = startWatch(p, s.userPrefix(role))
		if err != nil {
			delete(s.watches, role)
		}
		return err
	case verb == "stop" && known:
		w.stop()
		delete(s.watches, role)
	case verb == "check" && known:
	default:
		return usage
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(s.out, "most=%d distinct=%d\n", w.most, len(w.seen))
	switch {
	case w.err != nil:
		return fmt.Errorf("watch users: %w", w.err)
	case *most >= 0 && w.most > *most:
		return fmt.Errorf("%d users of %s at a time, not %d at most", w.most, role, *most)
	case *distinct >= 0 && len(w.seen) != *distinct:
		return fmt.Errorf("%d users of %s in all, not %d", len(w.seen), role, *distinct)
	case *distinctMin >= 0 && len(w.seen) < *distinctMin:
		return fmt.Errorf("%d users of %s in all, not %d at least", len(w.seen), role, *distinctMin)
	case *left >= 0:
		return expectUsers(p, s.userPrefix(role), *left)
	}
	return nil
}

// pg-left NAME within 2s waits until no user of the role is left.
func pgLeft(s *session, args []string) error {
	const usage = usageError("pg-left NAME within DURATION")
	if len(args) != 3 || args[1] != "within" {
		return usage
	}
	limit, err := time.ParseDuration(args[2])
	if err != nil {
		return usage
	}
	p, err := sharedPostgres()
	if err != nil {
		return err
	}
	return poll(limit, 50*time.Millisecond, func() error { return expectUsers(p, s.userPrefix(args[0]), 0) })
}

func expectUsers(p *postgres, prefix string, want int) error {
	users, err := p.users(prefix)
	if err != nil {
		return err
	}
	if len(users) != want {
		return fmt.Errorf("%d users are there, not %d: %v", len(users), want, users)
	}
	return nil
}
