package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource/vault"
)

// Bearer says what a token is and what it may do.
type Bearer interface {
	Token(ctx context.Context) (vault.TokenInfo, error)
	Capabilities(ctx context.Context, namespace string, paths []string) (map[string][]string, error)
}

// Holder is who vwrap has its token from.
type Holder struct {
	Origin string // in words
	File   string // that the token is in; "" is none (what is to be said of it, Credentials says)
	Again  bool   // vwrap can log in for another
	Child  bool   // it makes another below it (vault.token_ttl)
}

// NoToken is where none was to be had.
func NoToken(err error, needed bool) []Line {
	l := Line{Area: AreaToken, Name: "token", State: Fault, Text: err.Error(), Mend: "vault login; or VAULT_TOKEN_FILE=FILE; or mind vault.auth in vwrap.yaml (docs/logins.md)"}
	if !needed {
		l.State = Warning
	}
	return []Line{l}
}

// Unspent is where a login would take what can be used once.
func Unspent() []Line {
	return []Line{{
		Area: AreaToken, Name: "token", State: Note, Text: "not looked at, nor the references: a login would use up the wrapped secret_id",
		Mend: "to look at them: VAULT_TOKEN with a token of the same policies, and --config FILE without vault.auth",
	}}
}

// Token is what is to be known of the token. good is false where Vault does not take it.
func Token(ctx context.Context, v Bearer, f Facts, h Holder) (lines []Line, good bool) {
	defer func() {
		for i := range lines {
			lines[i].Area = AreaToken
		}
	}()
	lines = []Line{{Name: "origin", State: OK, Text: f.tilde(h.Origin)}}
	t, err := v.Token(ctx)
	switch {
	case errors.Is(err, vault.ErrToken):
		return append(lines, Line{Name: "token", State: Fault, Text: err.Error(), Mend: h.anew()}), false
	case err != nil:
		return append(lines, Line{Name: "token", State: Fault, Text: err.Error(), Mend: "try again"}), false
	}
	lines = append(lines, life(t, h), policies(t))
	if t.Uses > 0 {
		lines = append(lines, Line{
			Name: "uses", State: Warning, Text: fmt.Sprintf("%d are left of it, and each request takes one", t.Uses),
			Mend: "a token without num_uses: vwrap renews and polls",
		})
	}
	return append(lines, h.mayItself(ctx, v, t)...), true
}

// anew is how to have another token.
func (h Holder) anew() string {
	switch {
	case h.File != "":
		return "vault login"
	case strings.HasSuffix(h.Origin, "_TOKEN"):
		return "unset " + h.Origin + " and vault login, or set it anew"
	}
	return "vault login"
}

// Credentials is about the files that a token, or what is logged in with, is in. Vault is not asked.
func Credentials(f Facts, files []string) (lines []Line) {
	for _, name := range files {
		if !path.IsAbs(name) {
			name = path.Join(f.Dir, name)
		}
		lines = append(lines, f.credential(name)...)
	}
	return lines
}

// given are folders whose files others have made for this program, with the modes that they chose.
var given = []string{"/run/secrets/", "/var/run/secrets/", "/vault/secrets/"}

// credential is about a file that others may read.
func (f Facts) credential(name string) []Line {
	info, err := fs.Stat(f.Root, relative(name))
	switch {
	case err != nil:
		return nil
	case OnWindows(name) && f.onWSL():
		return []Line{{
			Area: AreaToken, Name: "file", State: Warning, Text: name + " is on a drive of Windows, where file modes mean nothing: other users may read it",
			Mend: "keep it in the home folder of Linux, and name it there: VAULT_TOKEN_FILE, or vault.auth in vwrap.yaml",
		}}
	case info.Mode().Perm()&0o077 == 0, slices.ContainsFunc(given, func(dir string) bool { return strings.HasPrefix(name, dir) }):
		return nil
	}
	return []Line{{
		Area: AreaToken, Name: "file", State: Warning, Text: fmt.Sprintf("%s may be used by others (mode %03o)", f.tilde(name), info.Mode().Perm()), Mend: "chmod 600 " + f.tilde(name),
	}}
}

func life(t vault.TokenInfo, h Holder) Line {
	text := fmt.Sprintf("good for %v", t.TTL)
	switch {
	case t.TTL == 0:
		return Line{Name: "life", State: OK, Text: "it has no end"}
	case t.Renewable:
		return Line{Name: "life", State: OK, Text: text + ", renewable: vwrap renews it"}
	case h.Again:
		return Line{Name: "life", State: OK, Text: text + ", not renewable: vwrap logs in again in time"}
	}
	kind := ""
	if t.Batch {
		kind = ", as a batch token is"
	}
	return Line{
		Name: "life", State: Warning, Text: text + ", not renewable" + kind + ": leases end with it, and vwrap cannot have another",
		Mend: "vault login before that: vwrap takes what is new in the token's file; or a login in vault.auth: docs/logins.md",
	}
}

func policies(t vault.TokenInfo) Line {
	if slices.Contains(t.Policies, "root") {
		return Line{
			Name: "policies", State: Note, Text: "root: it may do anything; right in a development Vault",
			Mend: "elsewhere: vwrap plan --policy --ask prints the policy that is enough",
		}
	}
	if len(t.Policies) == 0 {
		return Line{Name: "policies", State: Note, Text: "none"}
	}
	return Line{Name: "policies", State: OK, Text: strings.Join(t.Policies, ", ")}
}

// may reports whether capabilities have one.
func may(capabilities []string, want string) bool {
	return slices.Contains(capabilities, want) || slices.Contains(capabilities, "root")
}

// mayItself is what the token may do with itself.
func (h Holder) mayItself(ctx context.Context, v Bearer, t vault.TokenInfo) (lines []Line) {
	const renew, create = "auth/token/renew-self", "auth/token/create"
	all, err := v.Capabilities(ctx, "", []string{renew, create})
	if err != nil {
		return []Line{{Name: "capabilities", State: Note, Text: "what it may do cannot be asked: " + err.Error(), Mend: line("sys/capabilities-self")}}
	}
	if t.Renewable && t.TTL > 0 && !may(all[renew], "update") {
		lines = append(lines, Line{
			Name: "renewal", State: Warning, Text: fmt.Sprintf("its policies do not let it renew itself: it ends in %v", t.TTL.Round(time.Second)), Mend: line(renew),
		})
	}
	if h.Child && !may(all[create], "update") {
		lines = append(lines, Line{Name: "token_ttl", State: Fault, Text: "vault.token_ttl is set, and its policies do not let it make a child", Mend: line(create)})
	}
	return lines
}

// line is that of a policy, as a mend.
func line(path string) string {
	return "in a policy of its: " + vault.Requirement{Path: path, Capability: "update"}.Line()
}
