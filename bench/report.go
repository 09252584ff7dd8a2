package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// figures are all that was measured. Sizes are in bytes.
type figures struct {
	machine    string
	runs       int
	signalRuns int
	idle       time.Duration

	vwrapSize, floorSize        int64
	starts                      []contender
	peakSupervisor, peakCourier int64
	restRSS, restPSS            int64 // PSS is 0 where it cannot be read
	wakeUps                     float64

	unreadable                              bool // memory cannot be looked at
	control                                 int
	copiesAtRest, copiesDuring, copiesAfter int
	looks                                   int

	peers          string // with their versions
	nothing, exits []contender
	signals        [][]contender // for each of timed
}

// markdown is the report: of each part that was measured.
func (f figures) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", f.machine)
	f.writeStarts(&b)
	if rows := f.rows(); len(rows) > 0 {
		b.WriteString("\n| with one variable from Vault | |\n|---|---:|\n")
		for _, row := range rows {
			fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
		}
	}
	if f.peers != "" {
		fmt.Fprintf(&b, "\nWith nothing to inject, beside %s; all in turn, in sessions of their own, without a terminal and without a Vault.\n", f.peers)
	}
	f.writeNothing(&b)
	f.writeExits(&b)
	f.writeSignals(&b)
	return b.String()
}

func (f figures) writeStarts(b *strings.Builder) {
	if len(f.starts) == 0 {
		return
	}
	fmt.Fprintf(b, "\nWall time from fork to exit, %d runs of each in turn, Vault on loopback:\n\n", f.runs)
	b.WriteString("| start of `true` | p50 | p99 | p50 over the floor |\n|---|---:|---:|---:|\n")
	floor := f.starts[floorStart].took.at(0.5)
	for _, c := range f.starts {
		middle := c.took.at(0.5)
		fmt.Fprintf(b, "| %s | %s | %s | %.2f × |\n", c.name, milliseconds(middle), milliseconds(c.took.at(0.99)),
			float64(middle)/float64(floor))
	}
}

func (f figures) writeNothing(b *strings.Builder) {
	if len(f.nothing) == 0 {
		return
	}
	fmt.Fprintf(b, "\nWall time from fork to exit, %d runs of each:\n\n", quickly*f.runs)
	b.WriteString("| start of `true` | p50 | p99 | p50 over plain `true` |\n|---|---:|---:|---:|\n")
	plain := f.nothing[plainPlace].took.at(0.5)
	for _, c := range f.nothing {
		middle := c.took.at(0.5)
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", c.name, finely(middle), finely(c.took.at(0.99)), finely(middle-plain))
	}
}

func (f figures) writeExits(b *strings.Builder) {
	if len(f.exits) == 0 {
		return
	}
	fmt.Fprintf(b, "\nFrom the last thing that a command does (`bench/receiver` reads the clock, after %v of rest) until who started the "+
		"wrapper has been told of its end, %d runs of each:\n\n", restBefore, quickly*f.runs)
	b.WriteString("| end of a command | p50 | p99 | p50 over no wrapper |\n|---|---:|---:|---:|\n")
	plain := f.exits[plainPlace].took.at(0.5)
	for _, c := range f.exits {
		middle := c.took.at(0.5)
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", c.name, microseconds(middle), microseconds(c.took.at(0.99)), microseconds(middle-plain))
	}
}

