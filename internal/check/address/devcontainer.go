package address

import (
	"strings"

	"github.com/tailscale/hujson"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/guess"
)

// devcontainer looks at a devcontainer.json, and is its text without comments: what is left stands where it stood.
func (l *look) devcontainer(name string, text []byte) []byte {
	if plain, ok := strings.CutPrefix(string(text), "\ufeff"); ok {
		text = []byte("   " + plain) // as many bytes
	}
	value, err := hujson.Parse(text)
	if err != nil {
		l.found = append(l.found, check.Finding{Rule: "unreadable", Warning: true, File: name, Text: "is no JSON with comments: its lines alone are looked at"})
		return text
	}
	f := newFile(name, string(text), devcontainer)
	if top, ok := value.Value.(*hujson.Object); ok {
		for _, m := range top.Members {
			switch literalOf(m.Name) {
			case "remoteEnv", "containerEnv":
				l.environment(f, m.Value)
			case "runArgs":
				l.arguments(f, m.Value)
			}
		}
	}
	value.Standardize()
	return value.Pack()
}

// literalOf is a string; "" for what is none.
func literalOf(v hujson.Value) string {
	if text, ok := v.Value.(hujson.Literal); ok && text.Kind() == '"' {
		return text.String()
	}
	return ""
}

func (l *look) environment(f *file, v hujson.Value) {
	env, ok := v.Value.(*hujson.Object)
	if !ok {
		return
	}
	for _, m := range env.Members {
		l.inClear(f, m.Name.StartOffset+1, literalOf(m.Name), literalOf(m.Value))
	}
}

// arguments looks at what the container is started with: -e NAME=VALUE.
func (l *look) arguments(f *file, v hujson.Value) {
	all, ok := v.Value.(*hujson.Array)
	if !ok {
		return
	}
	for i, e := range all.Elements {
		text := literalOf(e)
		given, is := strings.CutPrefix(text, "--env=")
		if !is && i > 0 {
			flag := literalOf(all.Elements[i-1])
			is = flag == "-e" || flag == "--env"
		}
		if name, value, ok := strings.Cut(given, "="); is && ok {
			l.inClear(f, e.StartOffset+1, name, value)
		}
	}
}

// inClear looks for a secret in a dev container's environment: it lands in a label of the image.
func (l *look) inClear(f *file, offset int, name, value string) {
	if value == "" || strings.HasPrefix(value, "vault:") || strings.Contains(value, "${vault:") || !guess.Secret(name, value) {
		return
	}
	found := f.at(offset)
	found.Rule, found.Subject = "secret-in-clear", name
	found.Text = name + " is handed into the container in clear, where docker inspect shows it"
	found.Mend = "write a reference (vault:PATH#FIELD), and start terminals by vwrap exec"
	l.tell(found)
}
