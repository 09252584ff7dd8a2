package starter

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/envsource/dotenv"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/guess"
	"github.com/vwrap/vwrap/internal/pattern"
)

// composeFiles are the names that Compose looks for, in its order.
var composeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

// composePiece is the file that puts vwrap before the services of another.
const composePiece = "compose.vwrap.yaml"

// compose is what a Compose file has.
type compose struct {
	file     string
	programs []program // that are the project's own
	vault    string    // the name of the service that is a Vault
	port     string    // where that is published on this machine
	envFiles []string  // that programs' environments come from, and that have secrets
}

// program is a service that runs the project's own code.
type program struct {
	name    string
	command *yaml.Node // nil where the image's own counts
	secrets []Variable // that stand in its environment
}

var (
	vaultImage = pattern.Of(`(?:^|/)(?:vault(?:-enterprise)?|openbao(?:-(?:hsm|ubi))*)(?:[:@]|$)`)
	// servers are images of what programs use: vwrap has no place there, and their passwords are theirs.
	servers = pattern.Of(`(?:^|/)(?:vault|openbao|postgres|postgis|pgvector|mysql|mariadb|mongo|redis|valkey|memcached|rabbitmq|nats|kafka|zookeeper|elasticsearch|opensearch|minio|nginx|traefik|caddy|mailhog|mailpit|localstack|adminer|pgadmin4?|grafana|prometheus)(?:[:@]|$)`)
	// filledIn is a value that comes from outside.
	filledIn = pattern.Of(`^\$(?:\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*)$`)
)

func (p *Project) readCompose() {
	for _, file := range composeFiles {
		text := p.read(file)
		if text == nil {
			continue
		}
		var doc struct {
			Services yaml.Node `yaml:"services"`
		}
		if err := yaml.Unmarshal(text, &doc); err != nil || doc.Services.Kind != yaml.MappingNode {
			p.note("%s has no services that can be read, and is left out", file)
			return
		}
		p.compose = &compose{file: file}
		for i := 0; i+1 < len(doc.Services.Content); i += 2 {
			p.readService(doc.Services.Content[i].Value, doc.Services.Content[i+1])
		}
		return
	}
}

func (p *Project) readService(name string, n *yaml.Node) {
	var is struct {
		Image       string    `yaml:"image"`
		Build       yaml.Node `yaml:"build"`
		Command     yaml.Node `yaml:"command"`
		Environment yaml.Node `yaml:"environment"`
		EnvFile     yaml.Node `yaml:"env_file"`
		Ports       []any     `yaml:"ports"`
	}
	if n.Decode(&is) != nil {
		p.note("%s: service %s cannot be read, and is left out", p.compose.file, name)
		return
	}
	switch {
	case is.Build.IsZero() && vaultImage().MatchString(is.Image):
		p.compose.vault, p.compose.port = name, published(is.Ports)
	case is.Build.IsZero() && (is.Image == "" || servers().MatchString(is.Image)):
	default:
		own := program{name: name}
		if !is.Command.IsZero() && is.Command.Tag != "!!null" {
			own.command = &is.Command
		}
		for _, v := range append(p.environment(&is.Environment), p.fromFiles(&is.EnvFile)...) {
			p.add(v)
			has := slices.ContainsFunc(own.secrets, func(s Variable) bool { return s.Name == v.Name })
			if !has && guess.Secret(v.Name, v.Value) && !ours(v.Name) && variableName().MatchString(v.Name) {
				own.secrets = append(own.secrets, v)
			}
		}
		p.compose.programs = append(p.compose.programs, own)
	}
}

// environment is what a service's environment says, as a list or as a mapping.
func (p *Project) environment(n *yaml.Node) (all []Variable) {
	add := func(name, value string) { all = append(all, Variable{name, p.compose.file, value}) }
	switch n.Kind {
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if name, value, ok := strings.Cut(item.Value, "="); ok {
				add(name, value)
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if value := n.Content[i+1]; value.Kind == yaml.ScalarNode && value.Tag != "!!null" && n.Content[i].Value != "<<" {
				add(n.Content[i].Value, value.Value)
			}
		}
	}
	return all
}

// fromFiles is what the files of env_file say, once or in a list. What git has not may be missing.
func (p *Project) fromFiles(n *yaml.Node) (all []Variable) {
	files := n.Content
	if n.Kind == yaml.ScalarNode {
		files = []*yaml.Node{n}
	}
	for _, n := range files {
		file := n.Value
		if n.Kind == yaml.MappingNode {
			var is struct {
				Path string `yaml:"path"`
			}
			if n.Decode(&is) != nil {
				continue
			}
			file = is.Path
		}
		file = filepath.Clean(file)
		if !filepath.IsLocal(file) || sample(file) {
			continue
		}
		text := string(p.read(file))
		values, err := dotenv.Parse(text)
		if err != nil {
			continue
		}
		for _, name := range inOrder(text, values) {
			all = append(all, Variable{name, file, values[name]})
			if guess.Secret(name, values[name]) && !ours(name) && !slices.Contains(p.compose.envFiles, file) {
				p.compose.envFiles = append(p.compose.envFiles, file)
			}
		}
	}
	return all
}

