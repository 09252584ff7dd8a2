// Package dotenv is the source of dotenv: references and of the fallback files: KEY=value lines.
package dotenv

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/joho/godotenv"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/file"
)

// limit is the largest dotenv file that is read.
const limit = 1 << 20

// searched is how many lines are looked through for the one that does not parse: each look parses all before it.
const searched = 500

// Source reads dotenv files. Its zero value is ready; relative paths are relative to the working directory.
type Source struct{}

// Locate returns r: a file's path is its place.
func (Source) Locate(_ context.Context, r envsource.Read) (envsource.Read, error) { return r, nil }

// Read answers with every key of the file as a field. Errors wrap envsource.ErrMissing where there is no such
// file; none quotes a line of it.
func (Source) Read(ctx context.Context, r envsource.Read) (envsource.Answer, error) {
	content, err := file.Content(ctx, r.Path, limit)
	if err != nil {
		return envsource.Answer{}, err
	}
	pairs, err := Parse(content)
	if err != nil {
		return envsource.Answer{}, fmt.Errorf("%s: %w", r.Path, err)
	}
	fields := map[string]json.RawMessage{}
	for key, value := range pairs {
		if fields[key], err = json.Marshal(value); err != nil {
			return envsource.Answer{}, fmt.Errorf("%s: encode %s: %w", r.Path, key, err)
		}
	}
	return envsource.Answer{Fields: fields, Kind: envsource.KindStatic, Asked: time.Now()}, nil
}

// Parse reads the lines of a dotenv file. Its error tells the first line up to which the text does not parse,
// and not what stands there: godotenv's own error quotes it, and that may be a value.
func Parse(content string) (map[string]string, error) {
	if !utf8.ValidString(content) {
		return nil, fmt.Errorf("not UTF-8 text")
	}
	content = strings.TrimPrefix(content, "\ufeff") // the byte order mark of Windows editors
	pairs, err := godotenv.Unmarshal(content)
	if err == nil {
		return pairs, nil
	}
	lines := strings.SplitAfter(content, "\n")
	for n := range min(len(lines), searched) {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:n+1], "")); err != nil {
			return nil, fmt.Errorf("line %d is not KEY=value", n+1)
		}
	}
	return nil, fmt.Errorf("not KEY=value lines")
}
