package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/config"
)

// Healthy is a server that says how it is.
type Healthy interface {
	Health(ctx context.Context) (vault.Health, error)
}

// Place is where the server is.
type Place struct {
	Address    string
	Named      string // by whom
	SkipVerify bool
	Container  bool // vwrap is in one
}

// Server asks the server how it is. Where it cannot be had, or is not to be used, up is false: there is nothing else to ask it.
func Server(ctx context.Context, v Healthy, p Place) (lines []Line, up bool) {
	defer func() {
		for i := range lines {
			lines[i].Area = AreaVault
		}
	}()
	h, err := v.Health(ctx)
	if err != nil {
		text, mend := p.unreachable(err)
		return []Line{{Name: "address", State: Fault, Text: text, Mend: mend}}, false
	}
	lines = append(lines, p.address(), sealState(h), version(h))
	lines = append(lines, clock(h)...)
	lines = append(lines, p.certificates(h.TLS, time.Now())...)
	return lines, h.Initialized && !h.Sealed
}

// Unusable is where there is no way to ask it: a certificate that cannot be read, a flag that is neither true nor false.
func Unusable(err error) []Line {
	return []Line{{
		Area: AreaVault, Name: "settings", State: Fault, Text: err.Error(),
		Mend: "mind VAULT_CACERT, VAULT_CAPATH, VAULT_CLIENT_CERT, VAULT_CLIENT_KEY, VAULT_SKIP_VERIFY, HTTPS_PROXY",
	}}
}

// Unasked is where no server is to be asked.
func Unasked() []Line {
	return []Line{{Area: AreaVault, Name: "address", State: Note, Text: "nothing refers to Vault here, and nobody names an address: it is not asked"}}
}

func (p Place) loopback() bool { return config.Loopback(p.Address) }

func (p Place) address() Line {
	if strings.HasPrefix(p.Address, "http://") && !p.loopback() {
		return Line{
			Name: "address", State: Warning, Text: p.Address + " (" + p.Named + ") answers, in clear: the token and the secrets can be read on the way",
			Mend: "give Vault a certificate, and its address https://; between containers of one machine it may do",
		}
	}
	return Line{Name: "address", State: OK, Text: p.Address + " (" + p.Named + ") answers"}
}

func sealState(h vault.Health) Line {
	switch {
	case !h.Initialized:
		return Line{Name: "state", State: Fault, Text: "not initialised", Mend: "vault operator init, and keep what it prints; for development: vwrap dev"}
	case h.Sealed:
		return Line{Name: "state", State: Fault, Text: "sealed", Mend: "vault operator unseal"}
	case h.Standby:
		return Line{Name: "state", State: OK, Text: "initialised, unsealed, a standby, which passes requests on"}
	}
	return Line{Name: "state", State: OK, Text: "initialised, unsealed"}
}

func version(h vault.Health) Line {
	if h.Version == "" {
		return Line{Name: "version", State: Note, Text: "it does not say"}
	}
	return Line{Name: "version", State: OK, Text: h.Version}
}

// The most that clocks may differ: certificates and signed tokens begin to be refused, and what is short-lived is dead on arrival.
const (
	muchSkew = 5 * time.Second
	mostSkew = 60 * time.Second
)

func clock(h vault.Health) []Line {
	if !h.Timed {
		return nil
	}
	l := Line{Name: "clock", State: OK, Text: "that of this machine and of the server agree"}
	by := h.Skew.Round(time.Second)
	if h.Skew.Abs() <= muchSkew {
		return []Line{l}
	}
	way := "ahead of"
	if by < 0 {
		way = "behind"
	}
	l.State, l.Text = Warning, fmt.Sprintf("this machine's is %v %s the server's: what names its end by a time (certificates, signed tokens) ends wrongly", by.Abs(), way)
	l.Mend = "set the clock that is wrong: timedatectl set-ntp true; after a sleep of WSL: hwclock -s"
	if h.Skew.Abs() > mostSkew {
		l.State = Fault
	}
	return []Line{l}
}

// soon is how long before its end a certificate is to be replaced.
const soon = 14 * 24 * time.Hour

