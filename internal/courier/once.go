package courier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/proc"
)

// ErrLeased is wrapped where a fetch without a supervisor got a secret with a lease, which nobody would keep.
var ErrLeased = errors.New("a leased secret would end while it is used")

// Alone is a fetch in this very process, without a supervisor.
type Alone struct {
	Sources Sources
	Leased  bool // leased answers are taken, and left to expire; else they are refused
	Warn    func(line string)
	// Release is called once all that can fail has, or has not: with the leases that are to be revoked, and whether the
	// token is: not where leases are left that hang on it.
	Release func(leased []envsource.Holding, token bool)
}

// Fetch does o's fetching. ready does with the result what else can fail.
func (a Alone) Fetch(ctx context.Context, o Orders, ready func(envsource.Result) error) error {
	result, err := fetch(ctx, o, nil, a.Sources, a.Warn)
	for _, line := range result.Warnings {
		a.Warn(line)
	}
	leased := leases(result.Holdings)
	if err == nil && len(leased) > 0 && !a.Leased {
		err = fmt.Errorf("%w: %s", ErrLeased, describe(leased))
	}
	if err == nil {
		err = ready(result)
	}
	if err != nil {
		a.Release(leased, true)
		return err
	}
	a.Release(nil, len(leased) == 0)
	return nil
}

// Once does o: it fetches and becomes the command. It returns only on failure: vwrap's exit status, and why.
func (a Alone) Once(ctx context.Context, o Orders) (int, error) {
	var file string
	var environ []string
	err := a.Fetch(ctx, o, func(r envsource.Result) (err error) {
		environ = r.Environ
		file, err = Program(o.Argv, environ)
		return err
	})
	if errors.Is(err, ErrLeased) {
		err = fmt.Errorf("%w: leave --once away, or let it expire with --once=force", err)
	}
	if err != nil {
		return StatusOf(err), err
	}
	if !o.Cores {
		if err := proc.LimitCore(); err != nil {
			return StatusFailed, err
		}
	}
	var errno syscall.Errno
	errors.As(proc.Exec(file, o.Argv, environ), &errno)
	return ExecStatus(errno), ExecError(o.Argv[0], errno)
}

func leases(hs []envsource.Holding) (leased []envsource.Holding) {
	for _, h := range hs {
		if h.LeaseID != "" {
			leased = append(leased, h)
		}
	}
	return leased
}

func describe(hs []envsource.Holding) string {
	var names []string
	for _, h := range hs {
		names = append(names, h.Read.String())
	}
	return strings.Join(names, ", ")
}
