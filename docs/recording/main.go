// Command recording plays session.txt with a real vwrap, whose development Vault and whose program are real too, and draws
// what two terminals showed: go run ./recording VWRAP PICTURE.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

//go:embed session.txt
var session string

//go:embed vwrap.yaml
var config string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: go run ./recording VWRAP PICTURE")
	}
	vwrap, err := filepath.Abs(args[0])
	if err != nil {
		return fmt.Errorf("find vwrap: %w", err)
	}
	steps, err := parse(session)
	if err != nil {
		return fmt.Errorf("read session.txt: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	seen, err := play(ctx, vwrap, steps)
	if err != nil {
		return err
	}
	if seen, err = settle(seen); err != nil {
		return err
	}
	if err := os.WriteFile(args[1], []byte(draw(seen)), 0o644); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}
