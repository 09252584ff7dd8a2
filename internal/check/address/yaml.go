package address

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/check"
)

// child is what a mapping has under key; nil where it has nothing.
func child(n *yaml.Node, key string) *yaml.Node {
	n = plain(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return plain(n.Content[i+1])
		}
	}
	return nil
}

// plain follows an alias.
func plain(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func root(text []byte) (*yaml.Node, bool) {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return nil, false
	}
	return doc.Content[0], true
}

// vwrap looks at a vwrap.yaml, its profiles too.
func (l *look) vwrap(file string, text []byte) {
	top, ok := root(text)
	if !ok {
		l.warn(file, "is no YAML")
		return
	}
	if address := child(child(top, "vault"), "address"); address != nil {
		l.at(file, address.Line, address.Column, address.Value)
	}
	profiles := child(top, "profiles")
	if profiles == nil || profiles.Kind != yaml.MappingNode {
		return
	}
	for i := 1; i < len(profiles.Content); i += 2 {
		if child(child(profiles.Content[i], "vault"), "address") != nil {
			l.unknown++ // a profile is for another place, and may mean another server
		}
	}
}

var vaultImage = regexp.MustCompile(`(?:^|/)(?:vault|openbao)(?:[:@].*)?$`)

// compose looks at the services of a Compose file that are Vaults: at which ports they are published, and to whom.
func (l *look) compose(file string, text []byte) {
	top, ok := root(text)
	if !ok {
		l.warn(file, "is no YAML")
		return
	}
	services := child(top, "services")
	if services == nil || services.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(services.Content); i += 2 {
		name, service := services.Content[i].Value, plain(services.Content[i+1])
		picture := child(service, "image")
		if picture == nil || !vaultImage.MatchString(expand(picture.Value)) {
			continue
		}
		l.services[strings.ToLower(name)] = ""
		if ports := child(service, "ports"); ports != nil && ports.Kind == yaml.SequenceNode {
			for _, p := range ports.Content {
				l.port(file, strings.ToLower(name), plain(p))
			}
		}
		if l.services[strings.ToLower(name)] == "" { // published to nobody
			l.services[strings.ToLower(name)] = "http://" + strings.ToLower(name) + ":8200"
		}
	}
}

// port looks at one entry of a Vault's ports, in the short form or the long one.
func (l *look) port(file, service string, n *yaml.Node) {
	host, published, target := "", "", ""
	if n.Kind == yaml.MappingNode {
		for key, at := range map[string]*string{"host_ip": &host, "published": &published, "target": &target} {
			if v := child(n, key); v != nil {
				*at = expand(v.Value)
			}
		}
	} else {
		host, published, target = splitPort(expand(n.Value))
	}
	if target != "8200" {
		return
	}
	if published != "" {
		l.services[service] = fmt.Sprintf("http://127.0.0.1:%s", published)
	}
	if host != "" && host != "0.0.0.0" && host != "[::]" && host != "::" {
		return
	}
	l.found = append(l.found, check.Finding{
		Rule: "published-everywhere", Subject: service, File: file, Line: n.Line, Column: n.Column,
		Text: service + " is published at every address of this machine: the network reaches it",
		Mend: fmt.Sprintf("publish it here alone: \"127.0.0.1:%s:8200\"", published),
	})
}

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
