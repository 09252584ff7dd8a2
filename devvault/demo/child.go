package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// shown are the variables that the child tells of; it knows nothing of Vault.
var shown = []string{"API_KEY", "LEASED", "TLS_CERT"}

// runChild is the command that vwrap runs. It says which values it got, by their fingerprints, and runs until it is
// told to end. Standard input ends with the demonstration, and then so does the child, however the demonstration ended.
func runChild() {
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM)
	fields := []string{fmt.Sprintf("starts pid=%d", os.Getpid())}
	for _, name := range shown {
		fields = append(fields, name+"="+fingerprint(os.Getenv(name)))
	}
	fmt.Println(strings.Join(fields, " "))

	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, os.Stdin) // an error is an end as well
	}()
	select {
	case <-stopped:
		fmt.Printf("ends   pid=%d, as it was told to\n", os.Getpid())
	case <-gone:
	}
}

// fingerprint tells values apart and does not tell what they are.
func fingerprint(value string) string {
	if value == "" {
		return "(none)"
	}
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:3])
}
