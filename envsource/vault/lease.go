package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// Grant is what a renewal was answered with.
type Grant struct {
	TTL       time.Duration // 0 is forever, for a token
	Renewable bool
}

// Child makes a token below parent that lives for ttl at a time: where nobody renews it any more it dies, and with it all
// leases that hang on it. It has the parent's policies. (https://developer.hashicorp.com/vault/api-docs/auth/token#create-token)
func (c *Client) Child(ctx context.Context, parent Token, ttl time.Duration) (Token, error) {
	asked := time.Now()
	renewable := true
	answer, err := c.as(parent.ID).Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{
		TTL: strconv.Itoa(int(ttl/time.Second)) + "s", Renewable: &renewable, DisplayName: "vwrap",
	})
	if err != nil {
		err = c.classify("make a child token (vault.token_ttl)", err)
		if errors.Is(err, envsource.ErrDenied) {
			err = envsource.Mark(fmt.Errorf(`%w: the token is dead, or its policies lack: path "auth/token/create" { capabilities = ["update"] }`, err),
				envsource.ErrDenied)
		}
		return Token{}, err
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return Token{}, errors.New("make a child token: the answer has no token")
	}
	return Token{
		ID: secret.New(answer.Auth.ClientToken), Own: true, Asked: asked, Parent: &parent,
		TTL: seconds(answer.Auth.LeaseDuration), Renewable: answer.Auth.Renewable,
	}, nil
}

// LookupToken asks what is left of token, by its own right. Its error wraps ErrToken where the server does not know it.
func (c *Client) LookupToken(ctx context.Context, token secret.Text) (Grant, error) {
	answer, err := c.as(token).Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return Grant{}, c.tokenError(err)
	}
	ttl, err := answer.TokenTTL()
	if err != nil {
		return Grant{}, errors.New("look up the token: the answer has no TTL")
	}
	renewable, _ := answer.TokenIsRenewable()
	return Grant{TTL: ttl, Renewable: renewable}, nil
}

// RenewToken renews token, by its own right, for increment; 0 is what the token was made for. Its error wraps ErrToken
// where the server does not know it.
func (c *Client) RenewToken(ctx context.Context, token secret.Text, increment time.Duration) (Grant, error) {
	answer, err := c.as(token).Auth().Token().RenewSelfWithContext(ctx, int(increment/time.Second))
	if err != nil {
		return Grant{}, c.tokenError(err)
	}
	if answer == nil || answer.Auth == nil {
		return Grant{}, errors.New("renew the token: the answer has no lease")
	}
	return Grant{seconds(answer.Auth.LeaseDuration), answer.Auth.Renewable}, nil
}

// tokenError: a 403 to a request that every policy allows means that the token is unknown.
func (c *Client) tokenError(err error) error {
	var r *api.ResponseError
	if errors.As(err, &r) && r.StatusCode == http.StatusForbidden {
		return envsource.Mark(errors.New("Vault does not know the token: it is mistyped, revoked or expired"), ErrToken)
	}
	return c.classify("the token", err)
}

// RevokeToken revokes token, by its own right, and with it everything that hangs on it.
func (c *Client) RevokeToken(ctx context.Context, token secret.Text) error {
	if err := c.as(token).Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
		return c.classify("revoke the token", err)
	}
	return nil
}

// Renew renews a lease for increment. Its error wraps ErrGone where there is no such lease any more: Vault says
// so in the text of a 400 (vault/expiration.go: "lease not found").
func (c *Client) Renew(ctx context.Context, ns, id string, increment time.Duration) (Grant, error) {
	answer, err := c.in(ns).Sys().RenewWithContext(ctx, id, int(increment/time.Second))
	if err != nil {
		var r *api.ResponseError
		if errors.As(err, &r) && r.StatusCode == http.StatusBadRequest && strings.Contains(strings.Join(r.Errors, " "), "not found") {
			return Grant{}, ErrGone
		}
		return Grant{}, c.classify("renew the lease", err)
	}
	if answer == nil {
		return Grant{}, errors.New("renew the lease: the answer has no lease")
	}
	return Grant{seconds(answer.LeaseDuration), answer.Renewable}, nil
}

// Revoke revokes a lease and returns when that is done (sync).
func (c *Client) Revoke(ctx context.Context, ns, id string) error {
	// The API client's own call puts the ID into the path, which a policy for sys/leases/revoke does not allow.
	if _, err := c.in(ns).Logical().WriteWithContext(ctx, "sys/leases/revoke", map[string]any{"lease_id": id, "sync": true}); err != nil {
		return c.classify("sys/leases/revoke", err)
	}
	return nil
}

// Version returns the newest version of a KV v2 secret by its metadata, which hold no value, as stamp writes it.
// Its error wraps envsource.ErrMissing where that version is deleted or destroyed, or there is none.
func (c *Client) Version(ctx context.Context, r envsource.Read) (string, error) {
	path := r.Mount + "metadata/" + strings.TrimPrefix(r.Path, r.Mount+"data/")
	answer, err := c.in(r.Namespace).Logical().ReadWithContext(ctx, path)
	if err != nil {
		return "", c.classify(path, err)
	}
	if answer == nil {
		return "", envsource.Mark(errNothing, envsource.ErrMissing)
	}
	current := number(answer.Data["current_version"])
	versions, _ := answer.Data["versions"].(map[string]any)
	newest, _ := versions[strconv.Itoa(current)].(map[string]any)
	deleted, _ := newest["deletion_time"].(string)
	destroyed, _ := newest["destroyed"].(bool)
	if at, err := time.Parse(time.RFC3339Nano, deleted); destroyed || deleted != "" && (err != nil || time.Now().After(at)) {
		return "", envsource.Mark(errors.New("the newest version is deleted"), envsource.ErrMissing)
	}
	return stamp(current, newest), nil
}

// errNothing is where a secret has no metadata.
var errNothing = errors.New("the secret is gone")

// stamp is the identity of a KV v2 version: its number and when it was made. The number alone is not enough: a
// secret that is removed with its history and written anew begins with 1 again.
func stamp(version int, metadata map[string]any) string {
	created, _ := metadata["created_time"].(string)
	return strconv.Itoa(version) + " " + created
}

// seconds is n seconds; what no lease can be (negative, over a century) is cut off.
func seconds(n int) time.Duration {
	return time.Duration(max(0, min(int64(n), 100*365*24*3600))) * time.Second
}
