package seed

import (
	"fmt"
	"log/slog"

	hidden "github.com/vwrap/vwrap/envsource/secret"
)

// Format implements fmt.Formatter: no verb shows what is in it.
func (AppRole) Format(s fmt.State, _ rune) { hidden.Hide(s) }

// LogValue implements slog.LogValuer.
func (AppRole) LogValue() slog.Value { return hidden.Hidden }
