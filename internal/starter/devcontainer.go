package starter

import (
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/vwrap/vwrap/internal/guess"
)

// devcontainerFiles are where a dev container is described (containers.dev/implementors/spec).
var devcontainerFiles = []string{".devcontainer/devcontainer.json", ".devcontainer.json"}

// The environments of a devcontainer.json: the container's own, and that of the editor's terminals.
const (
	containerEnv = "containerEnv"
	remoteEnv    = "remoteEnv"
)

// devcontainer is what a devcontainer.json has.
type devcontainer struct {
	file     string
	text     []byte
	composed bool // Compose starts it
}

func (p *Project) readDevcontainer() {
	for _, file := range devcontainerFiles {
		text := p.read(file)
		if text == nil {
			continue
		}
		value, err := hujson.Parse(text)
		top, is := value.Value.(*hujson.Object)
		if err != nil || !is {
			p.note("%s is no JSON with comments, and is left out", file)
			return
		}
		p.devcontainer = &devcontainer{file, text, member(top, "dockerComposeFile") != nil}
		for _, name := range []string{containerEnv, remoteEnv} {
			env, _ := member(top, name).(*hujson.Object)
			for _, v := range texts(env) {
				v.File = file
				p.add(v)
			}
		}
		return
	}
}

// member is what o has under name; nil where it has nothing.
func member(o *hujson.Object, name string) hujson.ValueTrimmed {
	if o == nil {
		return nil
	}
	for _, m := range o.Members {
		if key, ok := m.Name.Value.(hujson.Literal); ok && key.String() == name {
			return m.Value.Value
		}
	}
	return nil
}

// texts are the members of o that are strings.
func texts(o *hujson.Object) (all []Variable) {
	if o == nil {
		return nil
	}
	for _, m := range o.Members {
		name, _ := m.Name.Value.(hujson.Literal)
		if value, ok := m.Value.Value.(hujson.Literal); ok && value.Kind() == '"' {
			all = append(all, Variable{Name: name.String(), Value: value.String()})
		}
	}
	return all
}

// devcontainerFile is the dev container with vwrap in it: what is described keeps its comments, and its order.
func (p Project) devcontainerFile(o Options) (File, error) {
	at, text := devcontainerFiles[0], []byte("{\n}\n")
	if p.devcontainer != nil {
		at, text = p.devcontainer.file, p.devcontainer.text
	}
	f, err := readFile(p.Dir, at)
	if err != nil {
		return f, err
	}
	value, err := hujson.Parse(text)
	if err != nil {
		return f, err
	}
	top, _ := value.Value.(*hujson.Object)
	if p.devcontainer == nil {
		p.describe(top, o)
	} else {
		p.refer(&f, top, o)
		hideArguments(&f, top)
	}
	p.equip(top, o)
	f.New = value.Pack()
	return f, nil
}

// composedContainer reports whether Compose starts the dev container, or would.
func (p Project) composedContainer() bool {
	if p.devcontainer != nil {
		return p.devcontainer.composed
	}
	return p.compose != nil && len(p.compose.programs) > 0
}

// describe says what a dev container is made of, where nothing did.
func (p Project) describe(top *hujson.Object, o Options) {
	set(top, "name", p.Name)
	if p.composedContainer() {
		files := []string{"../" + p.compose.file}
		if o.Compose {
			files = append(files, "../"+composePiece)
		}
		setList(top, "dockerComposeFile", files...)
		set(top, "service", p.compose.programs[0].name)
		set(top, "workspaceFolder", "/workspace")
		setList(top, "mounts", "source=${localWorkspaceFolder},target=/workspace,type=bind")
		return
	}
	set(top, "image", "debian:bookworm")
}

// refer puts references where the environments have secrets. All that they had is hidden in f's diff.
func (p Project) refer(f *File, top *hujson.Object, o Options) {
	for _, name := range []string{containerEnv, remoteEnv} {
		env, _ := member(top, name).(*hujson.Object)
		if env == nil {
			continue
		}
		for i, m := range env.Members {
			name, _ := m.Name.Value.(hujson.Literal)
			value, ok := m.Value.Value.(hujson.Literal)
			if !ok || value.Kind() != '"' {
				continue
			}
			v := Variable{Name: name.String(), Value: value.String()}
			if v.Value != "" && v.reference() == "" && !strings.HasPrefix(v.Value, "${") && v.Name != "VAULT_ADDR" {
				f.hidden = append(f.hidden, string(value))
			}
			if !guess.Secret(v.Name, v.Value) || ours(v.Name) || v.reference() != "" {
				continue
			}
			f.keep = f.keep || !strings.HasPrefix(v.Value, "${localEnv:")
			env.Members[i].Value.Value = hujson.String(o.reference(v))
		}
	}
}

// hideArguments hides what the container is started with in f's diff: -e NAME=VALUE may be among it.
func hideArguments(f *File, top *hujson.Object) {
	array, _ := member(top, "runArgs").(*hujson.Array)
	if array == nil {
		return
	}
	for _, e := range array.Elements {
		if text, ok := e.Value.(hujson.Literal); ok && strings.Contains(text.String(), "=") {
			f.hidden = append(f.hidden, string(text))
		}
	}
}

