package courier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/internal/export"
	"github.com/vwrap/vwrap/internal/mask"
	"github.com/vwrap/vwrap/internal/wire"
)

// LiveVariable names the live channel's socket to the command.
const LiveVariable = "VWRAP_LIVE"

// lay fills the memory file and seals it, so that neither we nor anybody can change it after: what the next generation
// starts from, and, where they are not nil, the variables in the two forms of the live channel, and the secrets, by value, for who
// masks them.
func lay(f *os.File, c any, live, secrets map[string]string) (s Sections, err error) {
	var b bytes.Buffer
	if err := wire.Write(&b, c); err != nil {
		return s, errors.New("the memory file cannot be written")
	}
	if live != nil {
		text, err := export.JSON(live)
		if err != nil {
			return s, fmt.Errorf("the live channel: %w", err)
		}
		s.JSON = section(&b, text)
		s.Dotenv = section(&b, export.DotenvAnyway(live))
	}
	if secrets != nil {
		var values []mask.Value
		for value, name := range secrets {
			values = append(values, mask.Value{Name: name, Value: value})
		}
		text, err := json.Marshal(values)
		if err != nil {
			return s, errors.New("the memory file cannot be written")
		}
		s.Secrets = section(&b, string(text))
	}
	if fill(f, b.Bytes()) != nil {
		return s, errors.New("the memory file cannot be written")
	}
	return s, nil
}

// section appends text to b, and returns where.
func section(b *bytes.Buffer, text string) Section {
	s := Section{Offset: int64(b.Len()), Length: int64(len(text))}
	b.WriteString(text)
	return s
}

// set is environ with name set to value.
func set(environ []string, name, value string) []string {
	environ = slices.DeleteFunc(environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	return append(environ, name+"="+value)
}
