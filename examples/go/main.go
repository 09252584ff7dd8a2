// The smallest server that survives each rotation action: see ../README.md. It says that it is ready as to systemd
// (rotation.ready.notify).
package main

import (
	"context"
	"encoding/json"
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

// key is the current one. restart, overlap, exit: the environment is right for as long as this process lives. signal,
// none: new values are at the live channel.
func key() (string, error) {
	if os.Getenv("VWRAP_LIVE") == "" {
		return os.Getenv("API_KEY"), nil
	}
	answer, err := vwrap.Get("http://vwrap/v1/env")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var current map[string]string
	err = json.NewDecoder(answer.Body).Decode(&current)
	return current["API_KEY"], err
}

var vwrap = http.Client{Transport: &http.Transport{
	DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", os.Getenv("VWRAP_LIVE"))
	},
}}

// listen takes the socket that vwrap holds (rotation.listen).
func listen() (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") == "" {
		return net.Listen("tcp", "127.0.0.1:3000")
	}
	return net.FileListener(os.NewFile(3, "http"))
}

func main() {
	listener, err := listen()
	if err != nil {
		log.Fatal(err)
	}
	var open sync.WaitGroup // connections
	server := http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			current, err := key()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprintf(w, "go %d %s\n", os.Getpid(), current)
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
	// HUP: there are new values. Each request asks for them anyway; without this line it would kill.
	signal.Ignore(syscall.SIGHUP)
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
