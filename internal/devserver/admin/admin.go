// Package admin speaks to a development Vault as its root: what seeds it and what drills it write, list and revoke by
// this. It is for servers that vwrap itself has started, on this machine; secrets of a real server are read by
// envsource/vault, in a courier.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client asks the server at Address with Token.
type Client struct {
	Address string // http://HOST:PORT
	Token   string
	http    *http.Client
}

// New returns a client. It opens no connection.
func New(address, token string) *Client {
	transport := &http.Transport{Protocols: new(http.Protocols), MaxIdleConnsPerHost: 4} // and no proxy: the server is here
	transport.Protocols.SetHTTP1(true)
	return &Client{strings.TrimRight(address, "/"), token, &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// Close gives up the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an answer of 400 and above.
type Error struct {
	Status int
	Said   string // what the server said, without anything that it was sent
}

// Error implements error.
func (e *Error) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("Vault answers %d", e.Status)
	}
	return fmt.Sprintf("Vault answers %d: %s", e.Status, e.Said)
}

// IsStatus reports whether err is an answer with this status.
func IsStatus(err error, status int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == status
}

// Secret is what the server answers.
type Secret struct {
	Data    map[string]any `json:"data"`
	LeaseID string         `json:"lease_id"`
	Auth    *struct {
		Token string `json:"client_token"`
	} `json:"auth"`
}

// Read reads path, below /v1/.
func (c *Client) Read(ctx context.Context, path string) (Secret, error) {
	return c.do(ctx, http.MethodGet, path, nil)
}

// List returns the keys below path; none where there is nothing.
func (c *Client) List(ctx context.Context, path string) (keys []string, err error) {
	secret, err := c.do(ctx, "LIST", strings.TrimRight(path, "/")+"/", nil)
	if IsStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	all, _ := secret.Data["keys"].([]any)
	for _, key := range all {
		if name, ok := key.(string); ok {
			keys = append(keys, name)
		}
	}
	return keys, err
}

// Write writes body to path; nil is an empty request.
func (c *Client) Write(ctx context.Context, path string, body map[string]any) (Secret, error) {
	return c.do(ctx, http.MethodPut, path, body)
}

// Delete deletes what is at path.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.do(ctx, http.MethodDelete, path, nil)
	return err
}

// do asks, and takes what was sent out of what the server says is wrong.
func (c *Client) do(ctx context.Context, method, path string, body map[string]any) (Secret, error) {
	var secret Secret
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return secret, fmt.Errorf("%s: what is to be written cannot be sent", path)
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.Address+"/v1/"+strings.TrimLeft(path, "/"), payload)
	if err != nil {
		return secret, fmt.Errorf("%s is no path that can be asked for", path)
	}
	request.Header.Set("X-Vault-Token", c.Token)
	request.Header.Set("X-Vault-Request", "true")
	answer, err := c.http.Do(request)
	if err != nil {
		return secret, fmt.Errorf("%s: %w", path, errors.Unwrap(err)) // without the URL
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return secret, fmt.Errorf("%s: read the answer: %w", path, err)
	}
	if answer.StatusCode >= 400 {
		var failure struct{ Errors []string }
		_ = json.Unmarshal(text, &failure) // without errors it says less
		return secret, fmt.Errorf("%s: %w", path, &Error{answer.StatusCode, without(strings.Join(failure.Errors, "; "), body)})
	}
	if len(text) > 0 && json.Unmarshal(text, &secret) != nil {
		return secret, fmt.Errorf("%s: the answer is no JSON", path)
	}
	return secret, nil
}

// without takes the texts in data out of said: some of Vault's messages quote what they complain of.
func without(said string, data any) string {
	switch data := data.(type) {
	case map[string]any:
		for _, v := range data {
			said = without(said, v)
		}
	case []any:
		for _, v := range data {
			said = without(said, v)
		}
	case string:
		if len(data) > 2 {
			said = strings.ReplaceAll(said, data, "[redacted]")
		}
	}
	return said
}
