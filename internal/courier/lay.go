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
)

// LiveVariable names the live channel's socket to the command.
const LiveVariable = "VWRAP_LIVE"

// lay fills the memory file and seals it, so that neither we nor anybody can change it after: what the next generation
// starts from, and, where live is not nil, these variables in the two forms of the live channel.
func lay(f *os.File, c any, live map[string]string) (s Sections, err error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
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
