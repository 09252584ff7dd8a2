// Package starter proposes what a project needs in order to run under vwrap, by what lies in its folder: vwrap.yaml with a reference for
// each secret, and, where they are asked for, the pieces for Compose, a dev container and direnv. It asks nobody, and writes when it
// is told to. No value of a secret gets into what it proposes.
package starter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/pattern"
	"github.com/vwrap/vwrap/internal/rewrite"
)

// DefaultAddress is Vault's where nothing names one.
const DefaultAddress = "http://127.0.0.1:8200"

// Options say what is wanted. Those that are empty come from the project.
type Options struct {
	Path    string   // of the secret in KV that is to have the project's, such as secret/dev/shop
	Address string   // of Vault
	Secrets []string // names that are secrets, instead of a guess

	Compose, Devcontainer, Direnv bool // the pieces that are wanted

	Tracked func(file string) bool // whether git has a file of the folder; nil where there is no repository
}

// Plan is what is to be written, and what is left to somebody.
type Plan struct {
	Files []File // that change
	Notes []string
	Next  []string // lines for a shell
}

// Path is the secret that is to have the project's own, unless another is named.
func (p Project) Path() string { return "secret/dev/" + p.Name }

// Address is Vault's, as a file of the project has it, or "".
func (p Project) Address() string {
	if c := p.compose; c != nil && c.port != "" && (p.address == "" || strings.HasPrefix(p.address, "http://"+c.vault+":")) {
		return "http://127.0.0.1:" + c.port // a service's name means nothing on this machine
	}
	return strings.Replace(p.address, "//host.docker.internal:", "//127.0.0.1:", 1) // what containers call this machine
}

// Compose is the name of the Compose file, or "".
func (p Project) Compose() string {
	if p.compose == nil {
		return ""
	}
	return p.compose.file
}

// Devcontainer is the path of devcontainer.json, or "".
func (p Project) Devcontainer() string {
	if p.devcontainer == nil {
		return ""
	}
	return p.devcontainer.file
}

// Direnv reports whether there is an .envrc.
func (p Project) Direnv() bool { return p.envrc }

