// Package file is the source of file: references: one file, one value, as Docker and Kubernetes mount secrets.
package file

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vwrap/vwrap/envsource"
)

// limit is the largest file that is read: no environment string can be longer (128 KiB on Linux, execve(2)).
const limit = 128 << 10

// Source reads files. Its zero value is ready; relative paths are relative to the working directory.
type Source struct{}

// Locate returns r: a file's path is its place.
func (Source) Locate(_ context.Context, r envsource.Read) (envsource.Read, error) { return r, nil }

// Read answers with the file's content, less one trailing newline, as the field envsource.FileField. Errors wrap
// envsource.ErrMissing where there is no such file and envsource.ErrDenied where it cannot be opened. ctx ends the wait for a pipe.
func (Source) Read(ctx context.Context, r envsource.Read) (envsource.Answer, error) {
	content, err := Content(ctx, r.Path, limit)
	if err != nil {
		return envsource.Answer{}, err
	}
	content = strings.TrimSuffix(content, "\n")
	if !utf8.ValidString(content) {
		return envsource.Answer{}, fmt.Errorf("%s: not UTF-8 text", r.Path)
	}
	value, err := json.Marshal(content)
	if err != nil {
		return envsource.Answer{}, err
	}
	return envsource.Answer{
		Fields: map[string]json.RawMessage{envsource.FileField: value},
		Kind:   envsource.KindStatic,
		Asked:  time.Now(),
	}, nil
}