func (p Place) certificates(state *tls.ConnectionState, now time.Time) (lines []Line) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	if p.SkipVerify {
		lines = append(lines, Line{
			Name: "TLS", State: Warning, Text: "VAULT_SKIP_VERIFY is set: whoever is in between can read the token and every secret",
			Mend: "unset it, and name the authority: VAULT_CACERT=FILE",
		})
	}
	first := state.PeerCertificates[0]
	for _, c := range state.PeerCertificates {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	until := first.NotAfter.Format(time.DateOnly)
	l := Line{Name: "certificate", State: OK, Text: "good, until " + until}
	switch left := first.NotAfter.Sub(now); {
	case left <= 0:
		l = Line{Name: "certificate", State: Fault, Text: "it, or one of its chain, ended on " + until, Mend: "replace it, and have Vault read it: kill -HUP"}
	case left < soon:
		l = Line{
			Name: "certificate", State: Warning, Text: fmt.Sprintf("it, or one of its chain, ends on %s, in %d days", until, int(left.Hours()/24)),
			Mend: "replace it before that, and have Vault read it: kill -HUP",
		}
	}
	return append(lines, l)
}

// unreachable says why there is no answer, and what to do.
func (p Place) unreachable(err error) (text, mend string) {
	if text, mend = p.certificateError(err); text != "" {
		return text, mend
	}
	host := p.Address
	if u, parseErr := url.Parse(p.Address); parseErr == nil {
		host = u.Hostname()
	}
	start := "start it; for development: vwrap dev"
	if p.Container && p.loopback() {
		start = "127.0.0.1 is this container: name Vault by its service, or host.docker.internal"
	}
	var dns *net.DNSError
	var network net.Error
	switch said := err.Error(); {
	case errors.As(err, &dns):
		return fmt.Sprintf("%s (%s): there is no host %s", p.Address, p.Named, host),
			"mind the spelling; the name of a Compose service is known in its network alone: from outside it is 127.0.0.1 and the published port"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s (%s): nobody listens there", p.Address, p.Named), start
	case errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("%s (%s): there is no such socket", p.Address, p.Named), start
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("%s (%s): this user may not connect to it", p.Address, p.Named), "mind the mode of the socket, or the rules of a firewall"
	case errors.Is(err, vault.ErrForeign):
		return fmt.Sprintf("what answers at %s (%s) is not Vault", p.Address, p.Named), "mind the port, and proxies in between (HTTPS_PROXY, NO_PROXY)"
	case strings.Contains(said, "HTTP request to an HTTPS server"):
		return fmt.Sprintf("%s (%s) speaks TLS, and the address says http://", p.Address, p.Named), "https:// in the address"
	case errors.As(err, &network) && network.Timeout(), strings.Contains(said, "none came in time"):
		return fmt.Sprintf("%s (%s): no answer in time", p.Address, p.Named), "mind VPN, firewall and proxy: curl -v " + p.Address + "/v1/sys/health"
	default:
		return said, "look closer: curl -v " + p.Address + "/v1/sys/health"
	}
}

// certificateError is unreachable for what is wrong with TLS; "" where nothing of that is.
func (p Place) certificateError(err error) (text, mend string) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	at := p.Address + " (" + p.Named + ")"
	switch {
	case errors.As(err, &unknown):
		return at + ": its certificate is of an authority that this machine does not know", "VAULT_CACERT=FILE, with the certificate of that authority (PEM)"
	case errors.As(err, &name):
		return at + ": its certificate is for " + names(name.Certificate), "use that name in the address, or VAULT_TLS_SERVER_NAME=NAME"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return at + ": its certificate is good from " + invalid.Cert.NotBefore.Format(time.DateOnly) + " to " + invalid.Cert.NotAfter.Format(time.DateOnly) + ", and not now",
			"replace it, and have Vault read it: kill -HUP; or set this machine's clock"
	case errors.As(err, &invalid):
		return at + ": its certificate is refused: " + invalid.Error(), "replace it"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return at + " speaks no TLS, and the address says https://", "http:// in the address, where it is on this machine"
	}
	return "", ""
}

// names are those that a certificate is for.
func names(c *x509.Certificate) string {
	var all []string
	if c != nil {
		all = append(all, c.DNSNames...)
		for _, ip := range c.IPAddresses {
			all = append(all, ip.String())
		}
	}
	if len(all) == 0 {
		return "no name at all"
	}
	if len(all) > 5 {
		all = append(all[:5], "…")
	}
	return strings.Join(all, ", ")
}
