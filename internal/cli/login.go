package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/file"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/watch"
	"github.com/vwrap/vwrap/signals"
)

// login logs in, where any reference needs it, within the start timeout. A signal that ends programs ends it, and is
// the status then; the others are left for the command.
func (s *session) login(inbox *signals.Inbox) (vault.Token, *vault.Client, proc.Status, error) {
	failed := proc.Status{Code: courier.StatusFailed}
	if !s.plan.NeedsVault() {
		return vault.Token{}, nil, proc.Status{}, nil
	}
	client, err := vault.NewClient(s.orders.Vault)
	if err != nil {
		return vault.Token{}, nil, failed, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	type outcome struct {
		token vault.Token
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		var again func(error)
		if !s.plan.CanDoWithout(envsource.SourceVault) {
			p := envsource.NewPatience(func(problem string) {
				s.warn(courier.Waiting(problem, s.orders.Vault.Address, s.auth.Files(s.getenv), s.timeout))
			})
			defer p.Done()
			again = p.Again
		}
		token, err := envsource.Attempt(ctx, again, func() (vault.Token, error) { return s.auth.Login(ctx, client, s.getenv) })
		if err == nil && s.childTTL() > 0 {
			token, err = s.child(ctx, client, token, again)
		}
		done <- outcome{token, err}
	}()
	for {
		select {
		case o := <-done:
			if errors.Is(o.err, envsource.ErrUnavailable) && s.plan.CanDoWithout(envsource.SourceVault) {
				s.orders.Outage = o.err.Error()
				return o.token, nil, proc.Status{}, nil
			}
			if o.err != nil {
				return o.token, nil, failed, o.err
			}
			client.SetToken(o.token.ID)
			return o.token, client, proc.Status{}, nil
		case sig := <-inbox.C:
			if s.obey(sig) {
				cancel()
				<-done
				return vault.Token{}, nil, proc.Status{Signal: sig.Signal}, nil
			}
		}
	}
}

// connect logs in for a few questions; leave lets go of a token that was got for that.
func (s *session) connect(ctx context.Context) (client *vault.Client, token vault.Token, leave func(), err error) {
	if err := s.harden(); err != nil {
		return nil, token, nil, err
	}
	s.children = sync.OnceValue(proc.NewChildren)
	if client, err = vault.NewClient(s.orders.Vault); err != nil {
		return nil, token, nil, err
	}
	if token, err = s.auth.Login(ctx, client, s.getenv); err != nil {
		return nil, token, nil, err
	}
	client.SetToken(token.ID)
	return client, token, func() {
		if token.Own {
			s.letGo(func(ctx context.Context) { _ = client.RevokeToken(ctx, token.ID) })
		}
	}, nil
}

// childTTL is the dead man's switch: the TTL of the token that vwrap works under; 0 where it works under the one that it
// has. With --once nothing would renew it.
func (s *session) childTTL() time.Duration {
	if s.once.on {
		return 0
	}
	return s.conf.Vault.TokenTTL
}

// loginAgain gets a token in place of one that has come to its end: below a new one where vwrap can log in, else below
// the user's parent.
func (s *session) loginAgain(ctx context.Context, client *vault.Client) (vault.Token, error) {
	if !s.auth.CanLogin() {
		return s.child(ctx, client, *s.parent.Load(), nil)
	}
	token, err := s.auth.Login(ctx, client, s.getenv)
	debug.FreeOSMemory() // else each login leaves its copies of the credential in the heap
	if err != nil || s.childTTL() == 0 {
		return token, err
	}
	return s.child(ctx, client, token, nil)
}

// child makes the token that vwrap works under; again is as Attempt has it. Where there is none to be had, a parent that
// vwrap logged in for is let go.
func (s *session) child(ctx context.Context, client *vault.Client, parent vault.Token, again func(error)) (vault.Token, error) {
	token, err := envsource.Attempt(ctx, again, func() (vault.Token, error) { return client.Child(ctx, parent, s.childTTL()) })
	if err != nil && parent.Own && s.revoke {
		s.letGo(func(ctx context.Context) { _ = client.RevokeToken(ctx, parent.ID) })
	}
	return token, err
}

// followToken has the keeper use what the user puts into the token's file (vault login does) in place of token, until
// ctx ends.
func (s *session) followToken(ctx context.Context, token vault.Token, client *vault.Client, keeper *vault.Keeper) {
	if token.Parent != nil {
		token = *token.Parent
	}
	if token.File == "" || file.Pipe(token.File) { // what came out of a pipe does not come again
		return
	}
	changed, err := watch.New(0, token.File)
	if err != nil {
		s.log.Debug(err.Error())
		return
	}
	defer changed.Close()
	known := token.ID
	for { // it may have changed before it was watched
		token, err := s.auth.Login(ctx, client, s.getenv)
		switch {
		case err != nil:
			s.log.Debug(err.Error()) // it is being written, or was taken away
		case token.ID != known:
			known = token.ID
			s.offer(ctx, token, client, keeper)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed.Changes():
		}
	}
}

// offer gives the keeper a token of the user's, or a child of it.
func (s *session) offer(ctx context.Context, token vault.Token, client *vault.Client, keeper *vault.Keeper) {
	if s.childTTL() > 0 {
		var err error
		if token, err = s.child(ctx, client, token, func(error) {}); err != nil {
			s.log.Warn(err.Error())
			return
		}
		s.parent.Store(token.Parent)
	}
	keeper.Offer(token)
}

// askHelper runs the user's token helper, where there is one.
func (s *session) askHelper(ctx context.Context) (string, error) {
	argv, err := vault.HelperCommand()
	if err != nil || argv == nil {
		return "", err
	}
	out, status, err := s.children().Output(ctx, proc.Spec{Path: argv[0], Args: argv, Env: environ(), Join: true})
	if err != nil {
		return "", fmt.Errorf("ask the token helper of ~/.vault: %w", err)
	}
	if code := status.Exit(); code != 0 {
		return "", fmt.Errorf("the token helper of ~/.vault, %s, exits with %d", argv[0], code)
	}
	return string(out), nil
}
