package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// smallest is what a supervisor may take.
const smallest = 12 * mebi

// settling is how long a wrapper may put itself in order before it is looked at.
const settling = 2 * time.Second

// resting is what a wrapper takes whose command sleeps.
type resting struct {
	row            string
	processes      int
	pss, rss, file int64 // file: of rss, pages of files, above all of the binary
}

// rest looks at wrappers whose command sleeps: with nothing to inject, and with one variable.
func (b *bench) rest(ctx context.Context) (section, error) {
	words, err := sleepWords()
	if err != nil {
		return section{}, err
	}
	var all []resting
	for _, s := range []shape{{}, one} {
		contenders, err := b.around(s, b.server.place(), words...)
		if err != nil {
			return section{}, err
		}
		for _, c := range contenders {
			if c.name == plainRow || c.name == floorRow || s == one && c.name == "`vault kv get` in a shell" {
				continue // is no process of its own by then
			}
			r, err := c.rest(ctx)
			if c.excused(err) {
				continue
			}
			if err != nil {
				return section{}, fmt.Errorf("%s: %w", c.name, err)
			}
			if c.name == vwrapRow {
				r.row += with(s == one, ", one variable") + with(s != one, ", nothing to inject")
			}
			all = append(all, r)
		}
	}
	return section{markdown: restTable(all), targets: restTargets(all)}, nil
}

func sleepWords() ([]string, error) {
	program, err := exec.LookPath("sleep")
	if err != nil {
		return nil, fmt.Errorf("find sleep: %w", err)
	}
	return []string{program, "3600"}, nil
}

// rest starts the contender, and looks at its processes when the command has slept for a while.
func (c contender) rest(ctx context.Context) (resting, error) {
	r := resting{row: c.name}
	wrapper, err := start(c.command)
	if err != nil {
		return r, err
	}
	defer wrapper.stop()
	if err := awaitAsleep(ctx, wrapper); err != nil {
		return r, err
	}
	if err := sleep(ctx, settling); err != nil {
		return r, err
	}
	pids, _ := wrapping(wrapper.pid())
	r.processes = len(pids)
	for _, pid := range pids {
		pss, pssErr := pssOf(pid)
		rss, rssErr := kilobytes(pid, "status", "VmRSS")
		file, fileErr := kilobytes(pid, "status", "RssFile")
		if err := errors.Join(pssErr, rssErr, fileErr); err != nil {
			return r, err
		}
		r.pss, r.rss, r.file = r.pss+pss, r.rss+rss, r.file+file
	}
	return r, nil
}

// awaitAsleep returns once the command sleeps.
func awaitAsleep(ctx context.Context, wrapper *process) error {
	return await(ctx, time.Minute, "the wrapped command", func() error {
		if wrapper.ended() {
			return wrapper.failure()
		}
		if _, sleeps := wrapping(wrapper.pid()); !sleeps {
			return errors.New("it does not run")
		}
		return nil
	})
}

func restTable(all []resting) string {
	var t strings.Builder
	fmt.Fprintf(&t, "### Memory\n\nAll processes of a wrapper, without the command, which sleeps, %v after its start. PSS counts what several processes share by their "+
		"number, RSS as often as it is there; of RSS, the pages of files are those of the binary that were touched:\n\n"+
		"| | processes | PSS | RSS | of that files |\n|---|---:|---:|---:|---:|\n", settling)
	for _, r := range all {
		if r.processes == 0 {
			fmt.Fprintf(&t, "| %s | 0: it becomes the command | | | |\n", r.row)
			continue
		}
		fmt.Fprintf(&t, "| %s | %d | %s | %s | %s |\n", r.row, r.processes, pss(r.pss), mebibytes(r.rss), mebibytes(r.file))
	}
	return t.String()
}

func restTargets(all []resting) []target {
	of := func(row string) *resting {
		i := slices.IndexFunc(all, func(r resting) bool { return r.row == row })
		if i < 0 || all[i].pss == 0 {
			return nil
		}
		return &all[i]
	}
	supervisor := target{what: "the supervisor's PSS, one variable", want: mebibytes(smallest) + " or less", state: notMeasured}
	less := target{what: "… beside that of " + envconsulRow, want: "less", state: notMeasured}
	if own := of(vwrapRow + ", one variable"); own != nil {
		supervisor.got, supervisor.state = mebibytes(own.pss), judged(own.pss <= smallest)
		if theirs := of(envconsulRow); theirs != nil {
			less.got, less.state = mebibytes(theirs.pss), judged(own.pss < theirs.pss)
		}
	}
	return []target{supervisor, less}
}
