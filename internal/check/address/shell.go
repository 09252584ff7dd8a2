package address

import (
	"slices"
	"strings"

	"github.com/vwrap/vwrap/internal/pattern"
)

// prints is what a command prints, as far as it matters.
type prints int

const (
	nothing prints = iota
	names          // of secrets
	values         // of secrets
)

// word is one of a command.
type word struct {
	text     string // without its quotes
	at       int    // where it begins in the file
	quoted   bool   // it has quotes
	from, to int    // what is between the last of them
	holds    prints // what a command prints into it: $(…)
}

// command is one of a pipeline.
type command struct {
	words []word
	into  []word // the files that get what it prints
	away  bool   // that goes to another descriptor
	group bool   // ( … ), { … } or a loop
	holds prints // what is printed into its words, and into what it reads; of a group, what it prints
}

// deepestNesting is how far commands within commands are followed, and deepestQuotes how far scripts in quotes within scripts in quotes:
// these are read twice. longestDocument is how many lines are looked at for the end of a here-document.
const (
	deepestNesting  = 12
	deepestQuotes   = 2
	longestDocument = 500
	mostWords       = 300 // of a command
)

// script reads as much of a shell's language as is needed to see where what is printed goes. What is no such language has few
// commands in it, and does no harm.
type script struct {
	text     string // of the file, up to where the script ends
	at       int
	deep     int
	quotes   int
	bodyFrom int // a here-document follows the line that ends here
	bodyEnd  int // and ends there

	command func(command)      // is told each command
	wrote   func(prints, word) // is told what is written into which file
}

func (s *script) over() bool { return s.at >= len(s.text) }

// has reports whether text is next.
func (s *script) has(text string) bool {
	return strings.HasPrefix(s.text[min(s.at, len(s.text)):], text)
}

// part reads a part of the text as a script of its own.
func (s *script) part(from, to int) *script {
	return &script{text: s.text[:to], at: from, deep: s.deep + 1, quotes: s.quotes, bodyFrom: -1, command: s.command, wrote: s.wrote}
}

// blanks passes over what is between words of a line.
func (s *script) blanks() {
	for !s.over() {
		switch {
		case strings.IndexByte(" \t\r", s.text[s.at]) >= 0:
			s.at++
		case s.has("\\\n"):
			s.at += 2
		case s.has("\\\r\n"):
			s.at += 3
		default:
			return
		}
	}
}

// list reads commands up to end, and is what they print.
func (s *script) list(end string) (out prints) {
	s.deep++
	defer func() { s.deep-- }()
	for !s.over() {
		printed, ended := s.pipeline(end)
		out = max(out, printed)
		if ended {
			break
		}
	}
	return out
}

// pipeline reads one, with what parts it from the next.
func (s *script) pipeline(end string) (flow prints, ended bool) {
	for !s.over() {
		flow, ended = s.one(end, flow)
		switch {
		case ended || s.over():
			return flow, ended
		case s.has("||"), s.has("&&"):
			s.at += 2
			return flow, false
		case s.has("|"):
			for s.at++; !s.over() && strings.IndexByte("& \t\r\n", s.text[s.at]) >= 0; {
				s.at++
			}
			continue
		case s.has("\n") && s.at == s.bodyFrom && s.bodyEnd > s.at:
			s.at = s.bodyEnd
			return flow, false
		}
		s.at++
		return flow, false
	}
	return flow, false
}

// one reads a command. in is what it is given to read.
func (s *script) one(end string, in prints) (out prints, ended bool) {
	var c command
	for s.blanks(); !s.over() && !ended; s.blanks() {
		ch := s.text[s.at]
		switch {
		case ch == '#':
			for !s.over() && s.text[s.at] != '\n' {
				s.at++
			}
			continue
		case ch == '>' || ch == '<' || s.has("&>"):
			s.redirect(&c, "")
			continue
		case ch == ')' && end == ")":
			s.at++
			ended = true
			continue
		case ch == '(' && s.deep < deepestNesting:
			s.at++
			if printed := s.list(")"); len(c.words) == 0 {
				c.group, c.holds = true, max(c.holds, printed)
			}
			continue
		case strings.IndexByte("\n;&|()", ch) >= 0:
			return s.finish(c, in), false
		}
		w := s.word()
		switch {
		case w.text != "" && !w.quoted && strings.Trim(w.text, "0123456789") == "" && (s.has(">") || s.has("<")):
			s.redirect(&c, w.text)
		case len(c.words) == 0 && !w.quoted && w.text == end:
			ended = true
		case len(c.words) == 0 && !w.quoted && closing(w.text) != "" && s.deep < deepestNesting:
			c.group, c.holds = true, max(c.holds, s.list(closing(w.text)))
		case len(c.words) == 0 && !w.quoted && slices.Contains(leading, w.text):
		default:
			c.holds = max(c.holds, w.holds)
			if len(c.words) < mostWords {
				c.words = append(c.words, w)
			}
		}
	}
	return s.finish(c, in), ended
}

// leading are words that a command follows.
var leading = []string{"then", "else", "elif", "while", "until", "!", "time"}

// closing is what ends a group that so begins; "" where none does.
func closing(word string) string {
	switch word {
	case "{":
		return "}"
	case "do":
		return "done"
	case "if":
		return "fi"
	}
	return ""
}

