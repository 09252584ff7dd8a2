package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// heaviest is what a wrapper with a thousand leases may take.
const heaviest = 20 * mebi

// carried is what vwrap takes with some leases.
type carried struct {
	leases              int
	peak, steady        int64 // PSS of all its processes, without the command
	supervisor, courier int64 // the most of each, by the kernel's own mark
}

// memory looks at vwrap with ever more leases: until its command runs, and when it has come to rest.
func (b *bench) memory(ctx context.Context) (section, error) {
	var t strings.Builder
	fmt.Fprintf(&t, "vwrap with leases of an hour: PSS of all its processes without the command, at the most of a start (as fast as can be looked; the most of some starts) and %v after it; and the "+
		"most of each process by the kernel's mark (RSS, which counts what they share twice):\n\n"+
		"| leases | peak PSS | at rest: PSS | supervisor: most RSS | courier: most RSS |\n|---:|---:|---:|---:|---:|\n", settling)
	var last carried
	for _, n := range []int{1, 100, b.scale.leases} {
		c, err := b.carry(ctx, n)
		if err != nil {
			return section{}, fmt.Errorf("%d leases: %w", n, err)
		}
		fmt.Fprintf(&t, "| %d | %s | %s | %s | %s |\n", n, pss(c.peak), pss(c.steady), mebibytes(c.supervisor), mebibytes(c.courier))
		last = c
	}
	most := target{what: fmt.Sprintf("PSS with %d leases, after a start", last.leases), want: mebibytes(heaviest) + " or less", state: notMeasured}
	if last.steady > 0 {
		most.got, most.state = mebibytes(last.steady), judged(last.steady <= heaviest)
	}
	return section{markdown: t.String(), targets: []target{most}}, nil
}

// lend returns values that are had with a lease each, which ends after ttl.
func (b *bench) lend(ctx context.Context, n int, ttl time.Duration) ([]value, error) {
	values := shape{n, n}.values(leaseMount)
	return values, b.lender.fill(ctx, values, map[string]any{"ttl": ttl.String()})
}

// carry starts vwrap some times with so many leases.
func (b *bench) carry(ctx context.Context, leases int) (carried, error) {
	c := carried{leases: leases}
	values, err := b.lend(ctx, leases, time.Hour)
	if err != nil {
		return c, err
	}
	words, err := sleepWords()
	if err != nil {
		return c, err
	}
	wrapped, err := b.vwrapped(b.lender.place(), values, "", words...)
	if err != nil {
		return c, err
	}
	starts := min(b.scale.runs, 20)
	if leases > 100 {
		starts = min(starts, 3) // each takes seconds, and what is most is most each time
	}
	for i := range starts {
		if err := c.once(ctx, wrapped, i == 0); err != nil {
			return c, err
		}
	}
	return c, nil
}

// once watches a start, and at rest too where that is wanted.
func (c *carried) once(ctx context.Context, wrapped command, atRest bool) error {
	wrapper, err := start(wrapped)
	if err != nil {
		return err
	}
	defer wrapper.stop()
	if err := c.watch(wrapper); err != nil || !atRest {
		return err
	}
	if err := sleep(ctx, settling); err != nil {
		return err
	}
	pids, _ := wrapping(wrapper.pid())
	for _, pid := range pids {
		n, err := pssOf(pid)
		if err != nil {
			return err
		}
		c.steady += n
	}
	return nil
}

// watch looks at vwrap's processes until the command runs. The kernel keeps a mark of the most for each; the courier's own
// goes with its execve, so it is looked at as fast as can be. (What wait4 says of a process begins with the memory of the
// one that forked it, which is this one.)
func (c *carried) watch(wrapper *process) error {
	own := ""
	for began := time.Now(); time.Since(began) < time.Minute; {
		if wrapper.ended() {
			return wrapper.failure()
		}
		if own == "" {
			own, _ = procFile(wrapper.pid(), "cmdline") // "" until its own execve
			continue
		}
		pids, sleeps := wrapping(wrapper.pid())
		sum := int64(0)
		for i, pid := range pids {
			n, _ := pssOf(pid) // nothing of one that has ended
			sum += n
			if i > 0 {
				c.courier = max(c.courier, courierPeak(pid, own))
			}
		}
		c.peak = max(c.peak, sum)
		if sleeps {
			most, err := kilobytes(wrapper.pid(), "status", "VmHWM")
			c.supervisor = max(c.supervisor, most)
			return err
		}
	}
	return errors.New("wait for the wrapped command: not within a minute")
}

// courierPeak is 0 where the process is not one yet: until its execve it has the memory of the one that forked it.
func courierPeak(pid int, forker string) int64 {
	if argv, err := procFile(pid, "cmdline"); err != nil || argv == "" || argv == forker {
		return 0
	}
	most, err := kilobytes(pid, "status", "VmHWM")
	if err != nil {
		return 0 // it is the command now, or has ended
	}
	return most
}
