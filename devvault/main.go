// Command devvault is a development Vault: a real Vault core in memory, with the engines that vwrap's demonstration
// and tests use. What is written to it is gone when it ends.
//
// It answers on loopback alone and says so by refusing every other address. It is built from Vault 1.13.2, the
// newest release under the Mozilla Public License 2.0 that builds as a library; see README.md.
//
// Beside the usual engines it can mount `kv-leased`: static data that is answered with a real lease, renewable and
// revocable, so that leases can be shown without a database.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "devvault:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or, with -until-eof, until whoever started it has gone.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("devvault", flag.ContinueOnError)
	address := flags.String("listen", "127.0.0.1:8200", "loopback `host:port` to listen at; port 0 takes a free one")
	logLevel := flags.String("log-level", "error", "trace, debug, info, warn or error")
	untilEOF := flags.Bool("until-eof", false, "end when standard input ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not a flag", flags.Arg(0))
	}
	if *untilEOF {
		ctx = endWith(ctx, os.Stdin)
	}
	token, err := rootToken()
	if err != nil {
		return err
	}
	listener, err := listenLoopback(*address)
	if err != nil {
		return err
	}
	defer listener.Close()

	core, key, err := startCore("http://"+listener.Addr().String(), token, *logLevel)
	if err != nil {
		return err
	}
	fmt.Printf("ready VAULT_ADDR=http://%s VAULT_TOKEN=%s UNSEAL_KEY=%s\n", listener.Addr(), token, key)
	serveErr := serve(ctx, listener, core)
	if err := core.Shutdown(); err != nil && serveErr == nil {
		return fmt.Errorf("stop core: %w", err)
	}
	return serveErr
}

// endWith is ctx, but ended when r ends. A pipe from the starter ends however the starter dies, even by KILL.
func endWith(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		io.Copy(io.Discard, r) // an error ends it as well as an end does
	}()
	return ctx
}

// rootToken is DEVVAULT_TOKEN or a random one. It is no flag: an argv is for everybody to read.
func rootToken() (string, error) {
	if token := os.Getenv("DEVVAULT_TOKEN"); token != "" {
		return token, nil
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	return "dev-" + hex.EncodeToString(random[:]), nil
}

// listenLoopback refuses every address that another machine could reach.
func listenLoopback(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read -listen: %w", err)
	}
	if host == "localhost" {
		host = "127.0.0.1" // what the resolver says of the name is not to be relied on
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen at %s: not a loopback IP address", address)
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// serve answers requests until ctx ends, and then gives those under way a moment.
func serve(ctx context.Context, listener net.Listener, core *vault.Core) error {
	server := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{Type: "tcp", Address: listener.Addr().String()},
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close() // somebody holds a request open; a development server does not wait for it
	}
	<-failed
	return nil
}
