package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/control"
)

// Exit statuses of vwrap status, fit for a HEALTHCHECK.
const (
	statusHealthy   = 0
	statusUnhealthy = 1
	statusNone      = 2
)

// asking is how long a client waits for an answer that needs no work.
const asking = 5 * time.Second

func pidFlag() cli.Flag {
	return &cli.IntFlag{Name: "pid", EnvVars: []string{"VWRAP_PID"}, Usage: "of several vwraps, ask the one with the process ID `N`"}
}

func statusFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "show it anew each second"},
		&cli.DurationFlag{Name: "min-ttl", Usage: "exit with 1 too where anything has less than `DURATION` left"},
		pidFlag(),
	}
}

// status shows what the vwrap that runs here holds.
func (i *invocation) showStatus(c *cli.Context) error {
	i.status = statusNone
	if c.Args().Len() > 0 {
		return fmt.Errorf("vwrap status takes no arguments, and was given %q", c.Args().First())
	}
	if c.Duration("min-ttl") < 0 {
		return fmt.Errorf("--min-ttl %v: want a time that is not negative", c.Duration("min-ttl"))
	}
	for first := true; ; first = false {
		socket, err := control.Choose(os.Getenv, false, c.Int("pid"))
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context, asking)
		status, err := socket.Status(ctx)
		cancel()
		if err != nil {
			return err
		}
		status.Require(c.Duration("min-ttl"))
		if err := show(c.App.Writer, status, c.Bool("json"), c.Bool("watch"), first); err != nil {
			return err
		}
		i.status = statusHealthy
		if !status.Healthy {
			i.status = statusUnhealthy
		}
		if !c.Bool("watch") {
			return nil
		}
		select {
		case <-time.After(time.Second - time.Duration(time.Now().Nanosecond())):
		case <-c.Done():
			return c.Err()
		}
	}
}

// show writes one status; what is watched in a terminal is drawn over what was there before.
func show(w io.Writer, status control.Status, asJSON, watched, first bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		if !watched { // watched, a line each
			e.SetIndent("", "  ")
		}
		return e.Encode(status)
	}
	style := styleOf(os.Getenv)
	text := status.Text(style)
	switch {
	case watched && style.Width > 0 && os.Getenv("TERM") != "dumb":
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
		if first {
			text = "\x1b[2J" + text
		}
	case watched && !first:
		text = "\n" + text
	}
	_, err := io.WriteString(w, text)
	return err
}

// styleOf is how standard output wants to be written to (NO_COLOR: no-color.org).
func styleOf(getenv func(string) string) control.Style {
	var style control.Style
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))
	style.Unicode = strings.Contains(strings.ToUpper(strings.ReplaceAll(locale, "-", "")), "UTF8")
	size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
	if err != nil {
		return style
	}
	style.Width = cmp.Or(int(size.Col), 80)
	style.Color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
	return style
}

// rotate has the vwrap that runs here fetch anew and rotate its command.
func (i *invocation) rotate(c *cli.Context) error {
	names := c.Args().Slice()
	switch {
	case c.Bool("all") && len(names) > 0:
		return errors.New("--all and names of variables exclude each other")
	case !c.Bool("all") && len(names) == 0:
		return errors.New("say what to rotate: names of variables, or --all")
	}
	socket, err := control.Choose(os.Getenv, false, c.Int("pid"))
	if errors.Is(err, control.ErrNone) {
		i.status = statusNone
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	generation, err := socket.Rotate(ctx, names)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not rotated within %v: vwrap status tells more", c.Duration("timeout"))
	}
	if err != nil {
		i.status = statusUnhealthy
		return err
	}
	i.status = 0
	_, err = fmt.Fprintf(c.App.Writer, "generation %d\n", generation)
	return err
}
