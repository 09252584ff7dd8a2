package envsource

import (
	"fmt"
	"io"
	"log/slog"
)

// hide is what fmt prints of that which holds values, by whatever verb. JSON is not hidden: it is how values get into the memory file.
func hide(s fmt.State) { _, _ = io.WriteString(s, "[redacted]") }

var hidden = slog.StringValue("[redacted]")

// Format implements fmt.Formatter.
func (Answer) Format(s fmt.State, _ rune) { hide(s) }

// LogValue implements slog.LogValuer.
func (Answer) LogValue() slog.Value { return hidden }

// Format implements fmt.Formatter.
func (Kept) Format(s fmt.State, _ rune) { hide(s) }

// LogValue implements slog.LogValuer.
func (Kept) LogValue() slog.Value { return hidden }

// Format implements fmt.Formatter.
func (Carry) Format(s fmt.State, _ rune) { hide(s) }

// LogValue implements slog.LogValuer.
func (Carry) LogValue() slog.Value { return hidden }

// Format implements fmt.Formatter.
func (Result) Format(s fmt.State, _ rune) { hide(s) }

// LogValue implements slog.LogValuer.
func (Result) LogValue() slog.Value { return hidden }

// Format implements fmt.Formatter: what is inherited and what is literal may be a secret as well.
func (Input) Format(s fmt.State, _ rune) { hide(s) }

// LogValue implements slog.LogValuer.
func (Input) LogValue() slog.Value { return hidden }
