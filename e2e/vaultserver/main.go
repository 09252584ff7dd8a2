// Command vaultserver is a real Vault, built from the Go modules with only the engines that the end-to-end tests use,
// so that they need no downloaded server.
//
// It depends on Vault 1.21, which is licensed under the Business Source License 1.1 (BUSL-1.1). It is for tests
// alone: it is a module of its own, nothing in vwrap imports it, and it is never shipped. The program that may be
// shipped is devvault, which is built from the last MPL-2.0 engines.
//
// Its command line is the part of `vault server` that the tests need, and so are the lines that it prints and the
// configuration that it reads, so that a real vault or bao can take its place:
//
//	vaultserver server -dev -dev-root-token-id=TOKEN -dev-listen-address=127.0.0.1:8200 -dev-no-store-token
//	vaultserver server -config=FILE
//
// The first is in memory, the second a node of a raft cluster that keeps its data.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
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

// options are what the command line says.
type options struct {
	config   string // the file of a node that keeps its data; "" is development mode
	address  string
	token    string
	logLevel string
	tls      bool
	tlsDir   string // for the certificates
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vaultserver:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string) error {
	opts, err := parse(args)
	if err != nil {
		return err
	}
	if opts.config != "" {
		return runNode(ctx, opts)
	}
	return runDev(ctx, opts)
}

func runDev(ctx context.Context, opts options) error {
	listener, err := listenLoopback(opts.address)
	if err != nil {
		return err
	}
	defer listener.Close()
	if opts.tls {
		if listener, err = withTLS(listener, opts.tlsDir); err != nil {
			return err
		}
	}

	core, unsealKey, err := startCore(opts)
	if err != nil {
		return err
	}
	// Scripts that seal the server read the key here, as people do from `vault server -dev`.
	fmt.Printf("Unseal Key: %s\nRoot Token: %s\n", unsealKey, opts.token)
	return errors.Join(serve(ctx, listener, core), core.Shutdown())
}

// parse reads `server -dev …` and `server -config=FILE`; flags of a real server that make no difference here are
// accepted and ignored.
func parse(args []string) (options, error) {
	var opts options
	if len(args) == 0 || args[0] != "server" {
		return opts, errors.New("usage: vaultserver server -dev [flags] | server -config=FILE [-log-level=LEVEL]")
	}
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	dev := flags.Bool("dev", false, "run in memory, initialised and unsealed")
	flags.StringVar(&opts.config, "config", "", "run as the JSON `file` says, and keep the data")
	flags.StringVar(&opts.address, "dev-listen-address", "127.0.0.1:8200", "loopback `host:port` to listen at")
	flags.StringVar(&opts.token, "dev-root-token-id", "", "the root token's `id`")
	flags.StringVar(&opts.logLevel, "log-level", "error", "trace, debug, info, warn or error")
	flags.BoolVar(&opts.tls, "dev-tls", false, "serve TLS, with a certificate made for it")
	flags.StringVar(&opts.tlsDir, "dev-tls-cert-dir", ".", "the `folder` for vault-ca.pem")
	flags.Bool("dev-no-store-token", false, "ignored: the token is never stored")
	if err := flags.Parse(args[1:]); err != nil {
		return opts, err
	}
	switch {
	case *dev == (opts.config != ""):
		return opts, errors.New("one of -dev and -config is needed")
	case *dev && opts.token == "":
		return opts, errors.New("-dev-root-token-id is missing")
	}
	return opts, nil
}

// listenLoopback refuses every address that another machine could reach: this server has a root token that was
// chosen on a command line.
func listenLoopback(address string) (net.Listener, error) {
	if err := loopbackAddress(address); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return net.Listen("tcp", address)
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
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close() // somebody holds a request open; a test server does not wait for it
	}
	<-failed
	return nil
}
