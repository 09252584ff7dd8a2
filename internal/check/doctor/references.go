package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/vault"
)

// Vault is what is asked about references.
type Vault interface {
	Locate(ctx context.Context, r envsource.Read) (envsource.Read, error)
	Present(ctx context.Context, r envsource.Read) (known bool, err error)
	Capabilities(ctx context.Context, namespace string, paths []string) (map[string][]string, error)
}

// atOnce is how many requests are under way at most.
const atOnce = 8

// reference is one of the plan's needs, and what Vault says of it.
type reference struct {
	envsource.Need
	at      envsource.Read
	lost    error // why it cannot be located
	known   bool
	present error
}

// References says of each need whether it is there and whether the token may have it, and, where there are leases among them,
// whether they can be kept and let go. own: the token is one that vwrap logged in for.
func References(ctx context.Context, v Vault, needs []envsource.Need, own bool) []Line {
	all := make([]reference, len(needs))
	slots := make(chan struct{}, atOnce)
	var asking sync.WaitGroup
	for i, need := range needs {
		asking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			all[i] = examine(ctx, v, need)
		})
	}
	asking.Wait()
	allowed := ask(ctx, v, all)
	var lines []Line
	for _, r := range all {
		l := r.line(allowed)
		l.Area, l.Name = AreaReferences, r.at.String()
		if names := r.names(); names != "" {
			l.Text = names + ": " + l.Text
		}
		lines = append(lines, l)
	}
	return append(lines, leases(all, allowed, own)...)
}

func examine(ctx context.Context, v Vault, need envsource.Need) reference {
	r := reference{Need: need}
	r.at, r.lost = v.Locate(ctx, need.Read)
	if r.lost == nil {
		r.known, r.present = v.Present(ctx, r.at)
	}
	return r
}

// What the keeping of leases takes.
const (
	renewLeases  = "sys/leases/renew"
	revokeLeases = "sys/leases/revoke"
)

// capabilities are what a token may do, by namespace and path; a namespace that could not be asked about is not in it.
type capabilities map[string]map[string][]string

// ask asks what the token may do about all of them: one request for a namespace.
func ask(ctx context.Context, v Vault, all []reference) capabilities {
	paths := map[string][]string{}
	for _, r := range all {
		if r.lost != nil {
			continue
		}
		ns := r.at.Namespace
		for _, need := range vault.Requires(r.at) {
			paths[ns] = append(paths[ns], need.Path)
		}
		paths[ns] = append(paths[ns], renewLeases, revokeLeases)
	}
	allowed := capabilities{}
	for ns, wanted := range paths {
		slices.Sort(wanted)
		if got, err := v.Capabilities(ctx, ns, slices.Compact(wanted)); err == nil {
			allowed[ns] = got
		}
	}
	return allowed
}

// lacks reports whether it is known that the token may not do this.
func (c capabilities) lacks(ns, path, capability string) bool {
	of, known := c[ns]
	return known && !may(of[path], capability)
}

// names are the variables that want it.
func (r reference) names() string {
	names := r.Variables
	if len(names) > 4 {
		names = append(slices.Clone(names[:3]), fmt.Sprintf("%d more", len(names)-3))
	}
	return strings.Join(names, ", ")
}

// line is what there is to say of it, the worst first.
func (r reference) line(allowed capabilities) Line {
	const all = " (vwrap plan --policy --ask prints the whole of it)"
	if r.lost != nil {
		l := Line{State: Fault, Text: r.lost.Error(), Mend: "mind the spelling: vault secrets list; else, in a policy of the token's: " + vault.Requires(r.at)[0].Line() + all}
		if errors.Is(r.lost, envsource.ErrUnavailable) {
			l.Mend = "try again"
		}
		return l
	}
	needs := vault.Requires(r.at)
	if allowed.lacks(r.at.Namespace, needs[0].Path, needs[0].Capability) {
		return Line{
			State: Fault, Text: fmt.Sprintf("the token's policies lack %q on %s", needs[0].Capability, needs[0].Path),
			Mend: "in a policy of the token's: " + needs[0].Line() + all,
		}
	}
	if r.present != nil {
		return r.absent()
	}
	for _, need := range needs[1:] {
		if need.Spare && allowed.lacks(r.at.Namespace, need.Path, need.Capability) {
			return Line{
				State: Warning, Text: "there; but new versions cost a read of the secret each, since the token's policies lack \"read\" on its metadata",
				Mend: "in a policy of the token's: " + need.Line() + all,
			}
		}
	}
	_, asked := allowed[r.at.Namespace]
	switch {
	case r.known && asked:
		return Line{State: OK, Text: "there, and allowed"}
	case r.known:
		return Line{State: OK, Text: "there"}
	case asked:
		return Line{State: Note, Text: "allowed; whether it is there shows when it is read, which would make a credential"}
	}
	return Line{State: Note, Text: "whether it is there and allowed cannot be told without reading it"}
}

// absent is for what is not there, or did not answer.
func (r reference) absent() Line {
	if !errors.Is(r.present, envsource.ErrMissing) {
		return Line{State: Fault, Text: r.present.Error(), Mend: "try again"}
	}
	l := Line{State: Fault, Text: r.present.Error(), Mend: r.write()}
	if r.Optional {
		l.State, l.Text = Warning, l.Text+"; it is ?optional: its fallback is taken"
	}
	return l
}

// write is the line that would make it.
func (r reference) write() string {
	if r.at.Kind == "" {
		return "write that role, or mind the spelling"
	}
	line, secret := "vault kv put ", r.at
	if secret.Namespace != "" {
		line += "-namespace=" + secret.Namespace + " "
		secret.Namespace = ""
	}
	line += secret.String()
	for _, part := range r.Parts {
		line += " " + part[0] + "=…"
	}
	return line + "; or mind the spelling; for development: vwrap dev"
}

// leases is whether they can be renewed and revoked, in each namespace that has something that may be leased.
func leases(all []reference, allowed capabilities, own bool) (lines []Line) {
	var spaces []string
	for _, r := range all {
		if r.lost == nil && r.at.Kind == "" && !slices.Contains(spaces, r.at.Namespace) {
			spaces = append(spaces, r.at.Namespace)
		}
	}
	add := func(ns, path string, state State, text string) {
		if ns != "" {
			text += " (namespace " + ns + ")"
		}
		lines = append(lines, Line{Area: AreaToken, Name: "leases", State: state, Text: text, Mend: line(path)})
	}
	for _, ns := range spaces {
		if allowed.lacks(ns, renewLeases, "update") {
			add(ns, renewLeases, Warning, "it may not renew any: each is replaced before its end, with a rotation")
		}
		switch late := "it may not revoke any: in a rotation the old one is left to end by itself"; {
		case !allowed.lacks(ns, revokeLeases, "update"):
		case own:
			add(ns, revokeLeases, Note, late+"; at the end all go with the token")
		default:
			add(ns, revokeLeases, Warning, late+", and so are all when the command has ended")
		}
	}
	return lines
}
