package address

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/pattern"
)

var (
	// before is what may stand before a command: other commands, and the keys of files that have one as a value.
	before   = pattern.Of(`^(?:sudo|env|command|exec|RUN|(?:run|(?:before_|after_)?script|command|cmds?|entry|entrypoint|sh|shell):)$`)
	assigned = pattern.Of(`^[A-Za-z_][A-Za-z0-9_]*\+?=`)
	// harmless are paths that everybody may read: what they have is no secret.
	harmless = pattern.Of(`^(?:/?v1/)?(?:auth|sys|identity)/|/(?:cert|ca|ca_chain|crl|public_key|config|issuer)(?:/|$)`)
	// swallow are programs that print nothing of what they read, or nothing that others can read.
	swallow = []string{"xargs", "wc", "md5sum", "sha1sum", "sha256sum", "sha512sum", "shasum", "cksum", "cmp", "gpg", "age", "sops", "openssl", "kubeseal"}
	repeats = []string{"echo", "printf", "cat", "tee"} // what they are given as words
	engines = []string{"docker", "podman", "nerdctl"}
)

// program is the name that a word has as a command; of an image of Vault's, its program's.
func program(w word) string {
	if w.quoted {
		return ""
	}
	name := path.Base(strings.TrimLeft(w.text, "@+-"))
	switch image, version, _ := strings.Cut(name, ":"); {
	case image == "openbao":
		return "bao"
	case image == "vault" && version != "":
		return image
	}
	return name
}

// arguments are the words after the program, for each time that it is one of names.
func (c command) arguments(names ...string) (all [][]word) {
	for i, w := range c.words {
		if slices.Contains(names, program(w)) {
			all = append(all, c.words[i+1:])
		}
	}
	return all
}

// plainWords are those that are no flags.
func plainWords(words []word) (all []string) {
	for _, w := range words {
		if !strings.HasPrefix(w.text, "-") || w.text == "-" {
			all = append(all, w.text)
		}
	}
	return all
}

// prints is what c prints, given in to read.
func (c command) prints(in prints) prints {
	for _, words := range c.arguments("vault", "bao") {
		if p := fetches(plainWords(words)); p != nothing {
			return p
		}
	}
	for _, words := range c.arguments("curl", "wget") {
		if asksVault(words) {
			return values
		}
	}
	name := c.name()
	switch {
	case c.group, slices.Contains(repeats, name):
		in = max(in, c.holds)
	case slices.Contains(swallow, name), c.mentions("-stdin"), name == "grep" && (c.mentions("-q") || c.mentions("-c")):
		return nothing
	}
	if c.mentions("required_keys") || in == values && (name == "jq" || name == "yq") && c.mentions("keys") {
		return names
	}
	return in
}

// name is the program's.
func (c command) name() string {
	for _, w := range c.words {
		if p := program(w); p != "" && !assigned().MatchString(p) && !before().MatchString(p) {
			return p
		}
	}
	return ""
}

func (c command) mentions(text string) bool {
	return slices.ContainsFunc(c.words, func(w word) bool { return strings.Contains(w.text, text) })
}

// fetches is what Vault's program prints, by its arguments.
func fetches(words []string) prints {
	if len(words) < 2 {
		return nothing
	}
	switch words[0] + " " + words[1] {
	case "kv get", "print token":
		return values
	case "kv list":
		return names
	}
	switch words[0] {
	case "read":
		if !slices.ContainsFunc(words[1:], harmless().MatchString) {
			return values
		}
	case "unwrap":
		return values
	case "list":
		if !harmless().MatchString(words[1]) {
			return names
		}
	}
	return nothing
}

// asksVault reports whether a secret is read from Vault's API.
func asksVault(words []word) bool {
	token, read := false, true
	for _, w := range words {
		token = token || strings.Contains(w.text, "X-Vault-Token") || strings.Contains(w.text, "X-Vault-Request")
		_, at, _ := strings.Cut(w.text, "/v1/")
		read = read && !harmless().MatchString(at) && !slices.Contains([]string{"-d", "--data", "POST", "PUT", "DELETE", "-XPOST", "-XPUT", "-XDELETE"}, w.text)
	}
	return token && read
}