// finish says where what c prints goes, and is what goes on to the next command.
func (s *script) finish(c command, in prints) prints {
	for i, w := range c.words {
		if w.to > w.from && s.quotes < deepestQuotes && strings.Contains(w.text, " ") && (i == 0 || introduces().MatchString(c.words[i-1].text)) {
			inner := s.part(w.from, w.to)
			inner.quotes++
			c.holds, c.group = max(c.holds, inner.list("")), true
		}
	}
	s.command(c)
	out := c.prints(in)
	for _, file := range append(slices.Clone(c.into), c.tee()...) {
		if out != nothing && isFile(file.text) {
			s.wrote(out, file)
		}
	}
	if len(c.into) > 0 || c.away {
		return nothing
	}
	return out
}

// introduces is what stands before a script in quotes: sh -c, and the keys and dashes of YAML.
var introduces = pattern.Of(`^(?:-[a-z]*c,?|.*:|-)$`)

// isFile reports whether what is written there stays.
func isFile(name string) bool {
	for _, not := range []string{"/dev/null", "/dev/std", "/dev/tty", "/dev/fd/", "/proc/", "&", "-", "|"} {
		if strings.HasPrefix(name, not) {
			return false
		}
	}
	return name != ""
}

// redirect reads where a descriptor goes to, or comes from.
func (s *script) redirect(c *command, descriptor string) {
	if s.has("&") {
		descriptor = ""
		s.at++
	}
	switch {
	case s.has("<(") || s.has(">("):
		s.at += 2
		if s.deep < deepestNesting {
			c.holds = max(c.holds, s.list(")"))
		}
		return
	case s.has("<<<"):
		s.at += 3
		s.blanks()
		c.holds = max(c.holds, s.word().holds)
		return
	case s.has("<<"):
		s.at += 2
		c.holds = max(c.holds, s.document())
		return
	case s.has("<"):
		s.at++
		s.blanks()
		s.word()
		return
	}
	for s.at++; !s.over() && (s.text[s.at] == '>' || s.text[s.at] == '|'); {
		s.at++
	}
	another := s.has("&")
	if another {
		s.at++
	}
	s.blanks()
	w := s.word()
	another = another && strings.Trim(w.text, "0123456789-") == ""
	switch {
	case descriptor != "" && descriptor != "1":
	case another:
		c.away = true
	default:
		c.into = append(c.into, w)
	}
}

// document reads a here-document, and is what commands print into it. The rest of its line is read afterwards.
func (s *script) document() (holds prints) {
	if s.has("-") {
		s.at++
	}
	s.blanks()
	delimiter := s.word()
	line := strings.IndexByte(s.text[s.at:], '\n')
	if line < 0 || delimiter.text == "" {
		return nothing
	}
	line += s.at
	from := line + 1
	if s.bodyFrom == line { // a second one
		from = s.bodyEnd
	}
	end := from
	for range longestDocument {
		if end >= len(s.text) {
			break
		}
		text, _, _ := strings.Cut(s.text[end:], "\n")
		next := min(end+len(text)+1, len(s.text))
		if strings.TrimSpace(text) == delimiter.text {
			if !delimiter.quoted && s.deep < deepestNesting {
				body := s.part(from, end)
				for !body.over() {
					holds = max(holds, body.within(&strings.Builder{}))
				}
			}
			s.bodyFrom, s.bodyEnd = line, next
			return holds
		}
		end = next
	}
	return nothing
}

// word reads one.
func (s *script) word() (w word) {
	var b strings.Builder
	w.at = s.at
	for !s.over() && strings.IndexByte(" \t\r\n;&|<>()", s.text[s.at]) < 0 {
		switch ch := s.text[s.at]; {
		case s.has("\\\n"), s.has("\\\r\n"):
			w.text = b.String()
			return w
		case ch == '\'' || ch == '"':
			s.quote(&w, &b, ch)
		default:
			w.holds = max(w.holds, s.within(&b))
		}
	}
	w.text = b.String()
	return w
}

// quote reads what is in quotes; a quote without another is a letter.
func (s *script) quote(w *word, b *strings.Builder, mark byte) {
	s.at++
	if strings.IndexByte(s.text[s.at:], mark) < 0 {
		b.WriteByte(mark)
		return
	}
	w.quoted, w.from = true, s.at
	for !s.over() && s.text[s.at] != mark {
		if mark == '"' {
			w.holds = max(w.holds, s.within(b))
			continue
		}
		b.WriteByte(s.text[s.at])
		s.at++
	}
	w.to = min(s.at, len(s.text))
	s.at = min(s.at+1, len(s.text))
}

// within reads a letter, or $(…), `…`, ${…}, and is what is printed there.
func (s *script) within(b *strings.Builder) prints {
	switch {
	case s.has("$(") && s.deep < deepestNesting:
		b.WriteString("$(…)")
		s.at += 2
		return s.list(")")
	case s.has("`") && s.deep < deepestNesting:
		if to := strings.IndexByte(s.text[s.at+1:], '`'); to >= 0 {
			from := s.at + 1
			s.at = from + to + 1
			b.WriteString("$(…)")
			return s.part(from, from+to).list("")
		}
	case s.has("${"):
		if to := strings.IndexByte(s.text[s.at:min(len(s.text), s.at+200)], '}'); to >= 0 {
			b.WriteString(s.text[s.at : s.at+to+1])
			s.at += to + 1
			return nothing
		}
	case s.has(`\`) && s.at+1 < len(s.text):
		s.at++
	}
	b.WriteByte(s.text[s.at])
	s.at++
	return nothing
}
