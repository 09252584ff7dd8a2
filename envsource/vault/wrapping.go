package vault

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
)

// unwraps reports whether r unwraps a wrapping token, which it spends (sys/wrapping/unwrap).
func unwraps(r envsource.Read) bool {
	return r.Method == envsource.MethodWrite && strings.Trim(r.Path, "/") == "sys/wrapping/unwrap"
}

// unwrapError says what it means that what could not be unwrapped. Only where the server has not done it for sure
// may it be asked again: the error wraps envsource.ErrUnavailable then.
func (c *Client) unwrapError(what string, err error) error {
	var r *api.ResponseError
	answered := errors.As(err, &r)
	_, isBusy := errors.AsType[busy](err)
	switch {
	case isBusy, errors.Is(err, redirected{}), answered && (r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusServiceUnavailable), !answered && unsent(err):
		return c.classify(what, err)
	case answered && r.StatusCode < http.StatusInternalServerError:
		return fmt.Errorf("%s cannot be unwrapped: it was used already, or is too old: if nobody of yours used it, somebody else did", what)
	}
	return fmt.Errorf("%s was to be unwrapped, and the answer was lost: what was in it is probably spent, and is not asked for again: "+
		"have it wrapped anew (%v)", what, c.classify(what, err))
}

// unsent reports whether err came before a request could have been sent.
func unsent(err error) bool {
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &certificate)
}

// forbidden reports whether the server answered 403.
func forbidden(err error) bool {
	var r *api.ResponseError
	return errors.As(err, &r) && r.StatusCode == http.StatusForbidden
}
