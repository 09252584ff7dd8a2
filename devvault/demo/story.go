package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// story is what is shown, an act after the other. An act returns an error where something did not happen.
type story struct {
	*stage
	*server
	token string // the one that vwrap has
}

// breath is between two acts, to read.
const breath = time.Second

func (y story) play(ctx context.Context) error {
	acts := []func(context.Context) error{y.begin, y.renew, y.replace, y.change, y.leaveAlone, y.goOn, y.finish}
	for i, act := range acts {
		if err := act(ctx); err != nil {
			return err
		}
		if i == len(acts)-1 {
			break // vwrap has ended
		}
		if err := y.pause(ctx, breath); err != nil {
			return err
		}
	}
	return nil
}

// begin: the command starts with everything that vwrap.yaml names.
func (y story) begin(ctx context.Context) error {
	err := y.await(ctx, 20*time.Second, "the command to start", func() bool { return len(y.starts) == 1 })
	if err != nil {
		return err
	}
	for _, name := range shown {
		if y.now()[name] == fingerprint("") {
			return fmt.Errorf("start: the command did not get %s", name)
		}
	}
	y.proved("it runs and has its values; it prints their fingerprints.")
	return nil
}

// renew: the lease of leased/demo is renewed, and the command is not touched.
func (y story) renew(ctx context.Context) error {
	y.title("LEASED has a lease of 6 s that can be renewed. Wait for it ...")
	n := len(y.said)
	err := y.await(ctx, 15*time.Second, "the lease of leased/demo to be renewed", func() bool {
		return y.saidSince(n, "renewed", "leased/demo") > 0
	})
	if err != nil {
		return err
	}
	if len(y.starts) != 1 {
		return errors.New("renew: the command was started again, for a mere renewal")
	}
	y.proved("renewed, with the command undisturbed: pid %s runs on.", y.now()["pid"])
	return nil
}

// replace: the certificate's lease cannot be renewed. A new one is there before the old one ends.
func (y story) replace(ctx context.Context) error {
	n := len(y.said)
	y.title("TLS_CERT has one of 12 s that cannot: it has to be replaced ...")
	if err := y.awaitRestart(ctx, 20*time.Second, "TLS_CERT"); err != nil {
		return err
	}
	err := y.await(ctx, 10*time.Second, "the old certificate to be revoked", func() bool {
		return y.saidSince(n, "revoked", "pki/issue/web") > 0
	})
	if err != nil {
		return err
	}
	left, err := y.leases("pki/issue/web")
	if err != nil {
		return err
	}
	if left != 1 {
		return fmt.Errorf("replace: there are %d leases of certificates, want the new one alone", left)
	}
	y.proved("a new certificate in a new process, the old one revoked; API_KEY and LEASED were carried over, not fetched again.")
	return nil
}

// awaitRestart waits for a start of the command with a new value of the named variable. Of the others, none may have
// changed meanwhile but the certificate, whose time may come whenever it comes.
func (y story) awaitRestart(ctx context.Context, limit time.Duration, changed string) error {
	before, n := y.now(), len(y.starts)
	err := y.await(ctx, limit, "the command to be restarted with a new "+changed, func() bool {
		return y.now()[changed] != before[changed]
	})
	if err != nil {
		return err
	}
	for _, name := range shown {
		if name != changed && name != "TLS_CERT" && y.now()[name] != before[name] {
			return fmt.Errorf("restart: %s has a new value, and only %s should", name, changed)
		}
	}
	return y.noIdleStart(n)
}

// noIdleStart returns an error where the command was, since its n-th start, started again with the values it had.
func (y story) noIdleStart(n int) error {
	for i := n; i < len(y.starts); i++ {
		same := 0
		for _, name := range shown {
			if y.starts[i][name] == y.starts[i-1][name] {
				same++
			}
		}
		if same == len(shown) {
			return errors.New("restart: the command was restarted, though no value has changed")
		}
	}
	return nil
}

// change: somebody writes a new key.
func (y story) change(ctx context.Context) error {
	key := randomHex()
	y.title("Somebody writes a new API key. vwrap looks every 2 s ...")
	y.tell("(its fingerprint is %s)", fingerprint(key))
	written := time.Now()
	if err := y.setKey(key); err != nil {
		return err
	}
	if err := y.awaitRestart(ctx, 10*time.Second, "API_KEY"); err != nil {
		return err
	}
	took := time.Since(written)
	if got := y.now()["API_KEY"]; got != fingerprint(key) {
		return fmt.Errorf("change: the command has the key %s, want %s", got, fingerprint(key))
	}
	y.proved("restarted with the new key, %.1f s after it was written.", took.Seconds())
	y.title("The same key is written again: a new version, no new value ...")
	return y.setKey(key)
}

// leaveAlone: a version with the same value is looked at, and is no reason for anything.
func (y story) leaveAlone(ctx context.Context) error {
	n := len(y.starts)
	err := y.await(ctx, 10*time.Second, "vwrap to see the third version", func() bool {
		return y.saidSince(0, "secret/dev/api", "version 3") > 0
	})
	if err != nil {
		return err
	}
	if err := y.pause(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	if err := y.noIdleStart(n); err != nil {
		return err
	}
	y.proved("seen, compared, and pid %s runs on.", y.now()["pid"])
	return nil
}

// goOn: all this goes on for as long as the command runs.
func (y story) goOn(ctx context.Context) error {
	y.title("And so it goes on, certificate after certificate ...")
	return y.awaitRestart(ctx, 20*time.Second, "TLS_CERT")
}

// finish: vwrap is told to end, and nothing is left of what it held.
func (y story) finish(context.Context) error {
	y.title("vwrap gets a TERM. It ends the command, then all its leases ...")
	y.end(y.wrapped, syscall.SIGTERM)
	if !y.wrapped.cmd.ProcessState.Success() {
		return fmt.Errorf("end: vwrap ended with %v, want the command's own 0", y.wrapped.cmd.ProcessState)
	}
	for _, path := range []string{"leased/demo", "pki/issue/web"} {
		left, err := y.leases(path)
		if err != nil {
			return err
		}
		if left != 0 {
			return fmt.Errorf("end: %d leases of %s are left", left, path)
		}
	}
	alive, err := y.alive(y.token)
	if err != nil {
		return err
	}
	if !alive {
		return errors.New("end: the token is gone, and it was its user's")
	}
	y.proved("it ended with the command's own status, 0, and Vault knows no lease of it any more. The token is its user's and lives.")
	y.tell("%d starts, %d renewals, %d leases revoked. That is all.",
		len(y.starts), y.saidSince(0, "renewed", "leased/demo"), y.saidSince(0, "revoked the lease"))
	return nil
}
