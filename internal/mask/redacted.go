package mask

import (
	"fmt"
	"log/slog"

	"github.com/vwrap/vwrap/envsource/secret"
)

// Format implements fmt.Formatter: no verb shows what is in it.
func (Value) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (Value) LogValue() slog.Value { return secret.Hidden }
