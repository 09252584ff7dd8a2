// A web server that is replaced without a request lost. vwrap holds the socket and hands it on as descriptor 3. It says
// that it is ready as to systemd (rotation.ready.notify).
package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "http"))
	if err != nil {
		log.Fatal(err)
	}
	var open sync.WaitGroup // connections
	server := http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "go %d %s\n", os.Getpid(), os.Getenv("API_KEY"))
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Done()
			}
		},
	}

	// TERM: take no more connections, finish what is under way, end. Not by server.Shutdown, which drops the first request
	// of a connection that was taken a moment before it.
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		listener.Close()
	}()
	if err := tell("READY=1"); err != nil {
		log.Print(err)
	}
	if err := server.Serve(listener); !errors.Is(err, net.ErrClosed) {
		log.Fatal(err)
	}
	server.SetKeepAlivesEnabled(false) // each connection ends with its answer, idle ones now
	open.Wait()
}

// tell is sd_notify(3): what waits for this program hears of it.
func tell(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}
