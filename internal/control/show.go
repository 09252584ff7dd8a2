package control

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vwrap/vwrap/envsource"
)

// Style is how a Status is shown.
type Style struct {
	Width   int  // columns; 0 is as many as it takes
	Color   bool // by escape sequences
	Unicode bool // bars of blocks, not of signs
}

const (
	red    = "31"
	yellow = "33"
	green  = "32"
	bold   = "1"
)

// Text is s for a person: what runs, where its secrets come from, and a line a secret.
func (s Status) Text(style Style) string {
	var b strings.Builder
	lines := append(s.header(style), s.table(style)...)
	for _, line := range append(lines, s.troubles(style)...) {
		b.WriteString(style.cut(line) + "\n")
	}
	return b.String()
}

func (s Status) header(style Style) (lines []string) {
	line := fmt.Sprintf("vwrap %d: %s", s.PID, style.paint(bold, envsource.Shown(s.Command)))
	if s.Running {
		line += fmt.Sprintf(" (%d)", s.CommandPID)
	}
	line += fmt.Sprintf(" %s, generation %d, %s, up %s", s.State, s.Generation, count(s.Restarts, "restart"), short(s.Now.Sub(s.Started)))
	lines = []string{line}
	if s.Vault == nil {
		return lines
	}
	line = "Vault " + envsource.Shown(s.Vault.Address)
	if s.Vault.Outage != "" {
		line += ", " + style.paint(red, "out since "+short(s.Now.Sub(*s.Vault.Since)))
	}
	if t := s.Token; t != nil {
		whose := "your token"
		if t.Own {
			whose = "its own token"
		}
		line += ", " + whose
		switch {
		case t.Expires != nil && !t.Expires.After(s.Now):
			line += style.paint(red, " is dead")
		case t.Expires != nil:
			line += " for " + short(t.Expires.Sub(s.Now))
		}
		line += s.due(", ", t.Next, t.At)
	}
	return append(lines, line)
}

// due says what comes when.
func (s Status) due(before, next string, at *time.Time) string {
	if next == "" || at == nil {
		return ""
	}
	if next == "look" {
		next = "looked at"
	} else {
		next = strings.TrimSuffix(next, "e") + "ed" // renewed, replaced, expired
	}
	if !at.After(s.Now) {
		return before + next + " now"
	}
	return before + next + " in " + short(at.Sub(s.Now))
}

// row is one secret's line, in columns.
type row struct {
	name, source, kind, bar, left, next string
	color                               string
}

