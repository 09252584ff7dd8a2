// Command draw makes a picture of each text beside it: go run ./pictures FOLDER, in docs. The first line of a text has the
// lanes; "A > B: what" is an arrow, ": what" a line across all.
package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	lane   = 240 // between two lanes
	margin = 100
	step   = 40 // between two lines
	top    = 64
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./pictures FOLDER")
		os.Exit(2)
	}
	if err := drawAll(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

func drawAll(folder string) error {
	texts, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return err
	}
	for _, path := range texts {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		picture, err := draw(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(strings.TrimSuffix(path, ".txt")+".svg", []byte(picture), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The colours follow the reader's.
const style = `<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.lane { font-weight: 600 } .small { font-size: 12px }
line, path { stroke: #57606a } .gate { stroke: #9a6700 } .across { fill: #9a6700 }
marker path { fill: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } line, path { stroke: #9198a1 } .gate { stroke: #d29922 } .across { fill: #d29922 }
  marker path { fill: #9198a1 }
}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8Z"/></marker></defs>
`

// draw returns the SVG of a text.
func draw(text string) (string, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lanes := strings.Split(lines[0], " | ")
	width, height := 2*margin+lane*(len(lanes)-1), top+step*len(lines)
	var w strings.Builder
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img">`+"\n", width, height, width)
	w.WriteString(style)
	for n, name := range lanes {
		x := margin + lane*n
		fmt.Fprintf(&w, `<text class="lane" x="%[1]d" y="28">%[2]s</text><line x1="%[1]d" y1="40" x2="%[1]d" y2="%[3]d"/>`+"\n", x, html.EscapeString(name), height-10)
	}
	for n, line := range lines[1:] {
		y := top + step*n + 16
		who, what, ok := strings.Cut(line, ": ")
		if !ok {
			return "", fmt.Errorf("line %d: what is %q?", n+2, line)
		}
		what = html.EscapeString(what)
		if who == "" {
			fmt.Fprintf(&w, `<line class="gate" stroke-dasharray="5 4" x1="10" y1="%[1]d" x2="%[2]d" y2="%[1]d"/><text class="small across" x="%[3]d" y="%[4]d">%[5]s</text>`+"\n", y, width-10, width/2, y-7, what)
			continue
		}
		from, to, _ := strings.Cut(who, " > ")
		a, b := slices.Index(lanes, from), slices.Index(lanes, to)
		if a < 0 || b < 0 || a == b {
			return "", fmt.Errorf("line %d: no lanes %q", n+2, who)
		}
		fmt.Fprintf(&w, `<line x1="%[1]d" y1="%[2]d" x2="%[3]d" y2="%[2]d" marker-end="url(#tip)"/><text class="small" x="%[4]d" y="%[5]d">%[6]s</text>`+"\n",
			margin+lane*a, y, margin+lane*b, margin+lane*(a+b)/2, y-7, what)
	}
	w.WriteString("</svg>\n")
	return w.String(), nil
}
