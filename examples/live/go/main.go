// A program that uses a new value without a restart. Run it by:
//
//	vwrap --on-rotate signal -e 'API_KEY=vault:secret/dev/api#key' -- go run ./examples/live/go/main.go
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

var vwrap = http.Client{Transport: &http.Transport{
	DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", os.Getenv("VWRAP_LIVE"))
	},
}}

func current() (config map[string]string, err error) {
	answer, err := vwrap.Get("http://vwrap/v1/env")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	err = json.NewDecoder(answer.Body).Decode(&config)
	return config, err
}

// use stands for what a program does with a key: it shows that it has one, and which process it is.
func use(key string) { fmt.Printf("go %d uses %s\n", os.Getpid(), key) }

func main() {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGHUP)
	use(os.Getenv("API_KEY"))
	for range changed {
		config, err := current()
		if err != nil {
			log.Fatal(err)
		}
		use(config["API_KEY"])
	}
}