func (s Status) table(style Style) (lines []string) {
	var rows []row
	for _, secret := range s.Secrets {
		for i, name := range secret.Variables {
			r := s.row(secret, style)
			r.name = envsource.Shown(name)
			if i > 0 { // the rest is said
				r.source, r.kind, r.bar, r.left, r.next, r.color = style.same(), "", "", "", "", ""
			}
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	var names, sources, kinds, lefts int
	for _, r := range rows {
		names, sources = max(names, width(r.name)), max(sources, width(r.source))
		kinds, lefts = max(kinds, width(r.kind)), max(lefts, width(r.left))
	}
	nexts := 0
	for _, r := range rows {
		nexts = max(nexts, width(r.next))
	}
	bars := style.Width == 0 || names+sources+kinds+barWidth+lefts+nexts+10 <= style.Width
	if style.Width > 0 && !bars { // what comes next, then what it is, is given up for the path
		over := names + sources + kinds + lefts + nexts + 8 - style.Width
		sources = max(min(sources, 12), sources-max(over, 0))
	}
	lines = []string{""}
	for _, r := range rows {
		line := pad(r.name, names) + "  " + pad(style.shorten(r.source, sources), sources) + "  " + pad(r.kind, kinds)
		if bars {
			line += "  " + style.paint(r.color, pad(r.bar, barWidth))
		}
		line += "  " + strings.Repeat(" ", lefts-width(r.left)) + style.paint(r.color, r.left) + "  " + r.next
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

const barWidth = 10

func (s Status) row(secret Secret, style Style) row {
	r := row{source: secret.Path, kind: kindOf(secret), next: strings.TrimPrefix(s.due("", secret.Next, secret.At), ", ")}
	if secret.Source != "vault" {
		r.source = secret.Source + ":" + secret.Path
	}
	if secret.Pending != "" {
		r.next = secret.Pending
	}
	r.source, r.next = envsource.Shown(r.source), envsource.Shown(r.next)
	if secret.Left == nil {
		return r
	}
	left := time.Duration(*secret.Left * float64(time.Second))
	part := 1.0
	if secret.Granted > 0 {
		part = max(0, min(1, *secret.Left/secret.Granted))
	}
	full, empty := "█", "░"
	if !style.Unicode {
		full, empty = "#", "."
	}
	filled := int(part*barWidth + 0.5)
	r.bar = strings.Repeat(full, filled) + strings.Repeat(empty, barWidth-filled)
	r.left, r.color = short(left), green
	switch {
	case left <= 0:
		r.left, r.color = "expired", red
	case part < 0.1:
		r.color = red
	case part < 0.33:
		r.color = yellow
	}
	return r
}

func kindOf(s Secret) string {
	switch {
	case s.Absent:
		return "absent"
	case s.Version > 0:
		return fmt.Sprintf("version %d", s.Version)
	}
	return map[string]string{
		"leased": "lease", "timed": "until its end", "rotated": "static role", "kv1": "KV version 1", "static": "read once",
	}[s.Kind]
}

// troubles are what a person should know besides, a line each.
func (s Status) troubles(style Style) (lines []string) {
	said := map[string]bool{}
	trouble := func(text string) {
		if text != "" && !said[text] {
			said[text] = true
			lines = append(lines, style.paint(red, "! "+envsource.Shown(text)))
		}
	}
	for _, why := range s.Unhealthy {
		trouble(why)
	}
	if s.Vault != nil {
		trouble(s.Vault.Outage)
	}
	for _, secret := range s.Secrets {
		if secret.Problem != "" && (s.Vault == nil || secret.Problem != s.Vault.Outage) {
			trouble(names(secret) + ": " + secret.Problem)
		}
	}
	if s.Problem != "" && (s.Vault == nil || s.Problem != s.Vault.Outage) {
		trouble("the last rotation could not be done: " + s.Problem)
	}
	if len(lines) > 0 {
		lines = append([]string{""}, lines...)
	}
	return lines
}

func (style Style) paint(color, text string) string {
	if !style.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (style Style) same() string {
	if style.Unicode {
		return "″"
	}
	return `"`
}

// shorten takes the middle out of text that is too wide: a path is known by both its ends.
func (style Style) shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	dots := "…"
	if !style.Unicode {
		dots = "~"
	}
	head := (most - 1) / 2
	return string(runes[:head]) + dots + string(runes[len(runes)-(most-1-head):])
}

// cut ends a line where the terminal does.
func (style Style) cut(line string) string {
	if style.Width == 0 {
		return line
	}
	var b strings.Builder
	column, escape := 0, false
	for _, c := range line {
		switch {
		case c == '\x1b':
			escape = true
		case escape:
			escape = c != 'm'
		case column >= style.Width:
			continue
		default:
			column++
		}
		b.WriteRune(c)
	}
	return b.String()
}

func width(text string) int { return utf8.RuneCountInString(text) }

func pad(text string, to int) string { return text + strings.Repeat(" ", max(0, to-width(text))) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// short is d in the two greatest units that it has.
func short(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	s := int(d.Round(time.Second).Seconds())
	type unit struct {
		name    string
		seconds int
	}
	units := []unit{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}
	for i, u := range units {
		if s < u.seconds {
			continue
		}
		text := fmt.Sprintf("%d%s", s/u.seconds, u.name)
		if i+1 < len(units) {
			if rest := s % u.seconds / units[i+1].seconds; rest > 0 {
				text += fmt.Sprintf("%d%s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0s"
}
