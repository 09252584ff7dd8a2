package dotenv

import (
	"fmt"
	"strings"
	"unicode"
)

// Assignment is where one NAME=value stands in a dotenv file.
type Assignment struct {
	Name     string
	Line     int  // from 1
	From, To int  // the value in the text, its quotes included, in bytes
	Quote    byte // ' or ", 0 where there is none
}

// Scan finds the assignments of text, in order, for who wants to change them. It takes what Parse takes and what all
// readers of such files read alike: an assignment has its lines to itself, but for a comment. Errors name the line and
// nothing that stands there.
func Scan(text string) ([]Assignment, error) {
	if _, err := Parse(text); err != nil {
		return nil, err
	}
	if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") {
		return nil, fmt.Errorf("a line break that is a CR alone: readers do not agree about it")
	}
	s := scanner{text: text, at: len(text) - len(strings.TrimPrefix(text, "\ufeff"))}
	var all []Assignment
	for s.next() {
		a, err := s.assignment()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", a.Line, err)
		}
		all = append(all, a)
	}
	return all, nil
}

type scanner struct {
	text string
	at   int
}

// next goes to the next assignment, over blank lines and comments.
func (s *scanner) next() bool {
	for {
		s.at = len(s.text) - len(strings.TrimLeftFunc(s.text[s.at:], unicode.IsSpace))
		if !strings.HasPrefix(s.text[s.at:], "#") {
			return s.at < len(s.text)
		}
		s.at = s.lineEnd(s.at)
	}
}

// lineEnd is where the line that has from ends, without its line break.
func (s *scanner) lineEnd(from int) int {
	if n := strings.IndexAny(s.text[from:], "\r\n"); n >= 0 {
		return from + n
	}
	return len(s.text)
}

func (s *scanner) assignment() (Assignment, error) {
	a := Assignment{Line: 1 + strings.Count(s.text[:s.at], "\n")}
	end := s.lineEnd(s.at)
	n := strings.IndexAny(s.text[s.at:end], "=:")
	if n < 0 {
		return a, fmt.Errorf("not KEY=value")
	}
	name := strings.TrimSpace(s.text[s.at : s.at+n])
	if rest, ok := strings.CutPrefix(name, "export"); ok && strings.TrimLeft(rest, " \t") != rest {
		name = strings.TrimLeft(rest, " \t")
	}
	a.Name = name
	a.From = s.at + n + 1
	a.From += len(s.text[a.From:end]) - len(strings.TrimLeft(s.text[a.From:end], " \t"))
	if a.From < end && (s.text[a.From] == '\'' || s.text[a.From] == '"') {
		return s.quoted(a)
	}
	at := comments(s.text[a.From:end])
	if len(at) > 1 || strings.HasPrefix(s.text[a.From:end], "#") {
		return a, fmt.Errorf("readers do not agree where the comment begins: put the value in quotes")
	}
	s.at = end
	if len(at) > 0 {
		end = a.From + at[0]
	}
	a.To = a.From + len(strings.TrimRight(s.text[a.From:end], " \t"))
	return a, nil
}

// comments are where one may begin in text: at a blank before a #.
func comments(text string) (at []int) {
	for i := 1; i < len(text); i++ {
		if text[i] == '#' && (text[i-1] == ' ' || text[i-1] == '\t') {
			at = append(at, i-1)
		}
	}
	return at
}

// quoted finds the end of a value in quotes.
func (s *scanner) quoted(a Assignment) (Assignment, error) {
	a.Quote = s.text[a.From]
	a.To = a.From + 1
	for ; a.To < len(s.text) && (s.text[a.To] != a.Quote || s.text[a.To-1] == '\\'); a.To++ {
		if a.Quote == '\'' && s.text[a.To] == a.Quote || strings.HasPrefix(s.text[a.To:], `\\"`) {
			return a, fmt.Errorf("readers do not agree about a backslash before a quote: write the value otherwise")
		}
	}
	a.To = min(a.To+1, len(s.text))
	s.at = s.lineEnd(a.To)
	if rest := strings.TrimLeft(s.text[a.To:s.at], " \t"); rest != "" && rest[0] != '#' {
		return a, fmt.Errorf("text after the closing quote")
	}
	return a, nil
}
