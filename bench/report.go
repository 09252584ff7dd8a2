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
	machine string
	runs    int
	idle    time.Duration

	vwrapSize, floorSize        int64
	starts                      []contender
	peakSupervisor, peakCourier int64
	restRSS, restPSS            int64 // PSS is 0 where it cannot be read
	wakeUps                     float64

	unreadable                              bool // memory cannot be looked at
	control                                 int
	copiesAtRest, copiesDuring, copiesAfter int
	looks                                   int
}

// markdown is the report.
func (f figures) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\n", f.machine)
	fmt.Fprintf(&b, "Wall time from fork to exit, %d runs of each in turn, Vault on loopback:\n\n", f.runs)
	b.WriteString("| start of `true` | p50 | p99 | p50 over the floor |\n|---|---:|---:|---:|\n")
	floor := f.starts[floorStart].took.at(0.5)
	for _, c := range f.starts {
		middle := c.took.at(0.5)
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f × |\n", c.name, milliseconds(middle), milliseconds(c.took.at(0.99)),
			float64(middle)/float64(floor))
	}
	fmt.Fprintf(&b, "\n| with one variable from Vault | |\n|---|---:|\n")
	for _, row := range f.rows() {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	return b.String()
}

func (f figures) rows() [][2]string {
	pss := "only root can read it"
	if f.restPSS > 0 {
		pss = mebibytes(f.restPSS)
	}
	rows := [][2]string{
		{"most memory of a start: supervisor", mebibytes(f.peakSupervisor)},
		{"most memory of a start: courier, which becomes the command", mebibytes(f.peakCourier)},
		{"supervisor while the command sleeps: RSS", mebibytes(f.restRSS)},
		{"supervisor while the command sleeps: PSS", pss},
		{fmt.Sprintf("supervisor while the command sleeps: context switches a second, over %v", f.idle), fmt.Sprintf("%.1f", f.wakeUps)},
		{"size of the binary (floor: " + mebibytes(f.floorSize) + ")", mebibytes(f.vwrapSize)},
	}
	if f.unreadable {
		return append(rows, [2]string{"copies of the value in the supervisor's memory", "only root can look"})
	}
	return append(rows, [][2]string{
		{"copies of the value in the supervisor's memory: at rest", fmt.Sprint(f.copiesAtRest)},
		{fmt.Sprintf("… in any of %d looks during the start and %d rotations", f.looks, rotations), fmt.Sprint(f.copiesDuring)},
		{"… after a rotation", fmt.Sprint(f.copiesAfter)},
		{"… in the command's memory, by the same scanner", fmt.Sprint(f.control)},
	}...)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
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