func (f figures) writeSignals(b *strings.Builder) {
	if len(f.signals) == 0 {
		return
	}
	fmt.Fprintf(b, "\nFrom `kill(2)` of the wrapper until the wrapped program has the signal, %d of each, each sent %v after the one before was "+
		"answered. The program has them blocked and waits in `rt_sigtimedwait(2)`; it reads the same clock as who sends, so "+
		"the answer's way does not count:\n\n", f.signalRuns, pause)
	b.WriteString("| a signal to |")
	for _, s := range timed {
		fmt.Fprintf(b, " %s: p50 | p99 | p50 over tini |", s.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|---:|---:|", len(timed)) + "\n")
	for i, c := range f.signals[0] {
		fmt.Fprintf(b, "| %s |", c.name)
		for _, through := range f.signals {
			took, tini := through[i].took, through[tiniPlace].took
			if len(took) == 0 || len(tini) == 0 {
				b.WriteString(" not passed on | | |")
				continue
			}
			fmt.Fprintf(b, " %s | %s | %s |", microseconds(took.at(0.5)), microseconds(took.at(0.99)), microseconds(took.at(0.5)-tini.at(0.5)))
		}
		b.WriteString("\n")
	}
}

// rows are what is one figure each.
func (f figures) rows() (rows [][2]string) {
	row := func(what, figure string) { rows = append(rows, [2]string{what, figure}) }
	if f.peakSupervisor > 0 {
		row("most memory of a start: supervisor", mebibytes(f.peakSupervisor))
		row("most memory of a start: courier, which becomes the command", mebibytes(f.peakCourier))
	}
	if f.restRSS > 0 {
		pss := "only root can read it"
		if f.restPSS > 0 {
			pss = mebibytes(f.restPSS)
		}
		row("supervisor while the command sleeps: RSS", mebibytes(f.restRSS))
		row("supervisor while the command sleeps: PSS", pss)
		row(fmt.Sprintf("supervisor while the command sleeps: context switches a second, over %v", f.idle), fmt.Sprintf("%.1f", f.wakeUps))
	}
	if f.vwrapSize > 0 {
		row("size of the binary (floor: "+mebibytes(f.floorSize)+")", mebibytes(f.vwrapSize))
	}
	switch {
	case f.unreadable:
		row("copies of the value in the supervisor's memory", "only root can look")
	case f.looks > 0:
		row("copies of the value in the supervisor's memory: at rest", fmt.Sprint(f.copiesAtRest))
		row(fmt.Sprintf("… in any of %d looks during the start and %d rotations", f.looks, rotations), fmt.Sprint(f.copiesDuring))
		row("… after a rotation", fmt.Sprint(f.copiesAfter))
		row("… in the command's memory, by the same scanner", fmt.Sprint(f.control))
	}
	return rows
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// finely is for what is compared by less than a tenth of a millisecond.
func finely(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

func microseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// thisMachine is what the figures hold for.
func thisMachine() string {
	processor := runtime.GOARCH
	cpus, _ := os.ReadFile("/proc/cpuinfo") // without it the architecture has to do
	for line := range strings.Lines(string(cpus)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			processor = strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("Measured on %s: %s, %d cores, Linux %s, %s", time.Now().UTC().Format(time.DateOnly),
		processor, runtime.NumCPU(), strings.TrimSpace(string(kernel)), runtime.Version())
}

const beginMarker, endMarker = "<!-- bench:begin -->", "<!-- bench:end -->"

// checkMarkers returns an error where writeBetweenMarkers would.
func checkMarkers(file string) error {
	_, _, err := around(file)
	return err
}

// writeBetweenMarkers puts text in the place of what stands between the markers of file.
func writeBetweenMarkers(file, text string) error {
	before, after, err := around(file)
	if err != nil {
		return err
	}
	content := bytes.Join([][]byte{before, []byte(text), after}, []byte("\n"))
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// around is what stands before and after the figures: the markers, with their lines' ends, and all beyond.
func around(file string) (before, after []byte, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read -write: %w", err)
	}
	head, rest, found := bytes.Cut(content, []byte(beginMarker))
	_, tail, ends := bytes.Cut(rest, []byte(endMarker))
	if !found || !ends {
		return nil, nil, errors.New("read -write: " + file + " has no " + beginMarker + " with an " + endMarker + " after it")
	}
	return append(head[:len(head):len(head)], beginMarker+"\n"...), append([]byte(endMarker), tail...), nil
}
