package mask

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func setOf(t testing.TB, values ...string) *set {
	t.Helper()
	var all []Value
	for _, v := range values {
		all = append(all, Value{v, v})
	}
	s, left := newSet(all)
	if len(left) > 0 {
		t.Fatalf("not masked: %q", left)
	}
	return s
}

// filtered is what comes out of parts that come in without a pause.
func filtered(s *set, parts ...string) string {
	var f filter
	var out strings.Builder
	for _, p := range parts {
		out.Write(f.pass(s, []byte(p), time.Unix(9, 0)))
	}
	out.Write(f.flush(s))
	return out.String()
}

func TestFilter(t *testing.T) {
	t.Parallel()
	s := setOf(t, "hunter22", "tiger lion", "first-line-1\nsecond-line-2\n", "hunt", "22-and")
	for _, c := range [][2]string{
		{"nothing here\n", "nothing here\n"},
		{"", ""},
		{"hunter22", "***"},
		{"a hunter22 b hunter22", "a *** b ***"},
		{"hunter22hunter22", "******"},
		{"hunter22-and more", "*** more"}, // two that overlap
		{"hunte", "***e"},
		{"x=" + base64.StdEncoding.EncodeToString([]byte("user:hunter22")), "x=dXNlcjp***g=="},
		{"tiger%20lion tiger+lion", "*** ***"},
		{`{"a": "first-line-1\nsecond-line-2"}`, `{"a": "***"}`},
		{"first-line-1\r\n  second-line-2\r\n", "***\r\n  ***\r\n"},
		{"tiger lio", "tiger lio"},
		{"\x00\xff hunter22\x00", "\x00\xff ***\x00"},
	} {
		if got := filtered(s, c[0]); got != c[1] {
			t.Errorf("%q → %q, want %q", c[0], got, c[1])
		}
		if got := filtered(s, strings.Split(c[0], "")...); got != c[1] {
			t.Errorf("%q, byte by byte → %q, want %q", c[0], got, c[1])
		}
	}
}

// What may be the beginning of a value waits for the rest, and not longer than its patience, from its first byte on.
func TestPatience(t *testing.T) {
	t.Parallel()
	s, now := setOf(t, "hunter22"), time.Unix(100, 0)
	var f filter
	if out := f.pass(s, []byte("password: hun"), now); string(out) != "password: " {
		t.Errorf("written at once is %q", out)
	}
	if due := f.due(); !due.Equal(now.Add(patience)) {
		t.Errorf("the rest is due at %v", due)
	}
	if out := f.pass(s, []byte("ter"), now.Add(30*time.Millisecond)); len(out) != 0 || !f.due().Equal(now.Add(patience)) {
		t.Errorf("%q is written; the rest is due at %v", out, f.due())
	}
	if out := f.pass(s, []byte("22 hunt"), now.Add(40*time.Millisecond)); string(out) != "*** " || !f.due().Equal(now.Add(40*time.Millisecond+patience)) {
		t.Errorf("%q is written; the rest is due at %v", out, f.due())
	}
	if out := f.flush(s); string(out) != "hunt" || !f.due().IsZero() {
		t.Errorf("%q is written; then %v", out, f.due())
	}
}

func TestNotMasked(t *testing.T) {
	t.Parallel()
	_, left := newSet([]Value{{"PORT", "5432"}, {"SHORT", "abc"}, {"WORD", "Password"}, {"EMPTY", ""}, {"PIN", "123456"}, {"A", "tiger"}, {"PORT", "80"}})
	if want := []string{"PORT", "SHORT", "WORD"}; !slices.Equal(left, want) {
		t.Errorf("%q are not masked, want %q", left, want)
	}
}

