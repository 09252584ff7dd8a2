package envsource

import (
	"fmt"
	"log/slog"

	"github.com/vwrap/vwrap/envsource/secret"
)

// Format implements fmt.Formatter.
func (Answer) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Answer) LogValue() slog.Value { return secret.Hidden }

// Format implements fmt.Formatter.
func (Kept) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Kept) LogValue() slog.Value { return secret.Hidden }

// Format implements fmt.Formatter.
func (Carry) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Carry) LogValue() slog.Value { return secret.Hidden }

// Format implements fmt.Formatter.
func (Result) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Result) LogValue() slog.Value { return secret.Hidden }

// Format implements fmt.Formatter: what is inherited and what is literal may be a secret as well.
func (Input) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Input) LogValue() slog.Value { return secret.Hidden }
