package mask

import (
	"bytes"
	"encoding/base64"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/forms"
	"github.com/vwrap/vwrap/internal/search"
)

// Sign is what stands in the output for a value.
const Sign = "***"

// patience is how long output is held back because a value may have begun in it.
const patience = 50 * time.Millisecond

// shortest is what a value needs to be masked, in bytes: less stands anywhere by chance.
const shortest = 4

// Value is one that is not to be seen, and the name by which somebody is told that it cannot be masked.
type Value struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// set is the texts that are masked.
type set struct {
	searcher *search.Searcher
	patterns [][]byte // of searcher
	sorted   []string
	begins   [1 << 16 / 8]byte // a bit for each two bytes with which one begins
}

// newSet is of all values, in all their forms. It returns the names of those that it leaves out.
func newSet(values []Value) (s *set, left []string) {
	texts := map[string]bool{}
	for _, v := range values {
		if !maskable(v.Value) {
			if !slices.Contains(left, v.Name) && v.Value != "" {
				left = append(left, v.Name)
			}
			continue
		}
		for _, text := range textsOf(v.Value) {
			texts[text] = true
		}
	}
	s = &set{}
	for text := range texts {
		s.sorted = append(s.sorted, text)
		s.patterns = append(s.patterns, []byte(text))
		two := int(text[0])<<8 | int(text[1])
		s.begins[two/8] |= 1 << (two % 8)
	}
	slices.Sort(s.sorted)
	slices.Sort(left)
	s.searcher = search.New(s.patterns)
	return s, left
}

// maskable reports whether a value may be masked wherever it stands: what is short, a small number or an everyday word would take
// what is no secret with it.
func maskable(value string) bool {
	value = strings.TrimSpace(value)
	digits := strings.Trim(value, "0123456789") == ""
	return len(value) >= shortest && (!digits || len(value) >= 6) && !forms.Common(value)
}

// textsOf are the forms of a value, and of each line of it that says something.
func textsOf(value string) (texts []string) {
	add := func(part string) {
		for _, f := range forms.Of(part) {
			if f.Text == part || len(f.Text) >= 6 {
				texts = append(texts, f.Text)
			}
		}
	}
	for _, whole := range []string{value, strings.TrimSpace(value)} { // programs print it with and without its line break
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} { // the forms leave out what depends on what follows
			texts = append(texts, e.EncodeToString([]byte(whole)))
		}
	}
	value = strings.TrimSpace(value)
	add(value)
	if !strings.Contains(value, "\n") {
		return texts
	}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= 8 && maskable(line) && !strings.HasPrefix(line, "-----") {
			add(line)
		}
	}
	return texts
}

// span is a part of a text.
type span struct{ from, to int }

// found are the values in text, in order, where they overlap as one.
func (s *set) found(text []byte) (all []span) {
	s.searcher.Find(text, func(p, start int) {
		end := start + len(s.patterns[p])
		if n := len(all); n > 0 && start < all[n-1].to {
			all[n-1].to = max(all[n-1].to, end)
			return
		}
		all = append(all, span{start, end})
	})
	return all
}

// unsure is where the first value may begin that text ends in the midst of; len(text) where none does.
func (s *set) unsure(text []byte) int {
	for i := max(0, len(text)-s.searcher.Longest+1); i < len(text); i++ {
		if rest := text[i:]; s.mayBegin(rest) {
			at := sort.Search(len(s.sorted), func(k int) bool { return s.sorted[k] > string(rest) })
			if at < len(s.sorted) && strings.HasPrefix(s.sorted[at], string(rest)) {
				return i
			}
		}
	}
	return len(text)
}

// mayBegin reports whether a value begins as text does, by what is quickly seen.
func (s *set) mayBegin(text []byte) bool {
	if len(text) == 1 {
		return true
	}
	two := int(text[0])<<8 | int(text[1])
	return s.begins[two/8]&(1<<(two%8)) != 0
}

// filter is what one stream is at. Its methods are for one goroutine.
type filter struct {
	held    []byte    // came, and may be the beginning of a value
	covered int       // of held: is a part of a value whose sign has been written
	since   time.Time // the first of held came
}

// pass takes what came, at a time, and returns what is to be written.
func (f *filter) pass(s *set, came []byte, now time.Time) []byte {
	was := len(f.held)
	text := append(f.held, came...)
	sure := s.unsure(text)
	out := f.cut(s, text, sure)
	if sure > 0 || was == 0 { // else its first byte is what it was
		f.since = now
	}
	return out
}

// due is when held text is written as it is; the zero time is for none.
func (f *filter) due() time.Time {
	if len(f.held) == 0 {
		return time.Time{}
	}
	return f.since.Add(patience)
}

// flush returns what is held.
func (f *filter) flush(s *set) []byte { return f.cut(s, f.held, len(f.held)) }

// cut writes text up to sure, with signs for the values in it, and holds the rest.
func (f *filter) cut(s *set, text []byte, sure int) []byte {
	var out bytes.Buffer
	at := f.covered // what is before it was written, or stands under a sign that was
	for _, v := range s.found(text) {
		if v.from >= sure {
			break
		}
		if v.from >= at {
			out.Write(text[at:v.from])
			out.WriteString(Sign)
		}
		at = max(at, v.to)
	}
	if at < sure {
		out.Write(text[at:sure])
	}
	f.covered = max(0, at-sure)
	f.held = append([]byte(nil), text[sure:]...)
	return out.Bytes()
}
