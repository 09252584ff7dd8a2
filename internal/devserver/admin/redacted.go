package admin

import (
	"fmt"
	"log/slog"

	"github.com/vwrap/vwrap/envsource/secret"
)

// Format implements fmt.Formatter: no verb shows what is in it.
func (*Client) Format(s fmt.State, _ rune) { secret.Hide(s) }

// LogValue implements slog.LogValuer.
func (*Client) LogValue() slog.Value { return secret.Hidden }
