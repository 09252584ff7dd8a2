// Package wire is how a vwrap writes to another process of the same program: values of Go types over a pipe, each field in
// its turn and without its name.
//
// Both ends are one file, so that nothing has to be told of the types. encoding/json and encoding/gob first find out all
// about a type, which for what is said once takes longer than to say it: docs/decisions/0016-wire.md has the figures.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// ErrMalformed is what is wrapped where a text is not what Write writes of a value of that type.
var ErrMalformed = errors.New("what another process of vwrap wrote is not readable")

// longest is how long a message may be, in bytes.
const longest = 64 << 20

// header is how many bytes stand before a message, and say how many it has: little endian.
const header = 4

// Write writes v as one message, in one call of w.Write.
//
// It knows booleans, integers, strings, byte slices, and slices, maps, pointers and structs of what it knows. It leaves out
// fields tagged `wire:"-"`, and makes no difference between what is nil and what is empty. Any other type is a mistake, and
// panics.
func Write(w io.Writer, v any) error {
	text := appendValue(make([]byte, header, 1024), reflect.ValueOf(v))
	if len(text)-header > longest {
		return fmt.Errorf("a message of %d bytes: more than %d", len(text)-header, longest)
	}
	binary.LittleEndian.PutUint32(text, uint32(len(text)-header)) //nolint:gosec // it is at most that much
	_, err := w.Write(text)
	return err
}

// Read reads one message of r into what v points at. Fields that are left out stay as they are. It returns io.EOF where r
// ends before the message, and wraps ErrMalformed where the message is none of v's type.
func Read(r io.Reader, v any) error {
	var head [header]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > longest {
		return fmt.Errorf("%w: a message of %d bytes", ErrMalformed, n)
	}
	var text bytes.Buffer // which grows as the message comes: it may say more than is there
	if got, err := io.CopyN(&text, r, int64(n)); err != nil {
		return fmt.Errorf("%w: it ends after %d of %d bytes", ErrMalformed, got, n)
	}
	d := decoder{text.Bytes()}
	if !d.value(reflect.ValueOf(v).Elem()) || len(d.rest) > 0 {
		return ErrMalformed
	}
	return nil
}

// left reports whether field i of a struct of type t is left out.
func left(t reflect.Type, i int) bool { return t.Field(i).Tag == `wire:"-"` }

func appendValue(text []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(text, 1)
		}
		return append(text, 0)
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(text, v.Int())
	case reflect.String:
		text = binary.AppendUvarint(text, uint64(v.Len())) //nolint:gosec // lengths are not negative
		return append(text, v.String()...)
	case reflect.Slice:
		text = binary.AppendUvarint(text, uint64(v.Len())) //nolint:gosec // lengths are not negative
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(text, v.Bytes()...)
		}
		for i := range v.Len() {
			text = appendValue(text, v.Index(i))
		}
		return text
	case reflect.Map:
		text = binary.AppendUvarint(text, uint64(v.Len())) //nolint:gosec // lengths are not negative
		for entry := v.MapRange(); entry.Next(); {
			text = appendValue(appendValue(text, entry.Key()), entry.Value())
		}
		return text
	case reflect.Pointer:
		if v.IsNil() {
			return append(text, 0)
		}
		return appendValue(append(text, 1), v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if !left(v.Type(), i) {
				text = appendValue(text, v.Field(i))
			}
		}
		return text
	}
	panic(unknown(v))
}

// unknown says whose mistake it is: a type that travels has something in it that is not known here. A test of package courier
// has each of them travel, every field set.
func unknown(v reflect.Value) string { return "wire: there is no way to write a " + v.Type().String() }

// decoder has what is still to be read.
type decoder struct{ rest []byte }

// value reads into v, and reports whether there was one.
func (d *decoder) value(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool:
		n, ok := d.length(1)
		v.SetBool(n == 1)
		return ok
	case reflect.Int, reflect.Int64:
		n, size := binary.Varint(d.rest)
		if size <= 0 {
			return false
		}
		d.rest = d.rest[size:]
		v.SetInt(n)
		return !v.OverflowInt(n)
	case reflect.String:
		text, ok := d.bytes()
		v.SetString(string(text))
		return ok
	case reflect.Slice:
		return d.slice(v)
	case reflect.Map:
		return d.entries(v)
	case reflect.Pointer:
		n, ok := d.length(1)
		if !ok || n == 0 {
			v.SetZero()
			return ok
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if !left(v.Type(), i) && !d.value(v.Field(i)) {
				return false
			}
		}
		return true
	}
	panic(unknown(v))
}

// length reads a number that is at most as much.
func (d *decoder) length(most int) (n int, ok bool) {
	long, size := binary.Uvarint(d.rest)
	if size <= 0 || long > uint64(most) { //nolint:gosec // most is not negative
		return 0, false
	}
	d.rest = d.rest[size:]
	return int(long), true //nolint:gosec // it is no more than most
}

// bytes reads as many bytes as stand before them.
func (d *decoder) bytes() (text []byte, ok bool) {
	n, ok := d.length(len(d.rest))
	if !ok || n > len(d.rest) {
		return nil, false
	}
	text, d.rest = d.rest[:n], d.rest[n:]
	return text, true
}

func (d *decoder) slice(v reflect.Value) bool {
	v.SetZero()
	if v.Type().Elem().Kind() == reflect.Uint8 {
		text, ok := d.bytes()
		if len(text) > 0 {
			v.SetBytes(bytes.Clone(text))
		}
		return ok
	}
	n, ok := d.length(len(d.rest)) // nothing takes no byte
	for i := 0; ok && i < n; i++ { // what is not there takes no memory
		v.Grow(1)
		v.SetLen(i + 1)
		ok = d.value(v.Index(i))
	}
	return ok
}

func (d *decoder) entries(v reflect.Value) bool {
	v.SetZero()
	n, ok := d.length(len(d.rest))
	if ok && n > 0 {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for i := 0; ok && i < n; i++ {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if ok = d.value(key) && d.value(value); ok {
			v.SetMapIndex(key, value)
		}
	}
	return ok
}
