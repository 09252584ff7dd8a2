package proc

import (
	"context"
	"fmt"
	"io"
	"os"
)

// mostOutput is more than any answer that is asked for by Output.
const mostOutput = 64 << 10

// Output runs a program to its end, or until ctx ends, and returns what it wrote to stdout, up to 64 KiB of it, and how it
// ended.
func (c *Children) Output(ctx context.Context, spec Spec) ([]byte, Status, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, Status{}, fmt.Errorf("make a pipe: %w", err)
	}
	defer r.Close()
	spec.Out = w
	p, err := c.Start(spec)
	w.Close()
	if err != nil {
		return nil, Status{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		p.Kill()
		r.Close() // what it has started may have the other end still
	})
	defer stop()
	out, err := io.ReadAll(io.LimitReader(r, mostOutput))
	r.Close() // who writes more is not waited for
	<-p.Ended()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("read what %s writes: %w", spec.Path, err)
	}
	return out, p.Status(), err
}
