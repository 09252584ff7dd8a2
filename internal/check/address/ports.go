package address

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vwrap/vwrap/internal/pattern"
)

// splitPort reads [HOST:]PUBLISHED:TARGET[/PROTOCOL], and TARGET alone.
func splitPort(text string) (host, published, target string) {
	text, _, _ = strings.Cut(text, "/")
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return "", "", text
	}
	text, target = text[:at], text[at+1:]
	if at = strings.LastIndexByte(text, ':'); at < 0 {
		return "", text, target
	}
	return text[:at], text[at+1:], target
}

// splitAddress reads HOST:PORT.
func splitAddress(text string) (host, port string) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return text, ""
	}
	return text[:at], text[at+1:]
}

// everywhere reports whether host stands for all addresses of a machine.
func everywhere(host string) bool {
	return slices.Contains([]string{"", "0.0.0.0", "[::]", "::"}, host)
}

// mostPorts is how long a range of ports may be.
const mostPorts = 256

// mapped is a port of a container, and the one that it is published at; "" for any.
type mapped struct{ published, target string }

// spread is the ports of two ranges: 8200-8205:8200-8205, 8200-8205:8200.
func spread(published, target string) (all []mapped) {
	outer, inner := between(published), between(target)
	switch {
	case len(inner) == len(outer):
		for i := range inner {
			all = append(all, mapped{outer[i], inner[i]})
		}
	case len(inner) == 1:
		for _, o := range outer {
			all = append(all, mapped{o, inner[0]})
		}
	}
	return all
}

// between is the ports of a range; of another text, that text.
func between(text string) (all []string) {
	first, last, ok := strings.Cut(text, "-")
	from, err := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if !ok || err != nil || err2 != nil || to < from || to-from >= mostPorts {
		return []string{text}
	}
	for port := from; port <= to; port++ {
		all = append(all, strconv.Itoa(port))
	}
	return all
}

// listening are the addresses, as HOST:PORT, at which a Vault in a container listens, by how it is started; unknown is set where a file
// says it that is not looked at.
type listening struct {
	at      []string
	unknown bool
}

var listener = pattern.Of(`(?:-dev-listen-address[=\s"',]+|(?:VAULT|BAO)_DEV_LISTEN_ADDRESS[=:\s"',]+|"address"\s*:\s*"|\baddress\s*=\s*")([^\s"',\]]*:\d+)`)

// listeners reads how a Vault is started. What is not said is what its image does: port 8200 at all of the container's addresses.
func listeners(text string) (l listening) {
	for _, m := range listener().FindAllStringSubmatch(text, -1) {
		l.at = append(l.at, m[1])
	}
	l.unknown = len(l.at) == 0 && strings.Contains(text, "-config") && !strings.Contains(text, "-dev")
	if len(l.at) == 0 {
		l.at = []string{"0.0.0.0:8200"}
	}
	return l
}

// ports are those that it listens at, and Vault's own.
func (l listening) ports() []string {
	all := []string{"8200"}
	for _, at := range l.at {
		if _, port := splitAddress(at); port != "8200" {
			all = append(all, port)
		}
	}
	return all
}

// reached reports whether it is reached at one of the ports that are published.
func (l listening) reached(published, target string) bool {
	return slices.ContainsFunc(spread(published, target), func(m mapped) bool { return slices.Contains(l.ports(), m.target) })
}

// open reports whether it listens at every address.
func (l listening) open() bool {
	return !l.unknown && slices.ContainsFunc(l.at, func(at string) bool { host, _ := splitAddress(at); return everywhere(host) })
}
