package vault

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/vwrap/vwrap/envsource"
)

// Use is a read, and the variables that want it.
type Use struct {
	Read      envsource.Read // located, where Vault was asked; else as written
	Variables []string
}

// PolicyText is a policy (https://developer.hashicorp.com/vault/docs/concepts/policies) that allows what vwrap does for uses, and no
// more, but for what the default policy allows (a token's own look-up, renewal and revocation). With child it is made for a
// token under which vwrap makes another one (vault.token_ttl). Where a read was not located, so that its mount's kind is not
// known, it allows what either kind of KV would need.
func PolicyText(uses []Use, child bool) (string, error) {
	byNamespace := map[string][]Use{}
	for _, u := range uses {
		if strings.ContainsAny(u.Read.Path, "*+") {
			return "", fmt.Errorf("%s: a policy takes a path with * or + in it for a pattern: write that line by hand", u.Read)
		}
		byNamespace[u.Read.Namespace] = append(byNamespace[u.Read.Namespace], u)
	}
	var b strings.Builder
	for i, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		if i > 0 {
			b.WriteByte('\n')
		}
		if namespace != "" {
			fmt.Fprintf(&b, "# In the namespace %s:\n\n", envsource.Shown(namespace))
		}
		writePolicy(&b, byNamespace[namespace], child)
	}
	return b.String(), nil
}

// rule is one path of a policy.
type rule struct {
	path         string
	capabilities string
	comment      string
}

func writePolicy(b *strings.Builder, uses []Use, child bool) {
	var rules []rule
	leases := false
	for _, u := range uses {
		rules = append(rules, rulesFor(u)...)
		leases = leases || u.Read.Kind == ""
	}
	if leases {
		rules = append(rules,
			rule{"sys/leases/renew", `"update"`, "to keep leases"},
			rule{"sys/leases/revoke", `"update"`, "to let them go in time, where the token is not vwrap's own"})
	}
	if child {
		rules = append(rules, rule{"auth/token/create", `"update"`, "vault.token_ttl"})
	}
	sort.SliceStable(rules, func(i, j int) bool { return rules[i].path < rules[j].path })
	for len(rules) > 0 {
		same := slices.IndexFunc(rules, func(r rule) bool { return r.path != rules[0].path })
		if same < 0 {
			same = len(rules)
		}
		writeRule(b, rules[:same])
		rules = rules[same:]
	}
}

// writeRule writes rules for one path as one.
func writeRule(b *strings.Builder, rules []rule) {
	var capabilities, comments []string
	for _, r := range rules {
		capabilities, comments = append(capabilities, r.capabilities), append(comments, r.comment)
	}
	slices.Sort(capabilities)
	slices.Sort(comments)
	fmt.Fprintf(b, "# %s\npath %s { capabilities = [%s] }\n", envsource.Shown(strings.Join(slices.Compact(comments), "; ")),
		strconv.Quote(rules[0].path), strings.Join(slices.Compact(capabilities), ", "))
}

// rulesFor is what one read takes. The metadata of KV version 2 is polled: a look at the version is cheaper than the
// secret, and leaves no trace of a read in the audit log.
func rulesFor(u Use) []rule {
	wanted := strings.Join(u.Variables, ", ")
	if u.Read.Method == envsource.MethodWrite {
		return []rule{{u.Read.Path, `"update"`, wanted}}
	}
	read := rule{u.Read.Path, `"read"`, wanted}
	if u.Read.Kind == envsource.KindKV2 {
		rest := strings.TrimPrefix(u.Read.Path, u.Read.Mount+"data/")
		return []rule{read, {u.Read.Mount + "metadata/" + rest, `"read"`, "new versions of it: " + wanted}}
	}
	mount, rest, ok := strings.Cut(u.Read.Path, "/")
	if u.Read.Kind != "" || u.Read.Mount != "" || !ok || slices.Contains([]string{"sys", "auth", "identity", "cubbyhole"}, mount) {
		return []rule{read}
	}
	rest = strings.TrimPrefix(rest, "data/")
	return []rule{
		read,
		{mount + "/data/" + rest, `"read"`, wanted + ", if " + mount + "/ is KV version 2"},
		{mount + "/metadata/" + rest, `"read"`, "new versions of it: " + wanted + ", if " + mount + "/ is KV version 2"},
	}
}
