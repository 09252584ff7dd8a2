// Package export writes an environment in the text formats that other programs read. What a format writes is read
// back byte for byte, and runs nothing; what it cannot carry is an error that names the variable, and never its value.
package export

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vwrap/vwrap/internal/pattern"
)

var (
	errNUL = errors.New("the value has a NUL byte in it, which no environment can hold")

	identifier = pattern.Of(`\A[A-Za-z_][A-Za-z0-9_]*\z`)
	dotted     = pattern.Of(`\A[A-Za-z_][A-Za-z0-9_.-]*\z`) // beyond shells
)

// Docker writes the file of docker run --env-file: a line is NAME=VALUE, and nothing quotes.
func Docker(variables map[string]string) (string, error) {
	const longest = 64<<10 - 2 // of a line, which Docker reads with its end into 64 KiB
	return lines(variables, func(name, value string) (string, error) {
		line := name + "=" + value
		switch {
		case !dotted().MatchString(name):
			return "", badName("letters, digits, _, . and -")
		case !utf8.ValidString(value):
			return "", notText("Docker's --env-file")
		case strings.ContainsAny(value, "\r\n"):
			return "", errors.New("the value has a line break in it, which Docker's --env-file cannot carry: take another format, or ${vault:PATH#FIELD | base64}")
		case len(line) > longest:
			return "", errors.New("the value is too long for Docker's --env-file, whose lines end at 64 KiB")
		}
		return line + "\n", nil
	})
}

// lines joins what line makes of each variable, sorted by name. All that is wrong is returned together.
func lines(variables map[string]string, line func(name, value string) (string, error)) (string, error) {
	var b strings.Builder
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		text, err := line(name, variables[name])
		if strings.IndexByte(variables[name], 0) >= 0 {
			err = errNUL
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", shown(name), err))
		}
		b.WriteString(text)
	}
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return b.String(), nil
}

// shown is a name as an error has it.
func shown(name string) string {
	if dotted().MatchString(name) {
		return name
	}
	return fmt.Sprintf("%q", name)
}

func notText(format string) error {
	return fmt.Errorf("the value is not UTF-8 text, which %s has to be", format)
}

func badName(want string) error {
	return fmt.Errorf("a name of this format is made of %s, and begins with no digit", want)
}
