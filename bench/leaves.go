package main

import (
	"context"
	"fmt"
	"time"
)

// leaves times the way from the end of a command to the end of vwrap, which revokes leases meanwhile.
func (b *bench) leaves(ctx context.Context) (section, error) {
	words := []string{b.receiver, "exit", restBefore.String()}
	contenders := []contender{{name: plainRow, command: b.command(b.dir, place{}, words...)}}
	for _, n := range []int{0, 1, 50} {
		values, err := b.lend(ctx, n, time.Hour)
		if n == 0 {
			values = one.values(kvMount)
			err = b.lender.fill(ctx, values, nil)
		}
		if err != nil {
			return section{}, err
		}
		c, err := b.vwrapped(b.lender.place(), values, "", words...)
		if err != nil {
			return section{}, err
		}
		contenders = append(contenders, contender{name: fmt.Sprintf("%s, leases: %d", vwrapRow, n), command: c})
		if n == 50 {
			own, err := b.loggedIn(ctx, b.lender.place(), values, words)
			if err != nil {
				return section{}, err
			}
			contenders = append(contenders, contender{name: fmt.Sprintf("%s, leases: %d, by a login of its own", vwrapRow, n), command: own})
		}
	}
	err := inTurn(ctx, b.scale.runs, contenders, func(i int) (time.Duration, error) { return contenders[i].command.timeExit() })
	if err != nil {
		return section{}, err
	}
	text := fmt.Sprintf("### Exits with leases\n\nFrom a command's end, after %v, to vwrap's, %d runs of each: with a user's token each lease is revoked; with a login of vwrap's own its "+
		"token is, and with it the leases:\n\n", restBefore, b.scale.runs)
	return section{markdown: text + overPlain("end of a command", contenders, finely)}, nil
}