// equip gives a dev container the program, the way to Vault and the token, unless it has them.
func (p Project) equip(top *hujson.Object, o Options) {
	at, onHost := p.inside(o, p.composedContainer())
	wanted := [][2]string{{"VAULT_ADDR", at}, {"VAULT_TOKEN_FILE", "/run/secrets/vault-token"}}
	indent := indentOf(top)
	if member(top, containerEnv) == nil {
		add(top, containerEnv, &hujson.Object{AfterExtra: hujson.Extra("\n" + indent)}, indent)
	}
	if env, ok := member(top, containerEnv).(*hujson.Object); ok {
		for _, v := range wanted {
			if member(env, v[0]) == nil {
				add(env, v[0], hujson.String(v[1]), indent+indent)
			}
		}
	}
	appendTo(top, "mounts",
		"source=${localEnv:VWRAP:/usr/local/bin/vwrap},target=/usr/local/bin/vwrap,type=bind,readonly",
		"source=${localEnv:HOME}/.vault-token,target=/run/secrets/vault-token,type=bind,readonly")
	if onHost && !p.composedContainer() {
		appendTo(top, "runArgs", "--add-host=host.docker.internal:host-gateway")
	}
	if member(top, "postAttachCommand") == nil {
		set(top, "postAttachCommand", "vwrap doctor")
	}
}

// appendTo adds to the array of strings that top has under name those that it has not.
func appendTo(top *hujson.Object, name string, texts ...string) {
	there := member(top, name)
	if there == nil {
		setList(top, name, texts...)
		return
	}
	array, ok := there.(*hujson.Array)
	if !ok {
		return // what it is instead is somebody's own way
	}
	var has []string
	for _, e := range array.Elements {
		if text, ok := e.Value.(hujson.Literal); ok {
			has = append(has, text.String())
		}
	}
	for _, text := range texts {
		if !slices.ContainsFunc(has, func(h string) bool { return h == text || target(h) != "" && target(h) == target(text) }) {
			addElement(array, hujson.String(text))
		}
	}
}

// target is where a mount appears.
func target(mount string) string {
	for part := range strings.SplitSeq(mount, ",") {
		if at, ok := strings.CutPrefix(part, "target="); ok {
			return at
		}
	}
	return ""
}

// set adds a text to the top.
func set(top *hujson.Object, name, text string) { add(top, name, hujson.String(text), indentOf(top)) }

// setList adds an array of texts to the top, a line each where they are several.
func setList(top *hujson.Object, name string, texts ...string) {
	indent, array := indentOf(top), &hujson.Array{}
	for _, text := range texts {
		array.Elements = append(array.Elements, hujson.Value{Value: hujson.String(text)})
	}
	if len(texts) > 1 {
		for i := range array.Elements {
			array.Elements[i].BeforeExtra = hujson.Extra("\n" + indent + indent)
		}
		array.AfterExtra = hujson.Extra("\n" + indent)
	}
	add(top, name, array, indent)
}

// indentOf is what the lines of the top's members begin with.
func indentOf(top *hujson.Object) string {
	if len(top.Members) == 0 {
		return "  "
	}
	if indent := strings.TrimLeft(string(lead(top.Members[0].Name.BeforeExtra)), "\r\n"); indent != "" {
		return indent
	}
	return "  "
}

// add adds a member as the others of o are written; where there are none, on a line that begins with indent.
func add(o *hujson.Object, name string, value hujson.ValueTrimmed, indent string) {
	before := hujson.Extra("\n" + indent)
	if n := len(o.Members); n > 0 {
		before = lead(o.Members[0].Name.BeforeExtra)
		if o.Members[n-1].Value.AfterExtra != nil {
			o.Members[n-1].Value.AfterExtra = nil
			defer func() { o.Members[n].Value.AfterExtra = hujson.Extra{} }() // a comma after the last, as there was
		}
	}
	comments, end := cut(o.AfterExtra)
	if end == "" && len(o.Members) == 0 {
		end = "\n" + strings.TrimSuffix(indent, "  ")
	}
	o.AfterExtra = hujson.Extra(end)
	o.Members = append(o.Members, hujson.ObjectMember{
		Name:  hujson.Value{BeforeExtra: after(comments, before), Value: hujson.String(name)},
		Value: hujson.Value{BeforeExtra: hujson.Extra(" "), Value: value},
	})
}

// addElement adds an element as the others of a are written.
func addElement(a *hujson.Array, value hujson.ValueTrimmed) {
	before, n := hujson.Extra(nil), len(a.Elements)
	if n > 0 {
		if before = lead(a.Elements[0].BeforeExtra); len(before) == 0 {
			before = hujson.Extra(" ")
		}
		if a.Elements[n-1].AfterExtra != nil {
			a.Elements[n-1].AfterExtra = nil
			defer func() { a.Elements[n].AfterExtra = hujson.Extra{} }()
		}
	}
	comments, end := cut(a.AfterExtra)
	a.AfterExtra = hujson.Extra(end)
	a.Elements = append(a.Elements, hujson.Value{BeforeExtra: after(comments, before), Value: value})
}

// after is the white space that follows comments: the last of them may go to the end of its line.
func after(comments string, before hujson.Extra) hujson.Extra {
	if comments != "" && !strings.Contains(string(before), "\n") {
		comments += "\n"
	}
	return append(hujson.Extra(comments), before...)
}

// lead is the white space with which the line of a member begins.
func lead(extra hujson.Extra) hujson.Extra {
	text := string(extra)
	space := text[len(strings.TrimRight(text, " \t")):]
	rest := text[:len(text)-len(space)]
	switch {
	case strings.HasSuffix(rest, "\r\n"):
		return hujson.Extra("\r\n" + space)
	case strings.HasSuffix(rest, "\n"):
		return hujson.Extra("\n" + space)
	}
	return hujson.Extra(space)
}

// cut parts what stands before a closing brace: the comments, and the white space at the end, where the brace's line begins.
func cut(extra hujson.Extra) (comments, end string) {
	text := string(extra)
	comments = strings.TrimRight(text, " \t\r\n")
	end = text[len(comments):]
	if i := strings.LastIndex(end, "\n"); i > 0 && end[i-1] == '\r' {
		end = end[i-1:]
	} else if i >= 0 {
		end = end[i:]
	}
	return comments, end
}
