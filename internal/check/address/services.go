package address

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/check"
)

// service is one of Compose's.
type service struct {
	name, folder string
	aliases      []string // other names that it has
	vault        bool
	ports        []port
	host         *yaml.Node // network_mode: host, where it says so
	hostFile     string
	started      string              // its command, and its environment
	listens      listening           // by those
	spans        []span              // where it is described
	published    map[string][]string // of this machine, by its own
}

// span is lines of a file.
type span struct {
	file     string
	from, to int
}

// port is an entry of a service's ports.
type port struct {
	file                    string
	line, column            int
	host, published, target string
	inherited               bool // of a service that it extends
}

// port reads an entry of a service's ports, in the short form or the long one.
func (l *look) port(file string, n *yaml.Node, inherited bool) port {
	p := port{file: file, line: n.Line, column: n.Column, inherited: inherited}
	if n.Kind != yaml.MappingNode {
		p.host, p.published, p.target = splitPort(l.expand(n.Value))
		return p
	}
	for key, at := range map[string]*string{"host_ip": &p.host, "published": &p.published, "target": &p.target} {
		if v := child(n, key); v != nil {
			*at = l.expand(v.Value)
		}
	}
	return p
}

// judge looks at how the Vaults among services are reached. One that is not by its image is by what listens at 8200, and an address
// that means it.
func (l *look) judge(services []*service) {
	for _, s := range services {
		s.listens = listeners(s.started)
		for _, p := range s.ports {
			for _, m := range spread(p.published, p.target) {
				s.published[m.target] = append(s.published[m.target], m.published)
			}
		}
	}
	meant := l.meant()
	for _, s := range services {
		at := s.published["8200"]
		s.vault = s.vault || at != nil && (meant.services[s] || slices.ContainsFunc(at, func(port string) bool { return meant.ports[port] }))
	}
	for _, inherited := range []bool{false, true} { // a port is its own service's first
		for _, s := range services {
			for _, p := range s.ports {
				if s.vault && p.inherited == inherited {
					l.reached(s, p)
				}
			}
		}
	}
	for _, s := range services {
		if s.vault && s.host != nil {
			for _, port := range s.listens.ports() {
				s.published[port] = append([]string{port}, s.published[port]...)
			}
			if s.listens.open() {
				l.tell(check.Finding{
					Rule: "published-everywhere", Subject: s.name, File: s.hostFile, Line: s.host.Line, Column: s.host.Column,
					Text: s.name + " listens at every address of this machine: the network reaches it",
					Mend: "publish it here alone, instead of the host's network: ports: [\"127.0.0.1:8200:8200\"]",
				})
			}
		}
	}
}

// meant is what addresses mean: services by their names, and ports of this machine.
type meant struct {
	services map[*service]bool
	ports    map[string]bool
}

func (l *look) meant() meant {
	m := meant{map[*service]bool{}, map[string]bool{}}
	for _, p := range l.places {
		if p.server.here {
			m.ports[p.server.port] = true
		} else if s, _ := l.serviceOf(p.file, p.line, p.server); s != nil {
			m.services[s] = true
		}
	}
	return m
}

// reached tells of a port of a Vault's at which the network reaches it.
func (l *look) reached(s *service, p port) {
	key := fmt.Sprintf("port %s:%d:%d", p.file, p.line, p.column)
	if !s.listens.reached(p.published, p.target) || l.seen[key] {
		return
	}
	l.seen[key] = true // a service that extends this one has it too
	if !everywhere(p.host) {
		return
	}
	l.tell(check.Finding{
		Rule: "published-everywhere", Subject: s.name, File: p.file, Line: p.line, Column: p.column,
		Text: s.name + " is published at every address of this machine: the network reaches it",
		Mend: fmt.Sprintf("publish it here alone: \"127.0.0.1:%s:%s\"", p.published, p.target),
	})
}

// serviceOf is the service of Compose that an address means, by its project's folder, or one above that; else by any. known says that
// there are such, also where they are several.
func (l *look) serviceOf(file string, line int, at server) (s *service, known bool) {
	if at.here {
		return l.itself(file, line, at)
	}
	for folder := path.Dir(file); ; folder = path.Dir(folder) {
		if s := l.projects[folder][at.host]; s != nil {
			return s, true
		}
		if folder == "." {
			break
		}
	}
	for _, project := range l.projects {
		switch found := project[at.host]; {
		case found == nil:
		case s != nil && s != found:
			return nil, true
		default:
			s = found
		}
	}
	return s, s != nil
}

// itself is the Vault in whose own environment an address of this machine stands: there, it is the Vault's.
func (l *look) itself(file string, line int, at server) (*service, bool) {
	for _, project := range l.projects {
		for _, s := range project {
			if s.vault && slices.Contains(s.listens.ports(), at.port) &&
				slices.ContainsFunc(s.spans, func(p span) bool { return p.file == file && p.from <= line && line <= p.to }) {
				return s, true
			}
		}
	}
	return nil, false
}

// keys are what an address means: the same for all that mean one server. Of a service, it is where this machine has it; where it is
// published at several ports, these are one.
func (l *look) keys(s *service, at server) []string {
	if s == nil {
		return []string{at.key}
	}
	return s.keys(at.scheme, at.port)
}

// resolve says what each place means.
func (l *look) resolve() {
	for i := range l.places {
		p := &l.places[i]
		p.service, p.named = l.serviceOf(p.file, p.line, p.server)
		p.keys = l.keys(p.service, p.server)
	}
}

func (s *service) keys(scheme, port string) (keys []string) {
	for _, published := range s.published[port] {
		if published != "" {
			keys = append(keys, scheme+"://127.0.0.1:"+published)
		}
	}
	if len(keys) == 0 {
		keys = []string{scheme + "://" + s.name + ":" + port + "\x00" + s.folder}
	}
	return keys
}

// shown is a key as it is told.
func shown(key string) string {
	text, _, _ := strings.Cut(key, "\x00")
	scheme, _, _ := strings.Cut(text, ":")
	return strings.TrimSuffix(text, map[string]string{"http": ":80", "https": ":443"}[scheme])
}
