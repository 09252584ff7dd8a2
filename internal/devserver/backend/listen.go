package backend

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// FirstPort is Vault's own, where a development server listens if it can.
const FirstPort = 8200

// Where is the address to listen at: as it was given, else on loopback, at a free port or, with first, at FirstPort or
// the next that is free. Others than loopback addresses need exposed.
func Where(given string, first, exposed bool) (string, error) {
	if given == "" && !first {
		return "127.0.0.1:0", nil
	}
	if given == "" {
		return nextFree()
	}
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return "", fmt.Errorf("--listen %s: want HOST:PORT, such as 127.0.0.1:8200", given)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("--listen %s: the port is no number from 0 to 65535", given)
	}
	if host == "localhost" {
		host = "127.0.0.1" // what a resolver makes of the name is not to be relied on
	}
	if ip := net.ParseIP(host); !exposed && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("--listen %s: a development Vault is open to all who reach it: take 127.0.0.1, or add --i-know-this-is-exposed", given)
	}
	return net.JoinHostPort(host, port), nil
}

func nextFree() (string, error) {
	for port := FirstPort; port < FirstPort+100; port += 2 { // a Vault in development mode keeps the one above for itself
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return "", fmt.Errorf("listen at %s: %w", address, errors.Unwrap(err))
		}
	}
	return "", fmt.Errorf("no port from %d to %d is free: say which with --listen", FirstPort, FirstPort+99)
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen at %s: something else does: take another --listen", address)
	}
	return l, err
}

// concrete replaces port 0 by one that is free now, for servers that have to be told.
func concrete(address string) (string, error) {
	l, err := listen(address)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
