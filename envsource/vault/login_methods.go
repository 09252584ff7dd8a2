package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// podToken is where Kubernetes projects the token of a pod's service account. It is replaced well before its end.
const podToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// jwt is for the methods kubernetes and jwt: a signed token, and the role that is asked for
// (https://developer.hashicorp.com/vault/api-docs/auth/kubernetes, …/auth/jwt).
func (a Auth) jwt(ctx context.Context, getenv func(string) string) (proof, error) {
	if a.Method == "kubernetes" && a.Role == "" { // for jwt the mount may have a default_role
		return proof{}, fmt.Errorf("%w: the method kubernetes needs a role: set vault.auth.role", ErrNoCredential)
	}
	token, err := a.signedToken(ctx, getenv)
	if err != nil {
		return proof{}, err
	}
	names := map[string]string{}
	if a.Role != "" {
		names["role"] = a.Role
	}
	return proof{"login", names, secret.New(token), "jwt", "the token or the role"}, nil
}

func (a Auth) signedToken(ctx context.Context, getenv func(string) string) (string, error) {
	file := a.JWTFile
	if file == "" && a.Method == "kubernetes" {
		file = podToken
	}
	if file != "" {
		return named(ctx, "the token to log in with", file)
	}
	variable := cmp.Or(a.JWTEnv, "VAULT_ID_TOKEN")
	token := strings.TrimSpace(getenv(variable))
	if a.JWTEnv == "" {
		token = strings.TrimSpace(Environ(getenv, "ID_TOKEN"))
	}
	if token != "" {
		return token, checkCredential(variable, token)
	}
	if a.JWTEnv == "" && getenv("ACTIONS_ID_TOKEN_REQUEST_URL") != "" {
		return githubToken(ctx, getenv, a.Audience)
	}
	return "", fmt.Errorf("%w: the method jwt needs a token: set vault.auth.jwt_file, %s, or in GitHub Actions \"permissions: id-token: write\"",
		ErrNoCredential, variable)
}

// named is credentialFile, with the reason for reading in its errors.
func named(ctx context.Context, what, file string) (string, error) {
	text, err := credentialFile(ctx, file)
	if err != nil && !errors.Is(err, ErrNoCredential) {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	return text, err
}

// githubToken asks GitHub Actions for a signed token of the job that vwrap runs in (GitHub, "OpenID Connect reference":
// ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN).
func githubToken(ctx context.Context, getenv func(string) string, audience string) (string, error) {
	where, err := url.Parse(getenv("ACTIONS_ID_TOKEN_REQUEST_URL"))
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no URL")
	}
	if audience != "" {
		query := where.Query()
		query.Set("audience", audience)
		where.RawQuery = query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no URL")
	}
	request.Header.Set("Authorization", "Bearer "+getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(true)
	client := http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the bearer token is not for anybody else
	}}
	answer, err := client.Do(request)
	if err != nil {
		return "", envsource.Mark(fmt.Errorf("no answer from GitHub's token service: %w", bare(err)), envsource.ErrUnavailable)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		err := fmt.Errorf("GitHub's token service answers %d", answer.StatusCode)
		if answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests {
			err = envsource.Mark(err, envsource.ErrUnavailable)
		}
		return "", err
	}
	var reply struct {
		Value string `json:"value"`
	}
	if json.NewDecoder(io.LimitReader(answer.Body, mostCredential)).Decode(&reply) != nil || reply.Value == "" {
		return "", errors.New("the answer of GitHub's token service has no token")
	}
	return reply.Value, checkCredential("the answer of GitHub's token service", reply.Value)
}

// password is for the methods userpass and ldap (https://developer.hashicorp.com/vault/api-docs/auth/userpass).
func (a Auth) password(ctx context.Context, getenv func(string) string) (proof, error) {
	user := cmp.Or(a.Username, Environ(getenv, "USERNAME"))
	if user == "" {
		return proof{}, fmt.Errorf("%w: the method %s needs a name: set vault.auth.username or VAULT_USERNAME", ErrNoCredential, a.Method)
	}
	password := Environ(getenv, "PASSWORD")
	if a.PasswordFile != "" {
		content, err := contentOf(ctx, a.PasswordFile)
		if err != nil {
			return proof{}, fmt.Errorf("read the password: %w", err)
		}
		password = strings.TrimSuffix(strings.TrimSuffix(content, "\n"), "\r")
	}
	if password == "" {
		return proof{}, fmt.Errorf("%w: the method %s needs a password: set vault.auth.password_file or VAULT_PASSWORD", ErrNoCredential, a.Method)
	}
	return proof{"login/" + url.PathEscape(user), nil, secret.New(password), "password", "the user name or password"}, nil
}

// certificate is for the method cert: the TLS connection itself proves who asks
// (https://developer.hashicorp.com/vault/api-docs/auth/cert).
func (a Auth) certificate(c *Client) (proof, error) {
	if !c.certificate {
		return proof{}, fmt.Errorf("%w: the method cert needs a client certificate: set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY", ErrNoCredential)
	}
	names := map[string]string{}
	if a.Role != "" {
		names["name"] = a.Role
	}
	return proof{path: "login", names: names, what: "the client certificate"}, nil
}
