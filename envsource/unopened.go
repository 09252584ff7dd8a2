package envsource

import (
	"context"
	"fmt"
)

// unopened is a source that nobody opened: what names it was not written by this run.
type unopened string

// Locate implements Source.
func (u unopened) Locate(_ context.Context, r Read) (Read, error) { return r, u.err() }

// Read implements Source.
func (u unopened) Read(context.Context, Read) (Answer, error) { return Answer{}, u.err() }

func (u unopened) err() error { return fmt.Errorf("there is no source %q", string(u)) }

// source is the one that a read names.
func (f Fetch) source(name string) Source {
	if s := f.Sources[name]; s != nil {
		return s
	}
	return unopened(name)
}
