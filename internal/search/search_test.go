package search

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vwrap/vwrap/internal/forms"
)

// naive is what the Searcher has to find, found the plain way.
func naive(patterns [][]byte, text []byte) []Hit {
	var all []Hit
	for p, pattern := range patterns {
		for at := 0; at+len(pattern) <= len(text); at++ {
			if bytes.HasPrefix(text[at:], pattern) {
				before := text[:at]
				all = append(all, Hit{
					Pattern: p, Start: int64(at), End: int64(at + len(pattern)),
					Line: 1 + bytes.Count(before, []byte("\n")), Column: at - bytes.LastIndexByte(before, '\n'),
				})
			}
		}
	}
	return all
}

func byPlace(a, b Hit) int {
	if a.Start != b.Start {
		return int(a.Start - b.Start)
	}
	return a.Pattern - b.Pattern
}

func streamed(t *testing.T, s *Searcher, text []byte, size int) []Hit {
	t.Helper()
	var all []Hit
	if err := s.Stream(bytes.NewReader(text), make([]byte, size), func(h Hit) { all = append(all, h) }); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, byPlace)
	return all
}

func compare(t *testing.T, patterns [][]byte, text []byte, sizes ...int) {
	t.Helper()
	want := naive(patterns, text)
	slices.SortFunc(want, byPlace)
	s := New(patterns)
	for _, size := range append(sizes, s.Longest, s.Longest+1, s.Longest+3, 2*s.Longest, 1<<12) {
		if size < s.Longest {
			continue
		}
		if got := streamed(t, s, text, size); !slices.Equal(got, want) {
			t.Fatalf("with %d bytes at once of %q: %v\nis not %v", size, text, got, want)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text     string
		patterns []string
	}{
		"nothing":       {"", []string{"aaaaaaaa"}},
		"all":           {"aaaaaaaa", []string{"aaaaaaaa"}},
		"overlapping":   {"aaaaaaaaaaaa\naaaaaaaaaa", []string{"aaaaaaaa"}},
		"nested":        {"x\n0123456789abcdef", []string{"0123456789abcdef", "456789ab", "6789abcdef"}},
		"at the end":    {"\n\n\nxx12345678", []string{"12345678", "12345678xx"}},
		"line breaks":   {"\n\n12345\n678\n\n12345\n678", []string{"12345\n678"}},
		"twice":         {"xx12345678", []string{"12345678", "12345678"}},
		"zeros":         {"\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xfe", []string{"\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\xff\xfe"}},
		"long patterns": {strings.Repeat("ab", 400) + "\n" + strings.Repeat("ab", 300), []string{strings.Repeat("ab", 290), strings.Repeat("b", 9)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var patterns [][]byte
			for _, p := range c.patterns {
				patterns = append(patterns, []byte(p))
			}
			compare(t, patterns, []byte(c.text))
		})
	}
}

func TestStreamError(t *testing.T) {
	t.Parallel()
	s := New([][]byte{[]byte("12345678")})
	if err := s.Stream(iotest.ErrReader(iotest.ErrTimeout), s.Buffer(), func(Hit) {}); err == nil {
		t.Error("an error of the reader is lost")
	}
	var n int
	if err := s.Stream(iotest.OneByteReader(strings.NewReader("xx12345678x")), s.Buffer(), func(Hit) { n++ }); err != nil || n != 1 {
		t.Errorf("byte by byte: %d, %v", n, err)
	}
}

// What forms make of random values, laid into random texts, is found where it is, whatever is read at once.
func TestStreamRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var patterns [][]byte
		for range 1 + r.IntN(3) {
			for _, f := range forms.Of(randomValue(r)) {
				patterns = append(patterns, []byte(f.Text))
			}
		}
		var text []byte
		for range r.IntN(30) {
			p := patterns[r.IntN(len(patterns))]
			text = append(text, []string{"", "\n", "x", "password: ", string(p[:r.IntN(len(p))])}[r.IntN(5)]...)
			text = append(text, p...)
		}
		compare(t, patterns, text, 100+r.IntN(1000))
	}
}

func randomValue(r *rand.Rand) string {
	alphabet := []rune([]string{"abcXYZ019", "ab\n'\"\\$` ", "aé漢😀/&?%", "\x01\x1b\x7f~#!<>", "aa"}[r.IntN(5)])
	var b strings.Builder
	for b.Len() < 8+r.IntN(40) {
		b.WriteRune(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}

func FuzzStream(f *testing.F) {
	f.Add("12345678", "abcdefgh\n", "x12345678\nabcdefgh\n", uint16(10))
	f.Fuzz(func(t *testing.T, a, b, text string, size uint16) {
		if len(a) < 8 || len(b) < 8 || len(text) > 1<<12 {
			t.Skip()
		}
		var patterns [][]byte
		for _, v := range []string{a, b} {
			for _, f := range forms.Of(v) {
				if len(f.Text) < 8 {
					t.Fatalf("%q %s is %q: too short", v, f.As, f.Text)
				}
				patterns = append(patterns, []byte(f.Text))
			}
		}
		for _, p := range patterns {
			text += fmt.Sprintf("%s\n%s", p, p[:len(p)/2])
		}
		compare(t, patterns, []byte(text[:min(len(text), 1<<13)]), int(size))
	})
}
