package seed

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vwrap/vwrap/internal/config"
)

// maxPrinted is the longest value that a command may print: as long as a secret of KV can be.
const maxPrinted = 512 << 10

// commands runs the commands that stand for values.
type commands struct {
	dir    string
	stderr io.Writer
}

// fill returns v with what its commands print; what is to be generated still is. where names v in errors.
func (c commands) fill(ctx context.Context, v any, where string) (any, error) {
	var errs []error
	inner := func(v any, where string) any {
		filled, err := c.fill(ctx, v, where)
		errs = append(errs, err)
		return filled
	}
	switch v := v.(type) {
	case config.Command:
		return c.run(ctx, v, where)
	case map[string]any:
		out := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out[key] = inner(v[key], where+"."+key)
		}
		return out, errors.Join(errs...)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = inner(v[i], where)
		}
		return out, errors.Join(errs...)
	}
	return v, nil
}

// run returns what a command prints, less one trailing newline. No error has it.
func (c commands) run(ctx context.Context, command config.Command, where string) (string, error) {
	var printed limited
	cmd := exec.CommandContext(ctx, command.Args[0], command.Args[1:]...)
	cmd.Dir, cmd.Stderr, cmd.Stdout = c.dir, c.stderr, &printed
	cmd.WaitDelay = time.Second // for what it leaves behind with its pipes
	err := cmd.Run()
	switch {
	case printed.over:
		return "", fmt.Errorf("%s: %s prints more than %d KiB", where, command.Args[0], maxPrinted>>10)
	case err != nil:
		return "", fmt.Errorf("%s: run %s: %w", where, command.Args[0], err)
	case !utf8.Valid(printed.text):
		return "", fmt.Errorf("%s: %s prints what is not UTF-8 text: have it encode that, in base64 say", where, command.Args[0])
	}
	return strings.TrimSuffix(string(printed.text), "\n"), nil
}

// limited is a buffer that refuses more than maxPrinted.
type limited struct {
	text []byte
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.over = l.over || len(l.text)+len(p) > maxPrinted; l.over {
		return 0, io.ErrShortWrite
	}
	l.text = append(l.text, p...)
	return len(p), nil
}

// fresh returns v with new values for what is to be generated.
func fresh(v any) any {
	switch v := v.(type) {
	case config.Generate:
		return random(v)
	case map[string]any:
		return freshFields(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = fresh(v[i])
		}
		return out
	}
	return v
}

func freshFields(fields map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range fields {
		out[name] = fresh(v)
	}
	return out
}

// random returns a value that nobody knows.
func random(g config.Generate) string {
	if g.Alphabet == "hex" || g.Alphabet == "base64" {
		b := make([]byte, g.Length)
		rand.Read(b)
		if g.Alphabet == "hex" {
			return hex.EncodeToString(b)
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out, b := make([]byte, 0, g.Length), make([]byte, 1)
	for len(out) < g.Length {
		if rand.Read(b); int(b[0]) < 256/len(alnum)*len(alnum) { // so that none is more likely than others
			out = append(out, alnum[int(b[0])%len(alnum)])
		}
	}
	return string(out)
}

// madeUp names what of fields is generated, sorted: a field, or, within one, the JSON pointer to it.
func madeUp(fields map[string]any) (names []string) {
	for name, v := range fields {
		if _, ok := v.(config.Generate); ok {
			names = append(names, name)
			continue
		}
		pointers(v, "/"+name, &names)
	}
	slices.Sort(names)
	return names
}

func pointers(v any, at string, names *[]string) {
	switch v := v.(type) {
	case config.Generate:
		*names = append(*names, at)
	case map[string]any:
		for key, v := range v {
			pointers(v, at+"/"+key, names)
		}
	case []any:
		for i, v := range v {
			pointers(v, fmt.Sprint(at, "/", i), names)
		}
	}
}
