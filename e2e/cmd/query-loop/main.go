// Command query-loop is a program for vwrap to wrap: it asks PostgreSQL who it is once a second, each time over a new
// connection, and counts what fails. A credential that dies under it shows as a failed query.
//
// It reads DATABASE_URL and API_KEY from its environment and prints neither. TERM lets the query that is under way
// finish, and ends it with status 0.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func main() {
	// Before anything else: a TERM that comes early must not kill it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tally := flag.String("tally", "", "append the totals of this run to `FILE` at the end")
	every := flag.Duration("every", time.Second, "time between queries")
	flag.Parse()
	if err := run(ctx, *tally, *every); err != nil {
		fmt.Fprintln(os.Stderr, "query-loop:", err)
		os.Exit(1)
	}
}

// counts are the totals of one run; user is the last one that PostgreSQL named.
type counts struct {
	ok, failed int
	user       string
}

func run(ctx context.Context, tally string, every time.Duration) error {
	url, key := os.Getenv("DATABASE_URL"), fingerprint(os.Getenv("API_KEY"))
	if url == "" {
		return errors.New("DATABASE_URL is not set")
	}
	fmt.Printf("start pid=%d key=%s\n", os.Getpid(), key)
	var c counts
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		c.query(url, key)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return c.append(tally)
}

// query is not ended by TERM, only by a limit of its own.
func (c *counts) query(url, key string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	user, err := whoAmI(ctx, url)
	if err != nil {
		c.failed++
		fmt.Printf("failed %s key=%s\n", reason(err), key)
		return
	}
	c.ok++
	c.user = user
	fmt.Printf("ok user=%s key=%s\n", user, key)
}

func whoAmI(ctx context.Context, url string) (user string, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT current_user::text").Scan(&user)
	return user, err
}

// reason says what failed without the error's text, which may quote the URL.
func reason(err error) string {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return "sqlstate=" + answer.Code
	}
	if failure, ok := errors.AsType[*net.OpError](err); ok {
		return "network=" + failure.Op
	}
	return fmt.Sprintf("type=%T", err)
}

// fingerprint tells two keys apart and gives neither away.
func fingerprint(key string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(key)))[:4]
}

// append adds one line, in one write: the run before may be writing its own.
func (c *counts) append(name string) error {
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("open tally: %w", err)
	}
	if _, err := fmt.Fprintf(file, "ok=%d failed=%d user=%s\n", c.ok, c.failed, c.user); err != nil {
		file.Close()
		return fmt.Errorf("write tally: %w", err)
	}
	return file.Close()
}
