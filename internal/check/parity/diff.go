package parity

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// row is a line of a diff: a name that is wanted (-), there (+) or both.
type row struct {
	sign byte
	name string
	sort [2]string // secret and field, folded
}

// around is how many lines a diff shows before and after a change.
const around = 3

// unified writes rows as diff -u would, and nothing where none differs.
func unified(wanted, there string, rows []row) string {
	sort.SliceStable(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		return cmp.Or(cmp.Compare(a.sort[0], b.sort[0]), cmp.Compare(a.sort[1], b.sort[1]), cmp.Compare(signs(a), signs(b))) < 0
	})
	var b strings.Builder
	left, right := 1, 1 // the line numbers of rows[at]
	for at := 0; at < len(rows); {
		from, to := hunk(rows, at)
		for ; at < from; at++ {
			left, right = left+1, right+1
		}
		if from == to {
			break
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "--- %s\n+++ %s\n", shown(wanted), shown(there))
		}
		minus, plus := 0, 0
		for _, r := range rows[from:to] {
			if r.sign != '+' {
				minus++
			}
			if r.sign != '-' {
				plus++
			}
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(left, minus), span(right, plus))
		for _, r := range rows[from:to] {
			fmt.Fprintf(&b, "%c%s\n", r.sign, r.name)
		}
		at, left, right = to, left+minus, right+plus
	}
	return b.String()
}

// signs orders what is of one name: what is wanted stands before what is there.
func signs(r row) int { return strings.IndexByte("- +", r.sign) }

// hunk finds the next rows from at on that are to be shown; all before them are in both.
func hunk(rows []row, at int) (from, to int) {
	first := slices.IndexFunc(rows[at:], func(r row) bool { return r.sign != ' ' })
	if first < 0 {
		return len(rows), len(rows)
	}
	last := at + first
	for i := last; i < len(rows) && i <= last+2*around+1; i++ {
		if rows[i].sign != ' ' {
			last = i
		}
	}
	return max(at, at+first-around), min(len(rows), last+1+around)
}

// span is a hunk's place on one side.
func span(line, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", line-1)
	case 1:
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, n)
}
