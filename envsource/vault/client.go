// Package vault is Vault (and OpenBao, which speaks the same) as a source of secrets: it logs in, reads, and keeps
// leases and tokens alive. It is the only importer of Vault's API client.
//
// Two processes use it. The courier reads values with Source. The supervisor, which must never hold a value, uses
// Login and Keeper alone: their requests are answered with leases, versions and tokens.
package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// ErrToken is wrapped where the server does not know the token: it is mistyped, revoked or past its end.
var ErrToken = errors.New("token is not valid")

// ErrGone is wrapped where a lease that was to be renewed does not exist any more.
var ErrGone = errors.New("lease is gone")

// requestTimeout bounds one request, connecting and reading included.
const requestTimeout = 30 * time.Second

// Config says where the server is and how to speak to it. It holds no credential, but for the one a proxy's
// address may have in it.
type Config struct {
	Address    string // http://, https:// or unix://
	Namespace  string
	CACert     string // a file
	CAPath     string // a folder
	ClientCert string // a file
	ClientKey  string // a file
	ServerName string
	SkipVerify bool
	Proxy      string // of the environment, for Address; "" is a direct connection
}

// DefaultAddress is where Vault's own client looks when nothing is set.
const DefaultAddress = "https://127.0.0.1:8200"

// WithEnviron returns c with what VAULT_* (and OpenBao's BAO_*, which win) say of TLS and proxy. Fields
// that are set already stay.
func (c Config) WithEnviron(getenv func(string) string) (Config, error) {
	fill := func(field *string, name string) {
		if *field == "" {
			*field = Environ(getenv, name)
		}
	}
	fill(&c.CACert, "CACERT")
	fill(&c.CAPath, "CAPATH")
	fill(&c.ClientCert, "CLIENT_CERT")
	fill(&c.ClientKey, "CLIENT_KEY")
	fill(&c.ServerName, "TLS_SERVER_NAME")
	if text := Environ(getenv, "SKIP_VERIFY"); text != "" {
		skip, err := strconv.ParseBool(text)
		if err != nil {
			return c, errors.New("VAULT_SKIP_VERIFY is neither true nor false")
		}
		c.SkipVerify = skip
	}
	if u, err := url.Parse(c.Address); err == nil {
		if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
			c.Proxy = proxy.String()
		}
	}
	return c, nil
}

// Environ returns the environment's BAO_name or, where that is empty, VAULT_name.
func Environ(getenv func(string) string, name string) string {
	if v := getenv("BAO_" + name); v != "" {
		return v
	}
	return getenv("VAULT_" + name)
}

// Client speaks to one server with one token at a time.
type Client struct {
	api         *api.Client
	address     string
	certificate bool // it has one of its own
	proxied     bool // it speaks to a proxy

	plain, secure *connections
}

// NewClient returns a client without a token. It opens no connection.
func NewClient(c Config) (*Client, error) {
	transport := &http.Transport{
		MaxResponseHeaderBytes: mostHeader,
		MaxIdleConnsPerHost:    mostAhead,
		IdleConnTimeout:        90 * time.Second,
		Protocols:              new(http.Protocols),
	}
	plain, secure := connect(transport)
	// HTTP/1 alone: GODEBUG=http2debug=2 would print the token's header.
	transport.Protocols.SetHTTP1(true)
	if c.Proxy != "" {
		proxy, err := url.Parse(c.Proxy)
		if err != nil {
			return nil, errors.New("the proxy's address is not a URL")
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	conf := &api.Config{
		Address: c.Address,
		// The API client follows Vault's redirects itself, with the token: to a server nobody approved.
		DisableRedirects: true,
		HttpClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		CheckRetry: func(context.Context, *http.Response, error) (bool, error) { return false, nil },
		Timeout:    requestTimeout,
	}
	if c.CACert != "" || c.CAPath != "" || c.ClientCert != "" || c.ServerName != "" || c.SkipVerify {
		err := configureTLS(conf, c)
		if err != nil {
			return nil, fmt.Errorf("configure TLS: %w", err)
		}
	}
	client, err := api.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("the address of Vault is not usable (want https://HOST:PORT): %w", bare(err))
	}
	conf.HttpClient.Transport = attentive{transport} // now: for a Unix socket NewClient has changed the transport itself
	client.SetToken("")
	client.ClearNamespace()
	if c.Namespace != "" {
		client.SetNamespace(c.Namespace)
	}
	return &Client{
		api: client, address: c.Address, certificate: c.ClientCert != "", proxied: c.Proxy != "", plain: plain, secure: secure,
	}, nil
}

func configureTLS(conf *api.Config, c Config) error {
	transport := conf.HttpClient.Transport.(*http.Transport)
	transport.TLSClientConfig = api.DefaultConfig().HttpClient.Transport.(*http.Transport).TLSClientConfig
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"} // it offers HTTP/2, which the transport does not speak
	return conf.ConfigureTLS(&api.TLSConfig{
		CACert: c.CACert, CAPath: c.CAPath, ClientCert: c.ClientCert, ClientKey: c.ClientKey,
		TLSServerName: c.ServerName, Insecure: c.SkipVerify,
	})
}

// SetToken makes token the one that requests are made with.
func (c *Client) SetToken(token secret.Text) { c.api.SetToken(token.Reveal()) }

// bare takes the URL off an error of net/url or net/http: it may have credentials in it.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errLate
	}
	return err
}

