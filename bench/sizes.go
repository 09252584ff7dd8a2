package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// largest is what vwrap's binary may be.
const largest = 12 * mebi

// sizes looks at the files, and at how many pages a start touches.
func (b *bench) sizes(ctx context.Context) (section, error) {
	program, err := lookTrue()
	if err != nil {
		return section{}, err
	}
	var t strings.Builder
	t.WriteString("### Size and pages\n\nMinor faults are pages that a start of `true` touches, in all its processes; half of the starts have fewer:\n\n" +
		"| | binary | minor faults: nothing to inject | one variable |\n|---|---:|---:|---:|\n")
	var columns []column
	faults := map[string]*[2]string{} // of each row, by columns
	for i, s := range []shape{{}, one} {
		contenders, err := b.around(s, b.server.place(), program)
		if err != nil {
			return section{}, err
		}
		columns = append(columns, column{s.String(), contenders})
		for _, c := range contenders {
			if faults[c.name] == nil {
				faults[c.name] = new([2]string)
			}
			n, err := c.command.faults(ctx, min(b.scale.runs, 20))
			if c.excused(err) {
				continue
			}
			if err != nil {
				return section{}, fmt.Errorf("%s: %w", c.name, err)
			}
			faults[c.name][i] = fmt.Sprint(n)
		}
	}
	for _, name := range names(columns) {
		size := ""
		if n := b.sizeOf(name); n > 0 {
			size = byteSize(n)
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s |\n", name, size, faults[name][0], faults[name][1])
	}
	own := b.sizeOf(vwrapRow)
	return section{markdown: t.String(), targets: []target{{
		what: "size of the binary", want: mebibytes(largest) + " or less", got: mebibytes(own), state: judged(own > 0 && own <= largest),
	}}}, nil
}

// sizeOf is the size of the program that a row is of; 0 where it is of none.
func (b *bench) sizeOf(row string) int64 {
	program := map[string]string{floorRow: b.floor, waiterRow: b.waiter, vwrapRow: b.vwrap}[row]
	if i := slices.IndexFunc(b.peers, func(p peer) bool { return p.row == row }); i >= 0 {
		program = b.peers[i].program
	}
	info, err := os.Stat(program)
	if err != nil {
		return 0
	}
	return info.Size()
}

// faults is how many minor faults the median run has, its children's among them.
func (c command) faults(ctx context.Context, runs int) (int64, error) {
	counts := make([]int64, runs)
	for i := range counts {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		cmd, said, err := c.prepare()
		if err != nil {
			return 0, err
		}
		err = cmd.Run()
		said.Close()
		if err != nil {
			return 0, fmt.Errorf("run %v: %w", c.argv, err)
		}
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			counts[i] = int64(usage.Minflt)
		}
	}
	slices.Sort(counts)
	return counts[len(counts)/2], nil
}
