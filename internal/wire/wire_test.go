package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"testing"
	"time"
)

type kind string

type inner struct {
	Kind kind
	Raw  json.RawMessage
	Took time.Duration
}

type whole struct {
	inner
	Yes, No bool
	Number  int
	Text    string
	Texts   []string
	Inners  []inner
	Nested  map[string]map[kind][]byte
	Pointer *inner
	Nothing *inner
	Left    chan int `wire:"-"`
}

var full = whole{
	inner: inner{"a", json.RawMessage(`{"b": [1]}`), math.MinInt64},
	Yes:   true, Number: -1, Text: "\x00ö\xff", Texts: []string{"", "c"},
	Inners:  []inner{{}, {Kind: "d", Took: time.Hour}},
	Nested:  map[string]map[kind][]byte{"": nil, "e": {"f": {0, 1}, "g": nil}},
	Pointer: &inner{Kind: "h"},
}

// What is written is what is read, one message after another.
func TestWriteRead(t *testing.T) {
	var pipe bytes.Buffer
	for _, v := range []whole{full, {}, full} {
		if err := Write(&pipe, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []whole{full, {}, full} {
		left := make(chan int)
		got := whole{Number: 7, Texts: []string{"old"}, Nothing: &inner{}, Nested: map[string]map[kind][]byte{"old": nil}, Left: left}
		if err := Read(&pipe, &got); err != nil {
			t.Fatal(err)
		}
		if want.Left = left; !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	if err := Read(&pipe, &whole{}); !errors.Is(err, io.EOF) {
		t.Errorf("%v at the end", err)
	}
}

// What is nil and what is empty are one.
func TestEmptyIsNil(t *testing.T) {
	var pipe bytes.Buffer
	if err := Write(&pipe, whole{Texts: []string{}, Nested: map[string]map[kind][]byte{}, inner: inner{Raw: json.RawMessage{}}}); err != nil {
		t.Fatal(err)
	}
	var got whole
	if err := Read(&pipe, &got); err != nil || !reflect.DeepEqual(got, whole{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUnreadable(t *testing.T) {
	var pipe bytes.Buffer
	if err := Write(&pipe, full); err != nil {
		t.Fatal(err)
	}
	text := pipe.Bytes()
	for n := 1; n < len(text); n++ {
		if err := Read(bytes.NewReader(text[:n]), &whole{}); err == nil {
			t.Errorf("%d of %d bytes are read", n, len(text))
		}
	}
	for what, text := range map[string][]byte{
		"longer than it may be":     {0, 0, 0, 0xff},
		"longer than it is":         {9, 0, 0, 0, 0},
		"with something behind":     {2, 0, 0, 0, 0, 0},
		"a list longer than that":   {2, 0, 0, 0, 0xff, 1},
		"a number that has no end":  {1, 0, 0, 0, 0xff},
		"a list of more than fits":  {10, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"a list of what is no text": {3, 0, 0, 0, 1, 2, 'a'},
	} {
		if err := Read(bytes.NewReader(text), &[]string{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := Read(bytes.NewReader([]byte{1, 0, 0, 0, 2}), new(bool)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a boolean that is neither: %v", err)
	}
}

func TestUnknownTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a channel is written")
		}
	}()
	_ = Write(io.Discard, struct{ C chan int }{})
}

func FuzzRead(f *testing.F) {
	var pipe bytes.Buffer
	if err := Write(&pipe, full); err != nil {
		f.Fatal(err)
	}
	f.Add(pipe.Bytes())
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		var first, second whole
		if Read(bytes.NewReader(text), &first) != nil {
			return
		}
		var again bytes.Buffer
		if err := Write(&again, first); err != nil {
			t.Fatal(err)
		}
		if err := Read(&again, &second); err != nil || !reflect.DeepEqual(first, second) {
			t.Errorf("%v: %+v\n%+v", err, first, second)
		}
	})
}