var errLate = errors.New("none came in time")

// classify makes of an API error one that says which of envsource's kinds it is, in words fit for a user. what
// names the thing that was asked for.
func (c *Client) classify(what string, err error) error {
	var r *api.ResponseError
	if errors.Is(err, redirected{}) {
		return envsource.Mark(fmt.Errorf("Vault at %s redirects to another server, as a standby without a leader does, and no token is sent there: if it stays so, set the active node's address",
			c.address), envsource.ErrUnavailable)
	}
	if b, ok := errors.AsType[busy](err); ok {
		return envsource.Later(envsource.Mark(fmt.Errorf("%s: Vault at %s answers %d", what, c.address, b.status), envsource.ErrUnavailable), b.wait)
	}
	if errors.Is(err, tooLarge{}) {
		return fmt.Errorf("%s: %w: what answers at %s?", what, tooLarge{}, c.address)
	}
	if many, ok := errors.AsType[tooMany](err); ok {
		return fmt.Errorf("%s: %w, and vwrap takes no more", what, many)
	}
	if !errors.As(err, &r) {
		return envsource.Mark(fmt.Errorf("no answer from Vault at %s: %w", c.address, bare(err)), envsource.ErrUnavailable)
	}
	said := words(r)
	switch {
	case r.StatusCode == http.StatusServiceUnavailable && strings.Contains(said, "sealed"):
		err = envsource.Mark(fmt.Errorf("Vault at %s is sealed: unseal it", c.address), envsource.ErrUnavailable)
	case r.StatusCode == http.StatusNotFound:
		err = envsource.Mark(fmt.Errorf("nothing at %s%s", what, brief(said)), envsource.ErrMissing)
	case r.StatusCode == http.StatusForbidden:
		err = envsource.Mark(fmt.Errorf("%s: permission denied", what), envsource.ErrDenied)
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusPreconditionFailed, r.StatusCode >= 500:
		err = envsource.Mark(fmt.Errorf("%s: Vault at %s answers %d%s", what, c.address, r.StatusCode, brief(said)),
			envsource.ErrUnavailable)
	default:
		err = fmt.Errorf("%s: Vault answers %d%s", what, r.StatusCode, brief(said))
	}
	return err
}

// words are what Vault says in an error. What is not in its form is said by something else, a proxy that shows what it was asked perhaps,
// with the token, and is not repeated.
func words(r *api.ResponseError) string {
	const plain = "Client sent an HTTP request to an HTTPS server" // Go's own, which says what is wrong
	switch {
	case r.RawError && strings.Contains(strings.Join(r.Errors, " "), plain):
		return plain
	case r.RawError:
		return "in other words than Vault's"
	}
	return strings.Join(r.Errors, "; ")
}

// brief is what the server said, on one line, without control characters, no longer than a line.
func brief(said string) string {
	said = strings.Join(strings.FieldsFunc(said, func(c rune) bool { return c <= ' ' || c == 0x7f }), " ")
	if said == "" {
		return ""
	}
	if len(said) > 200 {
		said = said[:200] + "…"
	}
	return ": " + strings.Trim(strconv.Quote(said), `"`)
}