// published is the port of this machine where the Vault of a service is, "" where at none that is written out.
func published(ports []any) string {
	number := regexp.MustCompile(`^[0-9]+$`)
	for _, p := range ports {
		at := ""
		switch p := p.(type) {
		case string:
			if parts := strings.Split(p, ":"); len(parts) > 1 && parts[len(parts)-1] == "8200" {
				at = parts[len(parts)-2]
			}
		case map[string]any:
			if fmt.Sprint(p["target"]) == "8200" {
				at = fmt.Sprint(p["published"])
			}
		}
		if number.MatchString(at) {
			return at
		}
	}
	return ""
}

// inside is Vault's address for a container, which Compose starts or not, and whether that is on this machine.
func (p Project) inside(o Options, composed bool) (at string, onHost bool) {
	switch u, err := url.Parse(o.Address); {
	case composed && p.compose != nil && p.compose.vault != "":
		return "http://" + p.compose.vault + ":8200", false
	case err != nil || !config.Loopback(o.Address) || u.Port() == "":
		return o.Address, false
	default:
		return u.Scheme + "://host.docker.internal:" + u.Port(), true
	}
}

// composeFile is the piece for Compose, and what it leaves to somebody.
func (p Project) composeFile(o Options) (f File, notes []string, err error) {
	f, err = readFile(p.Dir, composePiece)
	if err != nil {
		return f, nil, err
	}
	if f.is {
		f.New = f.old
		return f, []string{composePiece + " is there: it is left as it is"}, nil
	}
	at, onHost := p.inside(o, true)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s puts vwrap before the programs of %s:\n#   docker compose -f %[2]s -f %[1]s up\n# VWRAP names the Linux program to mount; in an image of your own, COPY it.\nservices:\n", composePiece, p.compose.file)
	wrapped := 0
	for _, own := range p.compose.programs {
		command := p.wrapped(own)
		if command == "" {
			notes = append(notes, fmt.Sprintf("%s: service %s is left as it is: say its command there, or wrap it yourself: command: [vwrap, --, …]", p.compose.file, own.name))
			continue
		}
		wrapped++
		fmt.Fprintf(&b, "  %s:\n    command: %s\n    environment:\n      VAULT_ADDR: %s\n      VAULT_TOKEN_FILE: /run/secrets/vault-token\n      VWRAP_CONFIG: /etc/vwrap/vwrap.yaml\n",
			scalar(own.name), command, scalar(at))
		for _, v := range own.secrets {
			fmt.Fprintf(&b, "      %s: %s\n", scalar(v.Name), scalar(o.reference(v)))
			if v.reference() == "" && !filledIn().MatchString(v.Value) {
				notes = append(notes, fmt.Sprintf("%s has the value of %s: put it into Vault, and take it out there", v.File, v.Name))
			}
		}
		b.WriteString("    volumes:\n      - ${VWRAP:-/usr/local/bin/vwrap}:/usr/local/bin/vwrap:ro\n      - ./vwrap.yaml:/etc/vwrap/vwrap.yaml:ro\n    secrets: [vault-token]\n    stop_grace_period: 12s # longer than vwrap's own stop_grace, 7s\n")
		if onHost {
			b.WriteString("    extra_hosts: [\"host.docker.internal:host-gateway\"]\n")
		}
	}
	if wrapped == 0 {
		return f, append(notes, fmt.Sprintf("%s has no program that vwrap could be put before: %s is not written", p.compose.file, composePiece)), nil
	}
	b.WriteString("secrets:\n  vault-token:\n    file: ${VAULT_TOKEN_FILE:-${HOME}/.vault-token}\n")
	f.New = []byte(b.String())
	return f, notes, nil
}

// wrapped is the command of a service behind vwrap, as YAML; "" where nothing says what it is, or where it is wrapped already.
func (p Project) wrapped(own program) string {
	var words []string
	switch c := own.command; {
	case c == nil && p.Start == "":
		return ""
	case c == nil:
		words = append([]string{"vwrap", "--"}, strings.Fields(p.Start)...)
	case c.Kind == yaml.ScalarNode && strings.HasPrefix(strings.TrimSpace(c.Value), "vwrap "):
		return ""
	case c.Kind == yaml.ScalarNode:
		return scalar("vwrap -- " + strings.TrimSpace(c.Value)) // Compose splits it, as it did before
	case c.Kind == yaml.SequenceNode && c.Decode(&words) == nil && !slices.Contains(words[:min(1, len(words))], "vwrap"):
		words = append([]string{"vwrap", "--"}, words...)
	default:
		return ""
	}
	for i, w := range words {
		if words[i] = w; w != "--" {
			words[i] = scalar(w)
		}
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// scalar is text as a YAML scalar on one line that is read as that text.
func scalar(text string) string {
	if plainScalar().MatchString(text) && !slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(text)) {
		return text
	}
	return quoted(text)
}

var plainScalar = pattern.Of(`^[A-Za-z_/][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*(?: -- [A-Za-z0-9_./ -]*[A-Za-z0-9_./-])?$`)

// quoted is text in double quotes.
func quoted(text string) string {
	n := yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Tag: "!!str", Value: text}
	out, _ := yaml.Marshal(&n) // a scalar has nothing that cannot be written
	return strings.TrimSuffix(string(out), "\n")
}
