// Command demo shows vwrap's main job before one's eyes, in half a minute: a command gets credentials, one of them
// is renewed, one is replaced and the command started again, a key changes, and at the end nothing is left.
//
//	demo -vwrap PROGRAM -devvault PROGRAM
//
// It starts a development Vault of its own, and ends with an error where something that it tells of does not happen:
// it is a check as well. It is no test of vwrap's corners, and needs nothing but the two programs.
//
// The command that vwrap runs here is this program too (demo child).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "child" {
		runChild()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted; everything is cleaned up")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo: failed:", err)
		os.Exit(1)
	}
}

// run leaves no process and no file behind, whatever it returns.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	vwrap := flags.String("vwrap", "bin/vwrap", "the vwrap `program` to show")
	devvault := flags.String("devvault", "bin/devvault", "the development Vault `program`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not a flag", flags.Arg(0))
	}
	dir, err := os.MkdirTemp("", "vwrap-demo-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)

	s := newStage()
	defer s.clear()
	s.tell("devvault starts: a real Vault, in memory, on loopback.")
	server, err := startServer(ctx, s, *devvault)
	if err != nil {
		return err
	}
	token, err := server.seed()
	if err != nil {
		return err
	}
	if err := wrapChild(s, *vwrap, dir, server.address, token); err != nil {
		return err
	}
	return story{stage: s, server: server, token: token}.play(ctx)
}

// wrapping is the vwrap.yaml of the demonstration. Its times are far shorter than anybody's who is not watching.
const wrapping = `version: 1
env:
  API_KEY: vault:secret/dev/api#key
  LEASED: vault:leased/demo#value
secrets:
  - path: pki/issue/web
    method: write
    data: {common_name: web.demo.local}
    env: {TLS_CERT: certificate, TLS_KEY: private_key}
rotation: {settle: 500ms, stop_grace: 2s, poll: 2s}
`

// wrapChild starts vwrap, and this program as its command, in dir.
func wrapChild(s *stage, vwrap, dir, address, token string) error {
	vwrap, err := filepath.Abs(vwrap)
	if err != nil {
		return fmt.Errorf("find vwrap: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find demo: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vwrap.yaml"), []byte(wrapping), 0o600); err != nil {
		return fmt.Errorf("write vwrap.yaml: %w", err)
	}
	s.tell("This is vwrap.yaml. It names secrets and holds none:")
	s.quote(wrapping)
	s.tell("$ VAULT_TOKEN=... vwrap --log-level debug -- demo child")
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + address, "VAULT_TOKEN=" + token}
	wrapped, err := s.start(command{
		name: "vwrap", program: vwrap, args: []string{"--log-level", "debug", "--", self, "child"},
		dir: dir, environ: environ, grace: 6 * time.Second,
	})
	s.wrapped = wrapped
	return err
}
