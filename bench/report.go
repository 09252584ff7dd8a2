package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// section is what a part of the measurement has found.
type section struct {
	markdown string
	targets  []target
}

// target is a figure that vwrap has set itself, and what this run found.
type target struct {
	what, want, got string
	state           state
}

// state is what became of a target.
type state string

const (
	met         state = "met"
	notMet      state = "**not met**"
	notMeasured state = "not measured"
)

func judged(ok bool) state {
	if ok {
		return met
	}
	return notMet
}

// report is all sections.
type report struct {
	machine  string
	peers    []peer
	sections []section
}

func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", r.machine)
	r.writeTargets(&b)
	r.writePeers(&b)
	for _, s := range r.sections {
		b.WriteString("\n" + s.markdown)
	}
	return b.String()
}

func (r report) writeTargets(b *strings.Builder) {
	title := "\n### Targets\n\n| | target | this run | |\n|---|---|---:|---|\n"
	for _, s := range r.sections {
		for _, t := range s.targets {
			fmt.Fprintf(b, "%s| %s | %s | %s | %s |\n", title, t.what, t.want, t.got, t.state)
			title = ""
		}
	}
}

func (r report) writePeers(b *strings.Builder) {
	b.WriteString("\n### Peers\n\n| | version | |\n|---|---|---|\n")
	for _, p := range r.peers {
		said := "run" + with(p.slow, ", with one variable alone: it is slow")
		if !p.found() {
			said = "not run: " + p.absent + with(p.program == "", "; "+p.how)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", p.row, p.version, said)
	}
}

func with(when bool, text string) string {
	if when {
		return text
	}
	return ""
}

// column is what was measured in turn.
type column struct {
	head       string
	contenders []contender
}

// table has a row for each contender's name and a column for each of columns; what a contender was not measured in stays
// empty.
func table(corner string, columns []column, cell func(c column, one contender) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", corner)
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.head)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, name := range names(columns) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range columns {
			if one := find(c.contenders, name); one != nil {
				b.WriteString(" " + cell(c, *one))
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// names are those of all contenders, each after the one that it comes after in the first column that has it.
func names(columns []column) (all []string) {
	for _, c := range columns {
		next := 0
		for _, one := range c.contenders {
			i := slices.Index(all, one.name)
			if i < 0 {
				i = next
				all = slices.Insert(all, i, one.name)
			}
			next = i + 1
		}
	}
	return all
}

// rows makes a table of what is one figure each, under a title.
func rows(title string, those ...[2]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | |\n|---|---:|\n", title)
	for _, row := range those {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	return b.String()
}

// spreadOf is a series as cells of tables have it: p50 · p99.
func spreadOf(s series) string { return milliseconds(s.middle()) + " · " + milliseconds(s.at(0.99)) }

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

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/mebi) }

const mebi = 1 << 20

// byteSize is for what may be small.
func byteSize(n int64) string {
	if n < mebi {
		return fmt.Sprintf("%.0f KiB", float64(n)/1024)
	}
	return mebibytes(n)
}

// pss is memory that only root can look at.
func pss(n int64) string {
	if n == 0 {
		return "only root can read it"
	}
	return mebibytes(n)
}

func times(a, b time.Duration) float64 { return float64(a) / float64(b) }

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
