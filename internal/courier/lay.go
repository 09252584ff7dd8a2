package courier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
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
		for name, value := range live {
			if !utf8.ValidString(value) {
				return s, fmt.Errorf("%s: the value is not UTF-8, which the live channel's JSON has to be", name)
			}
		}
		s.JSON.Offset = int64(b.Len())
		if err := encoder.Encode(live); err != nil {
			return s, errors.New("the memory file cannot be written")
		}
		s.JSON.Length = int64(b.Len()) - s.JSON.Offset
		s.Dotenv.Offset = int64(b.Len())
		for _, name := range slices.Sorted(maps.Keys(live)) {
			fmt.Fprintf(&b, "%s=%s\n", name, dotenv(live[name]))
		}
		s.Dotenv.Length = int64(b.Len()) - s.Dotenv.Offset
	}
	if fill(f, b.Bytes()) != nil {
		return s, errors.New("the memory file cannot be written")
	}
	return s, nil
}

// dotenv quotes a value for the readers of dotenv files: between single quotes nothing has a meaning to any of them. What has
// a single quote in it stands between double ones, with backslashes, as most of them read it.
func dotenv(value string) string {
	if !strings.Contains(value, "'") {
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`, "\r", `\r`).Replace(value) + `"`
}

// set is environ with name set to value.
func set(environ []string, name, value string) []string {
	environ = slices.DeleteFunc(environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	return append(environ, name+"="+value)
}
