package address

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/vwrap/vwrap/internal/pattern"
)

// server is what an address means.
type server struct {
	text         string // the address, without a user
	key          string // the same for all addresses that mean it
	scheme, host string
	port         string
	here         bool // this machine
}

var errUnknown = errors.New("it is filled in elsewhere")

// parse reads an address. What is filled in elsewhere is errUnknown.
func parse(text string) (server, error) {
	if text == "" || strings.ContainsAny(text, "$`") || strings.Contains(text, "{{") {
		return server{}, errUnknown
	}
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "unix" {
		return server{text: text, key: text, scheme: "unix", host: "unix", here: true}, nil
	}
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return server{}, errors.New("want http://HOST:PORT or https://HOST:PORT")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	ip := net.ParseIP(host)
	s := server{scheme: u.Scheme, host: host, here: host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()}
	if host == "host.docker.internal" || host == "host-gateway" { // this machine, seen from a container
		s.here = true
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if s.here {
		host = "127.0.0.1"
	}
	s.port = port
	s.key = fmt.Sprintf("%s://%s", s.scheme, net.JoinHostPort(host, port))
	u.User = nil
	s.text = strings.TrimSuffix(u.String(), "/")
	return s, nil
}

// filled is what is filled in: $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:+instead}, ${NAME:?problem}, a dev container's
// ${localEnv:NAME:default}, and $$, which is a $ (docs.docker.com/reference/compose-file/interpolation).
var filled = pattern.Of(`\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{(localEnv:)?([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?]|:)([^{}]*))?\})`)

// expand fills text in, with what is known of variables, and with their defaults. What is not known stays.
func (l *look) expand(text string) string {
	return filled().ReplaceAllStringFunc(text, func(part string) string {
		m := filled().FindStringSubmatch(part)
		name, how, rest := m[1]+m[3], m[4], m[5]
		value, known := l.env[name]
		known = known && m[2] == ""
		switch {
		case part == "$$":
			return "$"
		case strings.HasSuffix(how, "+"):
			if known && (value != "" || how == "+") {
				return rest
			}
			return ""
		case known && (value != "" || how == "-"):
			return value
		case how == ":-", how == "-", how == ":" && m[2] != "":
			return rest
		}
		return part
	})
}