// naive is what a filter has to write, found the plain way: whatever is a part of a value, in any form, is under a sign.
func naive(s *set, text string) string {
	under := make([]bool, len(text))
	begins := make([]bool, len(text))
	end := 0
	for i := range len(text) {
		for _, p := range s.sorted {
			if strings.HasPrefix(text[i:], p) {
				begins[i] = begins[i] || i >= end
				end = max(end, i+len(p))
				for k := i; k < i+len(p); k++ {
					under[k] = true
				}
			}
		}
	}
	var b strings.Builder
	for i := range len(text) {
		if begins[i] {
			b.WriteString(Sign)
		}
		if !under[i] {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func FuzzFilter(f *testing.F) {
	f.Add("hunter22", "2hunter", "xhunter22hunter22hun\nter22", uint64(1))
	f.Add("aabaab", "abaabaab", "aabaabaabaaabaabaab", uint64(2))
	f.Add("line one\nline two", "line two", "line one\nline twoline one", uint64(3))
	f.Fuzz(func(t *testing.T, a, b, text string, seed uint64) {
		s, _ := newSet([]Value{{"A", a}, {"B", b}})
		text += a + b[:len(b)/2] + b
		if len(text) > 1<<12 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		var parts []string
		for rest := text; rest != ""; {
			n := min(len(rest), 1+r.IntN(1+len(text)/3))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		var f filter
		for _, part := range parts {
			if f.pass(s, []byte(part), time.Unix(9, 0)); len(f.held) >= max(1, s.searcher.Longest) {
				t.Fatalf("%d bytes are held back, the longest form of a value has %d", len(f.held), s.searcher.Longest)
			}
		}
		got, want := filtered(s, parts...), naive(s, text)
		if got != want {
			t.Fatalf("%q in %q → %q, want %q", []string{a, b}, parts, got, want)
		}
		for part := range strings.SplitSeq(got, Sign) {
			for _, v := range []string{a, b} {
				if maskable(v) && strings.Contains(part, strings.TrimSpace(v)) {
					t.Fatalf("%q is in %q", v, got)
				}
			}
		}
	})
}

// piped runs a stream over a real pipe.
func piped(t *testing.T, s *set) (in, out *os.File, st *stream) {
	t.Helper()
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(inR.Fd())) // Fd makes it blocking: as Serve gets it
	if err != nil || unix.SetNonblock(fd, true) != nil {
		t.Fatal(err)
	}
	inR.Close()
	st = &stream{in: os.NewFile(uintptr(fd), "pipe"), out: outW, set: &atomic.Pointer[set]{}}
	st.set.Store(s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer outW.Close()
		st.run()
	}()
	t.Cleanup(func() {
		inW.Close()
		outR.Close()
		<-done
	})
	return inW, outR, st
}

func read(t *testing.T, f *os.File, n int) string {
	t.Helper()
	buffer := make([]byte, n)
	if _, err := io.ReadFull(f, buffer); err != nil {
		t.Fatal(err)
	}
	return string(buffer)
}

// What cannot be a value's beginning is there at once, what can when nothing follows; a drain hurries that.
func TestStream(t *testing.T) {
	t.Parallel()
	in, out, st := piped(t, setOf(t, "hunter22"))
	io.WriteString(in, "name? hunter22 hun")
	if got := read(t, out, len("name? *** ")); got != "name? *** " {
		t.Errorf("got %q", got)
	}
	if got := read(t, out, 3); got != "hun" { // of itself, after its patience
		t.Errorf("got %q", got)
	}
	io.WriteString(in, "hunter2")
	<-st.drain()
	if got := read(t, out, 7); got != "hunter2" {
		t.Errorf("got %q", got)
	}
	in.Close()
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
	<-st.drain() // also when it is over
}

// Who writes more than is read waits; nothing is lost, and nothing changes its order.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	in, out, st := piped(t, setOf(t, "hunter22"))
	var sent bytes.Buffer
	r := rand.New(rand.NewPCG(1, 2))
	for sent.Len() < 4<<20 {
		sent.WriteString(strings.Repeat("x", r.IntN(100)) + "hunter22\n")
	}
	go func() {
		in.Write(sent.Bytes())
		in.Close()
	}()
	drained := st.drain()
	got, err := io.ReadAll(out)
	<-drained
	// One that fell apart between two writes, on a machine that then took longer than the patience, has passed as it was.
	got = bytes.ReplaceAll(got, []byte("hunter22"), []byte(Sign))
	if want := bytes.ReplaceAll(sent.Bytes(), []byte("hunter22"), []byte(Sign)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came, want %d; %v", len(got), len(want), err)
	}
}

// Where nobody reads any more the writer learns of it.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	in, out, _ := piped(t, setOf(t, "hunter22"))
	out.Close()
	for err := error(nil); err == nil; { // ends when the pipe does
		_, err = in.Write([]byte("x"))
	}
}

func BenchmarkFilter(b *testing.B) {
	for _, n := range []int{1, 20, 100} {
		var values []Value
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for range n {
			raw := make([]byte, 24)
			for i := range raw {
				raw[i] = byte(r.Uint32())
			}
			values = append(values, Value{"V", base64.StdEncoding.EncodeToString(raw)})
		}
		s, _ := newSet(values)
		text := bytes.Repeat([]byte("2026-01-01T00:00:00Z INFO request served in 12ms path=/api/v1/orders/4711 user=4242\n"), 700)
		b.Run("values="+string(rune('0'+n/100))+string(rune('0'+n/10%10))+string(rune('0'+n%10)), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var f filter
			for b.Loop() {
				f.pass(s, text, time.Time{})
			}
		})
	}
}
