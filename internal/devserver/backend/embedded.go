package backend

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/vwrap/vwrap/internal/devserver"
)

// startEmbedded serves in this very process.
func startEmbedded(o Options) (*Server, error) {
	listener, err := listen(o.Listen)
	if err != nil {
		return nil, err
	}
	core := devserver.New(o.Token)
	server := &http.Server{Handler: core, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until it is closed
	}()
	address := "http://" + listener.Addr().String()
	return &Server{
		Kind: Embedded, What: "the embedded server", Address: address,
		Lacks:  "logins but tokens, policies, PKI, transit, wrapping, and real databases: its users exist nowhere else",
		Unseal: unsealer(address, o.Token, core.UnsealKey),
		close: func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
				_ = server.Close() // somebody holds a request open; nobody waits for that here
			}
			<-served
		},
	}, nil
}
