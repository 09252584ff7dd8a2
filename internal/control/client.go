package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// ErrNone is wrapped where no vwrap runs that could be asked; ErrSeveral where it cannot be told which.
var (
	ErrNone    = errors.New("no vwrap runs here")
	ErrSeveral = errors.New("several run here")
)

// Choose returns the one socket that is found, or that of pid where it is not 0.
func Choose(getenv func(string) string, live bool, pid int) (Socket, error) {
	all := Find(getenv, live)
	var pids []string
	for _, s := range all {
		if s.PID == pid || pid == 0 && len(all) == 1 {
			return s, nil
		}
		pids = append(pids, fmt.Sprint(s.PID))
	}
	switch {
	case len(all) > 1 && pid == 0:
		return Socket{}, fmt.Errorf("%w: say which with --pid: %s", ErrSeveral, strings.Join(pids, ", "))
	case pid != 0 && len(all) > 0:
		return Socket{}, fmt.Errorf("%w with the PID %d (there are: %s)", ErrNone, pid, strings.Join(pids, ", "))
	}
	return Socket{}, ErrNone
}

// Status asks the vwrap that listens at s how it is.
func (s Socket) Status(ctx context.Context) (status Status, err error) {
	err = s.do(ctx, http.MethodGet, "/v1/status", nil, &status)
	return status, err
}

// Rotate has it rotate; it returns the new generation when that is done.
func (s Socket) Rotate(ctx context.Context, variables []string) (generation uint64, err error) {
	var reply rotateReply
	err = s.do(ctx, http.MethodPost, "/v1/rotate", rotateRequest{variables}, &reply)
	return reply.Generation, err
}

// Environ asks a live channel for the current generation's variables.
func (s Socket) Environ(ctx context.Context) (variables map[string]string, err error) {
	err = s.do(ctx, http.MethodGet, "/v1/env", nil, &variables)
	return variables, err
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (s Socket) whose() string {
	if s.PID == 0 {
		return " at " + s.Path
	}
	return fmt.Sprintf(" with the PID %d", s.PID)
}

// turnedAway says why a connection of the user uid was closed without an answer.
func (s Socket) turnedAway(uid int) error {
	info, err := os.Lstat(s.Path)
	if err == nil {
		if owner, ok := ownerOf(info); ok && (uid == owner || uid == 0) {
			return fmt.Errorf("vwrap%s has too many connections, or has just ended: %d may be open at a time", s.whose(), mostConnections)
		}
	}
	return fmt.Errorf("vwrap%s does not answer this user (uid %d), or has just ended: it answers its own, root, and at a live channel those of live_users",
		s.whose(), uid)
}

func (s Socket) do(ctx context.Context, method, path string, body, reply any) error {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.Path)
		},
		DisableKeepAlives: true,
	}
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://vwrap"+path, payload)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil && ctx.Err() == nil && !isDial(err) { // cut off; net/http has several words for that
		return s.turnedAway(os.Geteuid())
	}
	if err != nil {
		return fmt.Errorf("ask vwrap%s: %w", s.whose(), errors.Unwrap(err))
	}
	defer answer.Body.Close()
	d := json.NewDecoder(io.LimitReader(answer.Body, 16<<20))
	if answer.StatusCode != http.StatusOK {
		var f failure
		if d.Decode(&f) != nil || f.Error == "" {
			f.Error = answer.Status
		}
		return errors.New(f.Error)
	}
	return d.Decode(reply)
}
