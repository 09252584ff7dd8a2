package leaks

import (
	"fmt"
	"log/slog"

	"github.com/vwrap/vwrap/envsource/secret"
)

// Format implements fmt.Formatter: no verb shows what is in it.
func (Secret) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return secret.Hidden }