var secretPath = pattern.Of(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$`) // what needs no quotes in a reference, in YAML, in a shell

// reference is what v is to be.
func (o Options) reference(v Variable) string {
	if r := v.reference(); r != "" {
		return r
	}
	return "vault:" + o.Path + "#" + v.Name
}

// Plan says what is to be written for o.
func (p Project) Plan(o Options) (Plan, error) {
	if err := p.complete(&o); err != nil {
		return Plan{}, err
	}
	plan := Plan{Notes: slices.Clone(p.Notes)}
	pieces := []func(Options) (File, []string, error){p.configFile}
	if o.Compose {
		pieces = append(pieces, p.composeFile)
	}
	if o.Devcontainer {
		pieces = append(pieces, func(o Options) (File, []string, error) { f, err := p.devcontainerFile(o); return f, nil, err })
	}
	if o.Direnv {
		pieces = append(pieces, p.envrcFile)
	}
	if o.Tracked != nil {
		pieces = append(pieces, p.ignoreFile)
	}
	for _, piece := range pieces {
		f, notes, err := piece(o)
		if err != nil {
			return Plan{}, fmt.Errorf("%s: %w", f.Path, err)
		}
		plan.Notes = append(plan.Notes, notes...)
		if len(f.New) > 0 && f.changes() {
			plan.Files = append(plan.Files, f)
		}
	}
	if p.aliases(o) != "" {
		plan.Notes = append(plan.Notes, "on Linux a container does not reach what listens at 127.0.0.1 alone: have this Vault listen at the bridge's address too")
	}
	plan.Next = p.next(o)
	return plan, nil
}

// complete fills o in from the project, and says what cannot be meant.
func (p *Project) complete(o *Options) error {
	o.Path = cmp.Or(o.Path, p.Path())
	o.Address = cmp.Or(o.Address, p.Address(), DefaultAddress)
	if err := p.Check(*o); err != nil {
		return err
	}
	p.choose(o.Secrets)
	return nil
}

// Check says what of o cannot be meant, whatever that which is empty becomes.
func (p Project) Check(o Options) error {
	if o.Path != "" && !secretPath().MatchString(o.Path) {
		return fmt.Errorf("--path %s: want the path of a secret, such as secret/dev/app", o.Path)
	}
	if o.Address != "" {
		if _, err := config.NormalizeAddress(o.Address); err != nil {
			return fmt.Errorf("--address: %w", err)
		}
	}
	if o.Compose && p.compose == nil {
		return fmt.Errorf("--compose: there is no Compose file in %s (it would be called %s)", p.Dir, strings.Join(composeFiles, ", "))
	}
	for _, name := range o.Secrets {
		if !variableName().MatchString(name) || ours(name) {
			return fmt.Errorf("--secrets: %q is no name of a program's variable", name)
		}
	}
	return nil
}

// choose takes names for the secrets, and all others for none.
func (p *Project) choose(names []string) {
	if len(names) == 0 {
		return
	}
	all := slices.Concat(p.Secrets, p.Others)
	p.Secrets, p.Others = nil, nil
	for _, v := range all {
		if slices.Contains(names, v.Name) {
			p.Secrets = append(p.Secrets, v)
		} else {
			p.Others = append(p.Others, v)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(p.Secrets, func(v Variable) bool { return v.Name == name }) {
			p.Secrets = append(p.Secrets, Variable{Name: name})
		}
	}
}

// configFile is vwrap.yaml. One that is there is left as it is.
func (p Project) configFile(o Options) (f File, notes []string, err error) {
	f, err = readFile(p.Dir, config.Name)
	if err != nil {
		return f, nil, err
	}
	if f.is {
		f.New = f.old
		return f, p.missing(f, o), nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\n\nvault:\n  address: %s\n", scalar(o.Address))
	if len(p.Secrets) == 0 {
		fmt.Fprintf(&b, "\n# env: # a name, and where its value is\n#   DB_PASSWORD: vault:%s#DB_PASSWORD\n", o.Path)
	} else {
		b.WriteString("\nenv:\n")
	}
	from := ""
	for _, v := range p.Secrets {
		if v.File != from {
			from = v.File
			fmt.Fprintf(&b, "  # as in %s\n", from)
		}
		fmt.Fprintf(&b, "  %s: %s\n", scalar(v.Name), scalar(o.reference(v)))
	}
	if aliases := p.aliases(o); aliases != "" {
		b.WriteString("\ncheck:\n  address_aliases: # one server, by the names that containers and this machine have for it\n    - " + aliases + "\n")
	}
	f.New = []byte(b.String())
	return f, nil, nil
}

// missing are the secrets that a vwrap.yaml does not name.
func (p Project) missing(f File, o Options) []string {
	c, err := config.Load(p.Dir+"/"+f.Path, "")
	if err != nil {
		return []string{config.Name + " is there, and is left as it is, but it cannot be read: vwrap plan says why"}
	}
	note := config.Name + " is there: it is left as it is"
	var lines []string
	for _, v := range p.Secrets {
		if !slices.ContainsFunc(c.Env, func(e config.Entry) bool { return e.Name == v.Name }) {
			lines = append(lines, fmt.Sprintf("  %s: %s", v.Name, o.reference(v)))
		}
	}
	if len(lines) > 0 {
		note += "; under env: it could have\n" + strings.Join(lines, "\n")
	}
	return []string{note}
}

// aliases are the addresses that mean one server, as a YAML list; "" where they need not be told apart.
func (p Project) aliases(o Options) string {
	at, onHost := p.inside(o, !o.Devcontainer || p.composedContainer())
	if !onHost || !o.Compose && !o.Devcontainer {
		return ""
	}
	return fmt.Sprintf("[%s, %s]", quoted(o.Address), quoted(at))
}

// envrcFile has direnv use vwrap.
func (p Project) envrcFile(Options) (File, []string, error) {
	f, err := readFile(p.Dir, ".envrc")
	if err != nil {
		return f, nil, err
	}
	f.addLines(func(line, wanted string) bool { return line == wanted || strings.HasPrefix(line, wanted+" ") }, "use vwrap")
	return f, nil, nil
}

// ignoreFile keeps what has values out of git.
func (p Project) ignoreFile(o Options) (f File, notes []string, err error) {
	f, err = readFile(p.Dir, ".gitignore")
	if err != nil {
		return f, nil, err
	}
	same := func(line, wanted string) bool { return strings.TrimPrefix(line, "/") == wanted }
	lines := []string{".env.local", ".env.*.local", ".vault-token", "*" + rewrite.Suffix}
	var tracked []string
	for _, v := range p.Secrets {
		if v.reference() != "" || sample(v.File) || !slices.Contains(dotenvFiles, v.File) || slices.Contains(tracked, v.File) {
			continue
		}
		if o.Tracked(v.File) {
			tracked = append(tracked, v.File)
			notes = append(notes, fmt.Sprintf("git has %s, with what look like secrets: git rm --cached %[1]s; what was committed has to be changed", v.File))
		}
	}
	f.addLines(same, append([]string{".env"}, lines...)...)
	return f, notes, nil
}

// next are the lines with which one goes on.
func (p Project) next(o Options) (lines []string) {
	start, file := cmp.Or(p.Start, "CMD"), ""
	clearly := p.inClear()
	if len(clearly) > 0 {
		file = clearly[0]
	}
	dev := "vwrap dev -- " + start + "    # with a development Vault, in memory"
	if file != "" {
		dev = fmt.Sprintf("vwrap dev --from-env %s --path %s -- %s    # with a development Vault that has what %[1]s has", file, o.Path, start)
	}
	lines = append(lines, "vwrap plan    # what is injected, and from where", dev)
	if !config.Loopback(o.Address) {
		lines = append(lines, "vwrap trust    # once: this Vault may have your token")
	}
	lines = append(lines, "vwrap -- "+start)
	if o.Compose {
		lines = append(lines, fmt.Sprintf("docker compose -f %s -f %s up", p.compose.file, composePiece))
	}
	if o.Direnv {
		lines = append(lines, `eval "$(vwrap hook direnv)"    # once, into ~/.config/direnv/direnvrc; then: direnv allow`)
	}
	if file != "" {
		lines = append(lines, "vwrap check leaks    # once Vault has the values: "+strings.Join(clearly, ", ")+" has them in clear still"+p.inspected(o)+": take them out")
	}
	return lines
}

// inClear are the files that have values of secrets, and that a program or Compose reads.
func (p Project) inClear() (files []string) {
	for _, v := range p.Secrets {
		if v.reference() == "" && !sample(v.File) && !slices.Contains(files, v.File) && (slices.Contains(dotenvFiles, v.File) || p.compose != nil && slices.Contains(p.compose.envFiles, v.File)) {
			files = append(files, v.File)
		}
	}
	return files
}

// inspected says where the values of files are too.
func (p Project) inspected(o Options) string {
	if p.compose == nil || len(p.compose.envFiles) == 0 || o.Compose { // that piece has references in their place
		return ""
	}
	return ", and docker inspect what env_file hands to containers"
}
