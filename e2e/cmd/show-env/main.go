// Command show-env is a program for vwrap to wrap: it writes its process ID and the variables it is asked for to a
// file, so that a test knows what it got, and lives until TERM. With -hold it keeps the lines of its standard input in
// memory instead, for a scan of its memory to find.
//
// It writes values to disk: it is for values that a test made up.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	output := flag.String("out", "", "write to `FILE`, which is replaced as a whole")
	hold := flag.Bool("hold", false, "keep the lines of standard input in memory")
	once := flag.Bool("once", false, "do not wait for TERM")
	flag.Parse()

	var held []string
	if *hold {
		held = lines()
		fmt.Println("holding", len(held))
	} else if err := show(*output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "show-env:", err)
		os.Exit(1)
	}
	if !*once {
		<-ctx.Done()
	}
	runtime.KeepAlive(held)
}

func lines() (read []string) {
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		read = append(read, scanner.Text())
	}
	return read
}

// show writes NAME=VALUE lines; a variable that is not set is a bare NAME.
func show(output string, names []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "pid=%d\n", os.Getpid())
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			fmt.Fprintf(&text, "%s=%s\n", name, value)
		} else {
			fmt.Fprintln(&text, name)
		}
	}
	if output == "" {
		_, err := os.Stdout.WriteString(text.String())
		return err
	}
	partial := fmt.Sprintf("%s.%d", output, os.Getpid())
	if err := os.WriteFile(partial, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write values: %w", err)
	}
	return os.Rename(partial, output)
}
