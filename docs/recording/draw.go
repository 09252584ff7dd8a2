package main

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	columns   = 80
	cell      = 8.4 // the width of a letter
	rowHeight = 18
	margin    = 16
	bar       = 34  // for a terminal's name, and below its last row
	gap       = 14  // between two
	typing    = 0.9 // seconds until what was typed is answered
	reading   = 1.6 // seconds until more is typed
)

// The colours follow the reader's, and who wants no movement sees the end at once.
const style = `<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
rect { fill: #f6f8fa; stroke: #d1d9e0 } .name { fill: #59636e } .typed { font-weight: 600 } .vwrap { fill: #0550ae }
g { animation: appear 1ms both }
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { g { animation: none } }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } rect { fill: #151b23; stroke: #3d444d } .name { fill: #9198a1 } .vwrap { fill: #79c0ff }
}
</style>
`

// names are what stands above the terminals.
var names = [2]string{"one terminal", "another"}

// row is a line of a terminal, when it appears, and how it looks.
type row struct {
	at    float64
	class string
	text  string
}

// draw returns the SVG: the lines one after the other, and then all of them.
func draw(seen []event) string {
	terminals := layOut(seen)
	width := 2*margin + int(columns*cell)
	height := margin
	for _, rows := range terminals {
		height += bar + rowHeight*len(rows) + gap
	}
	var w strings.Builder
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img">`+"\n", width, height, width)
	w.WriteString("<title>A rotation, in two terminals</title>\n" + style)
	y := margin / 2
	for n, rows := range terminals {
		fmt.Fprintf(&w, `<rect x="4" y="%d" width="%d" height="%d" rx="6"/><text class="name" x="%d" y="%d">%s</text>`+"\n",
			y, width-8, bar+rowHeight*len(rows), margin, y+19, names[n])
		y += bar - 6
		for _, r := range rows {
			y += rowHeight
			fmt.Fprintf(&w, `<g style="animation-delay:%.1fs">%s</g>`+"\n", r.at, r.draw(y-8))
		}
		y += 6 + gap
	}
	w.WriteString("</svg>\n")
	return w.String()
}

// layOut gives each terminal its rows, broken as a terminal of 80 columns breaks them. The times are those of somebody who
// reads, not those of the run.
func layOut(seen []event) (terminals [2][]row) {
	now := 0.4
	for i, e := range seen {
		if e.typed && i > 0 {
			now += reading
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(e.text, "\n"), "\n") {
			class := ""
			switch {
			case e.typed:
				class, line = "typed", "$ "+line
			case strings.HasPrefix(line, "vwrap: "):
				class = "vwrap"
			}
			for _, part := range broken(line) {
				terminals[e.terminal] = append(terminals[e.terminal], row{now, class, part})
			}
		}
		if e.typed {
			now += typing
		}
	}
	return terminals
}

func broken(line string) (parts []string) {
	letters := []rune(line)
	for len(letters) > columns {
		parts, letters = append(parts, string(letters[:columns])), letters[columns:]
	}
	return append(parts, string(letters))
}

// words are what stands together in a row: apart from what else is there by two spaces or more.
var words = regexp.MustCompile(`\S+( \S+)*`)

// draw returns the row's words, each where a terminal has them, and as wide, whatever font there is.
func (r row) draw(y int) string {
	var w strings.Builder
	for _, m := range words.FindAllStringIndex(r.text, -1) {
		text, class := r.text[m[0]:m[1]], ""
		if r.class != "" {
			class = fmt.Sprintf(` class="%s"`, r.class)
		}
		column, letters := utf8.RuneCountInString(r.text[:m[0]]), utf8.RuneCountInString(text)
		fmt.Fprintf(&w, `<text%s x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`,
			class, margin+cell*float64(column), y, cell*float64(letters), html.EscapeString(text))
	}
	return w.String()
}