// tee is the files that tee and curl write themselves.
func (c command) tee() (files []word) {
	for _, words := range c.arguments("tee") {
		for _, w := range words {
			if !strings.HasPrefix(w.text, "-") {
				files = append(files, w)
			}
		}
	}
	for _, words := range c.arguments("curl", "wget") {
		for i, w := range words {
			if i > 0 && slices.Contains([]string{"-o", "--output", "-O"}, words[i-1].text) {
				files = append(files, w)
			}
		}
	}
	return files
}

// commands looks at the commands of a file.
func (l *look) commands(f *file, text string) {
	read := func(text string, from int) {
		s := script{text: text, at: from, bodyFrom: -1, command: func(c command) { l.command(f, c) }, wrote: func(p prints, w word) { l.written(f, p, w) }}
		for !s.over() {
			s.list("")
		}
	}
	switch ext := path.Ext(f.name); {
	case ext == ".sh" || path.Base(f.name) == ".envrc":
		read(text, 0)
	case ext == ".json":
		inStrings(text, read)
	default:
		inLines(text, ext == ".yml" || ext == ".yaml", read)
	}
}

// block is a line of YAML after which a text of several begins.
var block = pattern.Of(`(?:^|[:-])\s+[|>][-+0-9]*\s*(?:#.*)?$`)

// blockEnd is where the lines end that are further in than the one from which they are.
func blockEnd(text string, from int) int {
	first, _, _ := strings.Cut(text[from:], "\n")
	indent := len(first) - len(strings.TrimLeft(first, " "))
	end := min(from+len(first)+1, len(text))
	for end < len(text) {
		line, _, _ := strings.Cut(text[end:], "\n")
		if bare := strings.TrimLeft(line, " "); strings.TrimSpace(bare) != "" && len(line)-len(bare) <= indent {
			break
		}
		end = min(end+len(line)+1, len(text))
	}
	return end
}

