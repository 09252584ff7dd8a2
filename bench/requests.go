package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// requests counts what is asked of Vault: by each wrapper in a start of `true`; by vwrap with leases, at its start and at
// its end.
func (b *bench) requests(ctx context.Context) (section, error) {
	program, err := lookTrue()
	if err != nil {
		return section{}, err
	}
	counter, err := startCounter(b.server.address)
	if err != nil {
		return section{}, err
	}
	defer counter.close()
	var columns []column
	counts := map[string]int{} // by the shape and the row
	for _, s := range []shape{one, {100, 1}, {50, 50}, {100, 50}} {
		contenders, err := b.around(s, place{counter.at, b.server.token}, program)
		if err != nil {
			return section{}, err
		}
		for i := range contenders {
			before := counter.count()
			took, err := contenders[i].command.time()
			if contenders[i].excused(err) {
				continue
			}
			if err != nil {
				return section{}, fmt.Errorf("%s: %w", contenders[i].name, err)
			}
			contenders[i].took = series{took}
			counts[s.String()+contenders[i].name] = counter.count() - before
		}
		columns = append(columns, column{s.String(), contenders})
	}
	text := "### Requests\n\nAsked of Vault in a whole run of `true`, counted by a proxy:\n\n" +
		table("requests", columns, func(c column, one contender) string { return fmt.Sprint(counts[c.head+one.name]) })
	leased, err := b.leasedRequests(ctx)
	return section{markdown: text + leased}, err
}

// leasedRequests are vwrap's with leases, by the root token, and by a login of its own.
func (b *bench) leasedRequests(ctx context.Context) (string, error) {
	var t strings.Builder
	t.WriteString("\n| `vwrap`, with leases | at start | at exit |\n|---|---:|---:|\n")
	for _, row := range []struct {
		name   string
		leases int
		logIn  bool
	}{{"1 lease", 1, false}, {"50 leases", 50, false}, {"50 leases by a login of its own", 50, true}} {
		atStart, atExit, err := b.countLeased(ctx, row.leases, row.logIn)
		if err != nil {
			return "", fmt.Errorf("%s: %w", row.name, err)
		}
		fmt.Fprintf(&t, "| %s | %d | %d |\n", row.name, atStart, atExit)
	}
	return t.String(), nil
}

func (b *bench) countLeased(ctx context.Context, leases int, logIn bool) (atStart, atExit int, err error) {
	counter, err := startCounter(b.lender.address)
	if err != nil {
		return 0, 0, err
	}
	defer counter.close()
	values, err := b.lend(ctx, leases, time.Hour)
	if err != nil {
		return 0, 0, err
	}
	at := place{counter.at, b.lender.token}
	words := []string{b.receiver, "lives"}
	c, err := b.vwrapped(at, values, "", words...)
	if logIn {
		c, err = b.loggedIn(ctx, at, values, words)
	}
	if err != nil {
		return 0, 0, err
	}
	wrapped, err := startReceiver(c)
	if err != nil {
		return 0, 0, err
	}
	defer wrapped.stop()
	if _, err := wrapped.answer(0, time.Minute); err != nil {
		return 0, 0, fmt.Errorf("wait for the command: %w", err)
	}
	if err := sleep(ctx, settling); err != nil { // the supervisor may have something to ask still
		return 0, 0, err
	}
	atStart = counter.count()
	if err := wrapped.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, 0, fmt.Errorf("stop vwrap: %w", err)
	}
	if !wrapped.process.endsWithin(15 * time.Second) {
		return 0, 0, errors.New("stop vwrap: it does not end")
	}
	return atStart, counter.count() - atStart, nil
}
