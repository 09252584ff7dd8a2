package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/file"
	"github.com/vwrap/vwrap/envsource/secret"
)

// ErrNoCredential is wrapped where there is nothing to log in with.
var ErrNoCredential = errors.New("no credential")

// Auth says how to log in. The credentials themselves are in files or in the environment, never in here.
type Auth struct {
	Method          string // one of Methods; "" is token
	Mount           string // of the auth method; "" is its name
	TokenFile       string // token: "" is ~/.vault-token
	RoleID          string // approle; "" is VAULT_ROLE_ID
	SecretIDFile    string // approle; "" is VAULT_SECRET_ID
	SecretIDWrapped bool   // approle: the secret_id is a wrapping token: unwrapped once
	Role            string // kubernetes, jwt; cert, where "" is any that fits
	JWTFile         string // kubernetes, jwt: "" is the pod's own token, or what JWTEnv says
	JWTEnv          string // jwt: a variable; "" is VAULT_ID_TOKEN
	Audience        string // jwt: of the token that GitHub Actions is asked for
	Username        string // userpass, ldap; "" is VAULT_USERNAME
	PasswordFile    string // userpass, ldap; "" is VAULT_PASSWORD

	Helper func(context.Context) (string, error) // token: what HelperCommand says, where nobody names a file; may be nil

	spent secret.Text // the wrapping token that was unwrapped last
}

// Methods are the ways to log in.
func Methods() []string {
	return []string{"token", "approle", "kubernetes", "jwt", "userpass", "ldap", "cert"}
}

// Token is a token and what is known of its life.
type Token struct {
	ID        secret.Text
	Own       bool          // vwrap logged in for it: it is vwrap's to revoke
	TTL       time.Duration // left at Asked; 0 is forever
	Renewable bool
	Asked     time.Time
	File      string // the user's: where it was read from; "" is elsewhere
	Parent    *Token // it was made below this one, and dies with it; nil: it was logged in for, or is the user's
}

// letGo is the token to revoke when next is used in place of t and nothing hangs on t any more; "" where there is none.
func (t Token) letGo(next Token) secret.Text {
	if t.Parent != nil && next.Parent != nil && t.Parent.ID == next.Parent.ID {
		return t.ID
	}
	return t.revocable()
}

// revocable is the token that takes all of t with it when it is revoked; "" where there is none that vwrap may revoke.
func (t Token) revocable() secret.Text {
	switch {
	case t.Parent != nil && t.Parent.Own && !isBatch(t.Parent.ID):
		return t.Parent.ID
	case t.Own && !isBatch(t.ID):
		return t.ID
	}
	return secret.Text{}
}

// Login returns a token: the user's own for the method "token", or one that the server gives for the credential.
// The user's own is not looked up here. Errors wrap ErrNoCredential, ErrToken or envsource's kinds.
func (a *Auth) Login(ctx context.Context, c *Client, getenv func(string) string) (Token, error) {
	if a.Method == "" || a.Method == "token" {
		return a.ownToken(ctx, getenv)
	}
	p, err := a.proof(ctx, c, getenv)
	if err != nil {
		return Token{}, err
	}
	return c.login(ctx, "auth/"+strings.Trim(cmp.Or(a.Mount, a.Method), "/"), p)
}

// proof reads the credential anew each time: files are replaced.
func (a *Auth) proof(ctx context.Context, c *Client, getenv func(string) string) (proof, error) {
	switch a.Method {
	case "approle":
		return a.approle(ctx, c, getenv)
	case "kubernetes", "jwt":
		return a.jwt(ctx, getenv)
	case "userpass", "ldap":
		return a.password(ctx, getenv)
	case "cert":
		return a.certificate(c)
	}
	return proof{}, fmt.Errorf("vault.auth.method %q is not known (known: %s)", a.Method, strings.Join(Methods(), ", "))
}

// CanLogin reports whether the credential can be used again once a token has come to its end. A wrapped one can be
// where it is in a file, which somebody may put another into.
func (a Auth) CanLogin() bool {
	return a.Method != "" && a.Method != "token" && (!a.SecretIDWrapped || a.SecretIDFile != "")
}

// login asks for a token (API pages of the auth methods: all answer alike).
func (c *Client) login(ctx context.Context, mount string, p proof) (Token, error) {
	asked := time.Now()
	answer, err := c.api.Logical().WriteWithContext(ctx, mount+"/"+p.path, p.body())
	if err != nil {
		return Token{}, c.loginError(mount, p.what, err)
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return Token{}, fmt.Errorf("log in by %s: the answer has no token", mount)
	}
	secret.Leak("login", p.secret.Reveal(), answer.Auth.ClientToken) // nothing, but in a build for tests
	return Token{
		ID: secret.New(answer.Auth.ClientToken), Own: true, Asked: asked,
		TTL: seconds(answer.Auth.LeaseDuration), Renewable: answer.Auth.Renewable,
	}, nil
}

// loginError says what a refused login means: Vault answers 400 or 403 to a credential that is wrong.
func (c *Client) loginError(mount, what string, err error) error {
	var r *api.ResponseError
	if errors.As(err, &r) && (r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusForbidden) {
		return envsource.Mark(fmt.Errorf("log in by %s: Vault refuses %s%s",
			mount, what, brief(words(r))), envsource.ErrDenied)
	}
	return c.classify("log in by "+mount, err)
}

