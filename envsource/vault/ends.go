package vault

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// endOf tells how an answer without a lease ends, and in how long, from what engines say of that in its fields:
//
//   - last_vault_rotation, ttl: a static role, whose password the server rotates (API pages of the database and LDAP
//     engines). rotation_period is not looked at: a role with a rotation_schedule has none.
//   - expiration, certificate: PKI. In seconds since 1970 in the first, as notAfter in the second.
//   - signed_key: an SSH certificate.
//   - token, ttl: an identity token (identity/oidc/token). secret_id_ttl: a secret_id of AppRole's.
//
// Only answers of a mount that is known to be neither KV nor cubbyhole are looked at: the fields of those are the
// user's own. "" is no end that can be known.
func endOf(r envsource.Read, data map[string]any, now time.Time) (envsource.Kind, time.Duration) {
	if r.Mount == "" || r.Kind != "" {
		return "", 0
	}
	if _, static := data["last_vault_rotation"]; static {
		return envsource.KindRotated, seconds(number(data["ttl"]))
	}
	if end, ok := instant(data); ok {
		return envsource.KindTimed, max(end.Sub(now), time.Nanosecond)
	}
	for _, field := range []string{"secret_id_ttl", "ttl"} {
		_, token := data["token"].(string)
		if ttl := number(data[field]); ttl > 0 && (token || field != "ttl") {
			return envsource.KindTimed, seconds(ttl)
		}
	}
	return "", 0
}

// instant is the time of an end that the answer names as one.
func instant(data map[string]any) (time.Time, bool) {
	if text, ok := data["signed_key"].(string); ok {
		return sshEnd(text)
	}
	if n, ok := data["expiration"].(json.Number); ok {
		if at, err := n.Int64(); err == nil && at > 0 {
			return time.Unix(at, 0), true
		}
	}
	if text, ok := data["certificate"].(string); ok {
		if block, _ := pem.Decode([]byte(text)); block != nil {
			if c, err := x509.ParseCertificate(block.Bytes); err == nil {
				return c.NotAfter, true
			}
		}
	}
	return time.Time{}, false
}

// keyFields is how many fields the key has in a certificate of this type (OpenSSH, PROTOCOL.certkeys).
var keyFields = map[string]int{
	"ssh-rsa-cert-v01@openssh.com":                2,
	"ssh-dss-cert-v01@openssh.com":                4,
	"ecdsa-sha2-nistp256-cert-v01@openssh.com":    2,
	"ecdsa-sha2-nistp384-cert-v01@openssh.com":    2,
	"ecdsa-sha2-nistp521-cert-v01@openssh.com":    2,
	"ssh-ed25519-cert-v01@openssh.com":            1,
	"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com": 3,
	"sk-ssh-ed25519-cert-v01@openssh.com":         2,
}

// sshEnd is the end of an SSH certificate in the form of a line of authorized_keys (OpenSSH, PROTOCOL.certkeys): type,
// nonce, the key's fields, serial, kind, key ID, principals, valid after, valid before.
func sshEnd(line string) (time.Time, bool) {
	words := strings.Fields(line)
	if len(words) < 2 || keyFields[words[0]] == 0 {
		return time.Time{}, false
	}
	blob, err := base64.StdEncoding.DecodeString(words[1])
	if err != nil {
		return time.Time{}, false
	}
	w := wire{rest: blob}
	for range 2 + keyFields[words[0]] { // type and nonce come before
		w.skip()
	}
	w.take(8 + 4)
	w.skip()
	w.skip()
	w.take(8)
	end := w.take(8)
	if w.err != nil {
		return time.Time{}, false
	}
	before := binary.BigEndian.Uint64(end)
	if before > math.MaxInt32*100 { // 2^64-1 is for ever
		return time.Time{}, false
	}
	return time.Unix(int64(before), 0), true
}

// wire reads SSH's encoding (RFC 4251, section 5).
type wire struct {
	rest []byte
	err  error
}

var errShort = errors.New("too short")

// take reads n bytes; nil once there were too few.
func (w *wire) take(n int) []byte {
	if w.err != nil || n > len(w.rest) {
		w.err = errShort
		return nil
	}
	taken := w.rest[:n]
	w.rest = w.rest[n:]
	return taken
}

// skip passes over a string.
func (w *wire) skip() {
	if length := w.take(4); length != nil {
		if n := binary.BigEndian.Uint32(length); n <= math.MaxInt32 {
			w.take(int(n))
		} else {
			w.err = errShort
		}
	}
}
