// A web server whose secrets are rotated while it serves. It reads them from its environment, and knows nothing of Vault.
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "http")) // vwrap holds the socket: rotation.listen
	if err != nil {
		log.Fatalf("listen: %v (start it as README.md says)", err)
	}
	fmt.Printf("server %d: API_KEY is %s, the database's user %s\n", os.Getpid(), fingerprint("API_KEY"), fingerprint("DB_USER"))
	server := http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "served by %d with %s\n", os.Getpid(), fingerprint("API_KEY"))
		}),
	}
	server.SetKeepAlivesEnabled(false)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		listener.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, net.ErrClosed) {
		log.Fatal(err)
	}
}

// fingerprint tells values apart and does not tell what they are.
func fingerprint(name string) string {
	sum := sha256.Sum256([]byte(os.Getenv(name)))
	return fmt.Sprintf("%x", sum[:3])
}
