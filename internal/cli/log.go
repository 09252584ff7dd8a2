package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/vwrap/vwrap/envsource"
)

// newLog returns the log that a user reads: lines such as "vwrap: DB_PASSWORD: …" on w, or JSON for machines.
func newLog(w io.Writer, format string, level slog.Level) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(&lines{mu: new(sync.Mutex), w: w, level: level})
}

// lines is a slog.Handler that writes the message alone, prefixed, a line each. vwrap logs no attributes.
type lines struct {
	mu    *sync.Mutex
	w     io.Writer
	level slog.Level
}

// Enabled implements slog.Handler.
func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

// Handle implements slog.Handler. Each line is written at once, so that those of other processes do not mix in.
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for line := range strings.SplitSeq(r.Message, "\n") {
		fmt.Fprintf(&b, "vwrap: %s\n", printable(line))
	}
	_, err := io.WriteString(l.w, b.String())
	return err
}

// WithAttrs implements slog.Handler.
func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *lines) WithGroup(string) slog.Handler { return l }

// printable is line with what a terminal would obey (escape sequences in a name, say) shown, not done.
func printable(line string) string { return envsource.Shown(line) }

// levelOf is the slog level that a name means. quiet leaves errors alone.
func levelOf(name string, quiet bool) (slog.Level, error) {
	if quiet {
		return slog.LevelError, nil
	}
	switch strings.ToLower(name) {
	case "debug", "trace":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("--log-level %s: want debug, info, warn or error", name)
}
