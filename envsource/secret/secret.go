// Package secret has a type for texts that nobody is to see: tokens, and what one logs in by. However one is printed, logged or encoded,
// "[redacted]" comes out; who needs the text itself says so, by Reveal, which the linter allows in few places.
package secret

import (
	"fmt"
	"io"
	"log/slog"
	"unique"
)

// redacted is what is shown of each.
const redacted = "[redacted]"

// Text is a secret. Two are equal (==) where their texts are. The zero value is none.
//
// It holds a handle, not the text: package fmt calls no methods of fields that are not exported, and prints what they hold.
type Text struct{ handle unique.Handle[string] }

// New makes a secret of a text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{unique.Make(text)}
}

// Reveal is the text.
func (t Text) Reveal() string {
	if t.None() {
		return ""
	}
	return t.handle.Value()
}

// None reports whether there is no text.
func (t Text) None() bool { return t == Text{} }

// Format implements fmt.Formatter, for every verb.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements fmt.Stringer.
func (t Text) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (t Text) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, by which JSON, XML and YAML write it.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalYAML implements the interface of YAML encoders.
func (t Text) MarshalYAML() (any, error) { return redacted, nil }