// ownToken finds the user's token where Vault's own client does: VAULT_TOKEN, the token helper, ~/.vault-token; and before
// these two in a file that somebody names.
func (a Auth) ownToken(ctx context.Context, getenv func(string) string) (Token, error) {
	file, named := a.tokenFile(getenv)
	if file != "" && !named && a.Helper != nil {
		id, err := a.Helper(ctx)
		if id = strings.TrimSpace(id); id != "" || err != nil {
			return Token{ID: secret.New(id)}, cmp.Or(err, checkCredential("the answer of the token helper", id))
		}
	}
	if file == "" {
		id := strings.TrimSpace(Environ(getenv, "TOKEN"))
		return Token{ID: secret.New(id)}, checkCredential("VAULT_TOKEN", id)
	}
	id, err := credentialFile(ctx, file)
	if errors.Is(err, envsource.ErrMissing) && !named {
		return Token{}, fmt.Errorf("%w for Vault: set VAULT_TOKEN or VAULT_TOKEN_FILE, run \"vault login\", or set vault.auth in vwrap.yaml",
			ErrNoCredential)
	}
	if err != nil && !errors.Is(err, ErrNoCredential) {
		return Token{}, fmt.Errorf("read the token: %w", err)
	}
	return Token{ID: secret.New(id), File: file}, err
}

// tokenFile is the file that the user's token is in, and whether anybody named it; "" where it is in VAULT_TOKEN.
func (a Auth) tokenFile(getenv func(string) string) (file string, named bool) {
	if strings.TrimSpace(Environ(getenv, "TOKEN")) != "" {
		return "", false
	}
	if file = cmp.Or(Environ(getenv, "TOKEN_FILE"), a.TokenFile); file != "" {
		return file, true
	}
	return filepath.Join(getenv("HOME"), ".vault-token"), false
}

// mostCredential is more than any credential takes, in bytes.
const mostCredential = 64 << 10

// contentOf reads a file that has a credential. A pipe is waited for as long as ctx lasts, or an answer of the server's would be.
func contentOf(ctx context.Context, path string) (string, error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	return file.Content(ctx, path, mostCredential)
}

// credentialFile reads a token or a secret_id from a file.
func credentialFile(ctx context.Context, path string) (string, error) {
	content, err := contentOf(ctx, path)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(content)
	if id == "" {
		return "", fmt.Errorf("%w: %s is empty", ErrNoCredential, path)
	}
	return id, checkCredential(path, id)
}

// checkCredential refuses what no request can carry: it would look like an outage.
func checkCredential(from, id string) error {
	if strings.Contains(id, "\n") {
		return fmt.Errorf("%w: %s has more than one line", ErrNoCredential, from)
	}
	if strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fmt.Errorf("%w: what is in %s has a space, a line break or another character in it that no token has", ErrNoCredential, from)
	}
	return nil
}

// approle is for auth/approle/login (https://developer.hashicorp.com/vault/api-docs/auth/approle).
func (a *Auth) approle(ctx context.Context, c *Client, getenv func(string) string) (proof, error) {
	role := cmp.Or(a.RoleID, Environ(getenv, "ROLE_ID"))
	if role == "" {
		return proof{}, fmt.Errorf("%w: AppRole needs a role_id: set vault.auth.role_id or VAULT_ROLE_ID", ErrNoCredential)
	}
	secretID, err := a.secretID(ctx, c, getenv)
	if err != nil {
		return proof{}, err
	}
	return proof{"login", map[string]string{"role_id": role}, secret.New(secretID), "secret_id", "the role_id or secret_id"}, nil
}

// secretID finds the secret_id: in its file, else in VAULT_SECRET_ID. A role without one (bind_secret_id=false)
// has "".
func (a *Auth) secretID(ctx context.Context, c *Client, getenv func(string) string) (string, error) {
	id := strings.TrimSpace(Environ(getenv, "SECRET_ID"))
	if a.SecretIDFile != "" {
		var err error
		if id, err = credentialFile(ctx, a.SecretIDFile); err != nil {
			return "", fmt.Errorf("read the secret_id: %w", err)
		}
	}
	if !a.SecretIDWrapped {
		return id, nil
	}
	if id == "" {
		return "", fmt.Errorf("%w: a wrapped secret_id is expected: set vault.auth.secret_id_file or VAULT_SECRET_ID", ErrNoCredential)
	}
	if secret.New(id) == a.spent { // a second time could not be told from a thief's
		return "", fmt.Errorf("%w: the wrapped secret_id was used already: put a new one into its file", ErrNoCredential)
	}
	unwrapped, err := c.unwrap(ctx, id)
	if !errors.Is(err, envsource.ErrUnavailable) {
		a.spent = secret.New(id)
	}
	return unwrapped, err
}

// unwrap exchanges a wrapping token for the secret_id in it.
func (c *Client) unwrap(ctx context.Context, wrapping string) (string, error) {
	answer, err := c.api.Logical().UnwrapWithContext(ctx, wrapping)
	if err != nil {
		err = c.unwrapError("the wrapped secret_id", err)
		if errors.Is(err, envsource.ErrUnavailable) {
			return "", err
		}
		return "", fmt.Errorf("%w: %w", ErrNoCredential, err)
	}
	if answer != nil {
		if id, _ := answer.Data["secret_id"].(string); id != "" {
			return id, nil
		}
	}
	return "", errors.New("what the wrapping token holds is not a secret_id")
}
