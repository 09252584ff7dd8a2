// Package search finds many texts in a stream at once.
package search

import (
	"bytes"
	"errors"
	"io"
)

// block is how many bytes the search looks at to say how far it may skip.
const block = 3

// Searcher finds many patterns at once, all of them wherever they stand, also one within another. It is the algorithm of Wu and
// Manber (1994): a table says for each block of bytes how far from the end of the shortest pattern it is at least, and so how
// far the search may skip. Values are long and random, so mostly it skips. An automaton looks at every byte.
type Searcher struct {
	patterns [][]byte
	shortest int                   // at most 255: what a skip has room for
	Longest  int                   // the longest pattern, in bytes
	skip     [1 << tableBits]uint8 // by the hash of a block; 0: patterns may end their first part here
	head     [1 << tableBits]int32 // those patterns, from 1
	next     []int32               // the next of the same block
}

// tableBits is for a table that stays in the processor's cache.
const tableBits = 16

func hash(b []byte) uint32 {
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16) * 0x9E3779B1 >> (32 - tableBits)
}

// New takes patterns of block bytes and more.
func New(patterns [][]byte) *Searcher {
	s := &Searcher{patterns: patterns, shortest: 255, next: make([]int32, len(patterns)+1)}
	for _, p := range patterns {
		s.shortest, s.Longest = min(s.shortest, len(p)), max(s.Longest, len(p))
	}
	for i := range s.skip {
		s.skip[i] = uint8(s.shortest - block + 1)
	}
	for i, p := range patterns {
		for end := block; end <= s.shortest; end++ {
			h := hash(p[end-block : end])
			s.skip[h] = min(s.skip[h], uint8(s.shortest-end))
		}
		h := hash(p[s.shortest-block : s.shortest])
		s.next[i+1], s.head[h] = s.head[h], int32(i+1)
	}
	return s
}

// Find calls found for each pattern in the text, in the order of where they start.
func (s *Searcher) Find(text []byte, found func(pattern, start int)) {
	if len(s.patterns) == 0 {
		return
	}
	for end := s.shortest; end <= len(text); {
		h := hash(text[end-block : end])
		if skip := s.skip[h]; skip > 0 {
			end += int(skip)
			continue
		}
		start := end - s.shortest
		for p := s.head[h]; p != 0; p = s.next[p] {
			if bytes.HasPrefix(text[start:], s.patterns[p-1]) {
				found(int(p-1), start)
			}
		}
		end++
	}
}

// Hit is where a pattern stands in a stream.
type Hit struct {
	Pattern      int
	Start, End   int64
	Line, Column int // from 1, in bytes
}

// bufferSize is what is read at once. Patterns longer than half of it get a larger buffer.
const bufferSize = 256 << 10

// Buffer is one for Stream.
func (s *Searcher) Buffer() []byte { return make([]byte, max(bufferSize, 2*s.Longest)) }

// Stream calls found for each pattern in what is read. The buffer is twice as long as the longest pattern, or longer.
func (s *Searcher) Stream(r io.Reader, buffer []byte, found func(Hit)) error {
	offset, line, column := int64(0), 1, 1 // of the buffer's first byte
	carried := 0                           // what it has of the last round
	for {
		n, err := io.ReadFull(r, buffer[carried:])
		text := buffer[:carried+n]
		at, l, c := 0, line, column
		s.Find(text, func(p, start int) {
			end := start + len(s.patterns[p])
			if end <= carried {
				return // told in the last round
			}
			l, c = advance(text[at:start], l, c)
			at = start
			found(Hit{p, offset + int64(start), offset + int64(end), l, c})
		})
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		keep := len(text) - max(s.Longest-1, 0)
		line, column = advance(text[:keep], line, column)
		offset += int64(keep)
		carried = copy(buffer, text[keep:])
	}
}

// advance is the place after a text that began at a place.
func advance(text []byte, line, column int) (int, int) {
	if last := bytes.LastIndexByte(text, '\n'); last >= 0 {
		return line + bytes.Count(text, []byte("\n")), len(text) - last
	}
	return line, column + len(text)
}
