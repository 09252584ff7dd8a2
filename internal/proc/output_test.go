package proc

import (
	"context"
	"testing"
)

func TestOutput(t *testing.T) {
	c := NewChildren()
	defer c.Close()
	sh := func(script string) Spec { return Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Join: true} }
	out, status, err := c.Output(t.Context(), sh("echo one; echo two; exit 3"))
	if string(out) != "one\ntwo\n" || status.Exit() != 3 || err != nil {
		t.Errorf("%q, %d, %v", out, status.Exit(), err)
	}
	out, _, err = c.Output(t.Context(), sh("yes"))
	if len(out) != mostOutput || err != nil {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, status, err := c.Output(ctx, sh("sleep 1000 & sleep 1000")); status.Exit() != 137 || err == nil {
		t.Errorf("given up: %d, %v", status.Exit(), err)
	}
}
