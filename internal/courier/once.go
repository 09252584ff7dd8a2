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

// ErrLeased is wrapped where --once got a secret with a lease, which nobody would keep.
var ErrLeased = errors.New("a leased secret cannot be used with --once")

// Once does o in this very process, without a supervisor and without a gate: it fetches and becomes the command.
// A leased answer is refused, unless force is set. Before it executes, and also where it fails, release is called
// with the leases that are to be revoked, and whether the token is: not where the command is to have leases that
// hang on it. It returns only on failure: vwrap's exit status, and why.
func Once(ctx context.Context, o Orders, open Sources, force bool, warn func(string), release func(leased []envsource.Holding, token bool)) (int, error) {
	result, err := fetch(ctx, o, nil, open, warn)
	for _, line := range result.Warnings {
		warn(line)
	}
	leased := leases(result.Holdings)
	if err == nil && len(leased) > 0 && !force {
		err = fmt.Errorf("%w: %s: it would end while the command runs: leave --once away, or let it expire with --once=force",
			ErrLeased, describe(leased))
	}
	if err != nil {
		release(leased, true)
		return StatusFailed, err
	}
	file, err := Program(o.Argv, result.Environ)
	if err != nil {
		release(leased, true)
		return StatusOf(err), err
	}
	release(nil, len(leased) == 0)
	if !o.Cores {
		if err := proc.LimitCore(); err != nil {
			return StatusFailed, err
		}
	}
	var errno syscall.Errno
	errors.As(proc.Exec(file, o.Argv, result.Environ), &errno)
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
