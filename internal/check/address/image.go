package address

import (
	"path"
	"strings"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/pattern"
)

// product is how images of Vault and OpenBao are called; tag is what may follow, and after what may follow that on a line.
const (
	product = `(?:vault(?:-enterprise)?|openbao(?:-(?:hsm|ubi))*)`
	tag     = `(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?`
	after   = `["']?\s*(?:[,}\]#]|$|\s[Aa][Ss]\s)`
)

var (
	vaultImage = pattern.Of(`(?:^|/)` + product + `(?:[:@][^/]*)?$`)
	imageLine  = pattern.Of(`(?:\bimage["']?\s*:\s*|^\s*FROM\s+(?:--\S+\s+)?)["']?((?:[\w.-]+(?::\d+)?/)*` + product + tag + `)` + after)
	gitlabLine = pattern.Of(`(?:^\s*(?:-\s+)?|[\[{,]\s*)(?:name["']?\s*:\s*)?["']?((?:[\w.-]+(?::\d+)?/)+` + product + tag + `)` + after)
	ofGitLab   = pattern.Of(`^(?:.*/)?\.gitlab-ci[^/]*$|^\.gitlab/`)
)

// images looks for those of Vault or OpenBao on a line.
func (l *look) images(f *file, from int, line string) {
	all := imageLine().FindAllStringSubmatchIndex(line, -1)
	if ofGitLab().MatchString(f.name) {
		all = append(all, gitlabLine().FindAllStringSubmatchIndex(line, -1)...)
	}
	for _, m := range all {
		l.image(f.at(from+m[2]), line[m[2]:m[3]])
	}
}

// image tells of one without a version.
func (l *look) image(at check.Finding, text string) {
	name := strings.TrimSuffix(text, ":latest")
	if strings.ContainsAny(path.Base(name), ":@$") {
		return
	}
	at.Rule, at.Subject = "no-tag", name
	at.Text = name + " without a version: it is another one tomorrow"
	at.Mend = "name one, such as " + versioned(name)
	l.tell(at)
}

// versioned is an image with a version that there is.
func versioned(name string) string {
	switch base := path.Base(name); {
	case name == "vault":
		return "hashicorp/vault:1.21.1"
	case name == "openbao":
		return "openbao/openbao:2.4.1"
	case base == "vault-enterprise":
		return name + ":1.21.1-ent"
	case base == "vault":
		return name + ":1.21.1"
	}
	return name + ":2.4.1"
}

// madeOf is the image that a Dockerfile ends with, or that its stage target does.
func madeOf(text, target string) string {
	stages := map[string]string{}
	last := ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || !strings.EqualFold(words[0], "FROM") {
			continue
		}
		words = words[1:]
		for len(words) > 1 && strings.HasPrefix(words[0], "--") {
			words = words[1:]
		}
		if last = words[0]; stages[last] != "" {
			last = stages[last]
		}
		if len(words) > 2 && strings.EqualFold(words[1], "AS") {
			stages[words[2]] = last
		}
	}
	if target != "" {
		return stages[target]
	}
	return last
}

// imageName is the last part of an image's name, without a version.
func imageName(image string) string {
	name, _, _ := strings.Cut(path.Base(image), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}