// inLines reads the lines of a text as a script each, with those that continue them; of YAML, a text of several lines as one.
func inLines(text string, yaml bool, read func(text string, from int)) {
	for from := 0; from < len(text); {
		line, _, _ := strings.Cut(text[from:], "\n")
		if begins := from + len(line) + 1; yaml && begins < len(text) && block().MatchString(strings.TrimSuffix(line, "\r")) {
			end := blockEnd(text, from)
			read(text[:end], min(begins, end))
			from = end
			continue
		}
		end := from
		for more := true; more && end < len(text); {
			line, _, _ := strings.Cut(text[end:], "\n")
			end = min(end+len(line)+1, len(text))
			line = strings.TrimRight(line, " \t\r")
			more = strings.HasSuffix(line, `\`) || strings.HasSuffix(line, "|") || strings.HasSuffix(line, "&&")
		}
		read(text[:end], from)
		from = end
	}
}

// inStrings reads the strings of a JSON text as a script each. What is escaped in them takes as many letters afterwards.
func inStrings(text string, read func(text string, from int)) {
	b := []byte(text)
	var parts [][2]int
	for i := 0; i < len(b); i++ {
		if b[i] != '"' {
			continue
		}
		from := i + 1
		for i = from; i < len(b) && b[i] != '"'; i++ {
			if b[i] == '\\' && i+1 < len(b) {
				unescape(b[i : i+2])
				i++
			}
		}
		parts = append(parts, [2]int{from, min(i, len(b))})
	}
	plain := string(b)
	for _, p := range parts {
		read(plain[:p[1]], p[0])
	}
}

func unescape(b []byte) {
	switch b[1] {
	case 'n':
		b[0], b[1] = ' ', '\n'
	case 't', 'r':
		b[0], b[1] = ' ', ' '
	case '"', '/':
		b[0] = ' '
	}
}

// tell adds a finding, once.
func (l *look) tell(f check.Finding) {
	key := fmt.Sprintf("%s %s:%d:%d", f.Rule, f.File, f.Line, f.Column)
	if l.seen[key] {
		return
	}
	l.seen[key] = true
	l.found = append(l.found, f)
}

// written tells of a file that gets secrets, or their names.
func (l *look) written(f *file, what prints, w word) {
	name := strings.TrimSpace(strings.Trim(w.text, `"'`))
	if !isFile(name) {
		return
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) || len(name) > 100 {
		name = "a file"
	}
	found := f.at(w.at)
	found.Rule, found.Subject = "secret-to-file", name
	found.Text = "a secret is written into " + name + ", where it stays in clear"
	found.Mend = "write a reference in vwrap.yaml (vault:PATH#FIELD), and start the command by vwrap -- CMD, which renews and rotates too: no file is needed"
	switch {
	case what == names:
		found.Text, found.Mend = "the names of secrets are written into "+name, "vwrap check parity compares them, and writes no file"
	case f.kind == devcontainer:
		found.Mend = "write a reference in vwrap.yaml (vault:PATH#FIELD), and start terminals by vwrap exec: no file is needed"
	}
	l.tell(found)
}

// command looks at one by itself.
func (l *look) command(f *file, c command) {
	for _, words := range c.arguments(engines...) {
		if plain := plainWords(words); len(plain) > 1 && (plain[0] == "run" || plain[0] == "create" || plain[0] == "container" && (plain[1] == "run" || plain[1] == "create")) {
			l.run(f, words)
			return // what stands there runs in a container
		}
	}
	for _, words := range c.arguments("vault", "bao") {
		switch plain := plainWords(words); {
		case len(plain) == 0:
		case plain[0] == "server" && f.ownMachine():
			l.listens(f, words)
		case words[0].text == "login" && len(words) == 2 && slices.Contains([]string{"vault", "bao", "docker", "podman"}, c.name()):
			at := f.at(words[1].at)
			l.value(f.name, at.Line, at.Column, variable{"", "TOKEN"}, strings.TrimPrefix(words[1].text, "token="))
		}
	}
}

// listens looks at where a development server listens.
func (l *look) listens(f *file, words []word) {
	for i, w := range words {
		flag, address, ok := strings.Cut(w.text, "=")
		if !ok && i+1 < len(words) {
			address = words[i+1].text
		}
		host, port := splitAddress(l.expand(address))
		if strings.TrimLeft(flag, "-") != "dev-listen-address" || port == "" || !everywhere(host) {
			continue
		}
		found := f.at(w.at)
		found.Rule, found.Subject = "published-everywhere", "vault"
		found.Text = "vault listens at every address of this machine: the network reaches it"
		found.Mend = "have it listen here alone: -dev-listen-address=127.0.0.1:" + port
		l.tell(found)
	}
}

// imageIn is which of an engine's words is Vault's image; -1 for none. What follows a flag is that flag's, but for those that stand alone.
func imageIn(words []word) int {
	for i, w := range words {
		taken := i > 0 && strings.HasPrefix(words[i-1].text, "-") && !strings.Contains(words[i-1].text, "=") && !alone().MatchString(words[i-1].text)
		if !taken && !strings.HasPrefix(w.text, "-") && vaultImage().MatchString(w.text) {
			return i
		}
	}
	return -1
}

var alone = pattern.Of(`^(?:-[dit]+|--(?:rm|init|detach|interactive|tty|privileged|read-only|quiet|publish-all)|-[Pq]|-p[0-9].*)$`)

// run looks at how an engine runs Vault's image.
func (l *look) run(f *file, words []word) {
	at := imageIn(words)
	if at < 0 {
		return
	}
	l.image(f.at(words[at].at), words[at].text)
	var text []string
	for _, w := range words {
		text = append(text, w.text)
	}
	listens := listeners(strings.Join(text, " "))
	found := check.Finding{Rule: "published-everywhere", Subject: "vault", Text: "vault is published at every address of this machine: the network reaches it"}
	for i, w := range words[:at] {
		flag, value, ok := strings.Cut(w.text, "=")
		if !ok {
			value = words[i+1].text
		}
		if number, is := strings.CutPrefix(flag, "-p"); is && number != "" && strings.ContainsAny(number[:1], "0123456789") {
			flag, value = "-p", number // -p8200:8200
		}
		found.Mend = ""
		switch flag {
		case "-p", "--publish":
			if host, published, target := splitPort(l.expand(value)); everywhere(host) && listens.reached(published, target) {
				found.Mend = fmt.Sprintf("publish it here alone: 127.0.0.1:%s:%s", published, target)
			}
		case "--network", "--net":
			if value == "host" && listens.open() {
				found.Mend = "publish it here alone, instead of the host's network: -p 127.0.0.1:8200:8200"
			}
		}
		if place := f.at(w.at); found.Mend != "" {
			found.File, found.Line, found.Column = place.File, place.Line, place.Column
			l.tell(found)
		}
	}
}
