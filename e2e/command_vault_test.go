package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vwrap/vwrap/e2e/built"
)

// vaultFlags are the flags of all `vault` commands; they may stand anywhere behind the command's name.
type vaultFlags struct {
	field, env, out, wrapTTL string // what becomes of the answer
	json                     string
	policy, ttl, maxTTL      string
	period, id               string
	path, versions, version  string
	force, prefix            bool
	orphan, notRenewable     bool
}

func parseVaultFlags(args []string) (f vaultFlags, rest []string, err error) {
	flags := newFlags("vault")
	for name, at := range map[string]*string{
		"field": &f.field, "env": &f.env, "out": &f.out, "wrap-ttl": &f.wrapTTL, "json": &f.json,
		"policy": &f.policy, "ttl": &f.ttl, "explicit-max-ttl": &f.maxTTL, "period": &f.period, "id": &f.id,
		"path": &f.path, "versions": &f.versions, "version": &f.version,
	} {
		flags.StringVar(at, name, "", "")
	}
	for name, at := range map[string]*bool{
		"f": &f.force, "force": &f.force, "prefix": &f.prefix, "orphan": &f.orphan, "not-renewable": &f.notRenewable,
	} {
		flags.BoolVar(at, name, false, "")
	}
	rest, err = parseMixed(flags, args)
	return f, rest, err
}

// vaultCall is one `vault …` line, taken apart.
type vaultCall struct {
	s     *session
	flags vaultFlags
	args  []string
}

// vaultVerbs are the words behind `vault`, with the number of arguments that each needs at least.
var vaultVerbs = map[string]struct {
	arguments int
	run       func(vaultCall) (answer, error)
}{
	"auth enable":        {1, enableAuth},
	"delete":             {1, deletePath},
	"kv delete":          {1, kvDelete},
	"kv destroy":         {1, kvDestroy},
	"kv get":             {1, kvGet},
	"kv metadata delete": {1, kvMetadataDelete},
	"kv put":             {1, kvPut},
	"lease count":        {2, leaseCount},
	"lease list":         {1, leaseList},
	"lease revoke":       {1, leaseRevoke},
	"operator seal":      {0, operatorSeal},
	"operator unseal":    {0, operatorUnseal},
	"policy write":       {2, policyWrite},
	"read":               {1, readPath},
	"secrets enable":     {1, enableSecrets},
	"token create":       {0, tokenCreate},
	"token lookup":       {1, tokenLookup},
	"token revoke":       {1, tokenRevoke},
	"token revoke-role":  {1, tokenRevokeRole},
	"write":              {1, writePath},
}

// vault CMD … is a small `vault`: the same words and flags. It acts as root and on the script's server, whatever
// VAULT_TOKEN and VAULT_ADDR say, since those are for vwrap. With -field F it prints one field, with -env NAME
// or -out FILE it lays what it would print into a variable or a file.
func vaultCommand(s *session, args []string) error {
	for words := 3; words > 0; words-- {
		if len(args) < words {
			continue
		}
		verb, ok := vaultVerbs[strings.Join(args[:words], " ")]
		if !ok {
			continue
		}
		flags, rest, err := parseVaultFlags(args[words:])
		if err != nil {
			return usageError("vault: " + err.Error())
		}
		if len(rest) < verb.arguments {
			return usageError("vault " + strings.Join(args[:words], " ") + ": arguments are missing")
		}
		reply, err := verb.run(vaultCall{s, flags, rest})
		if err != nil {
			return err
		}
		return s.show(reply, flags)
	}
	return usageError("vault: unknown command " + strings.Join(args, " "))
}

// show does with an answer what the flags say.
func (s *session) show(reply answer, flags vaultFlags) error {
	var text string
	var err error
	switch {
	case flags.field != "":
		text, err = reply.field(flags.field)
	case reply.Auth != nil:
		text, err = reply.field("token")
	case reply.WrapInfo != nil:
		text, err = reply.field("wrapping_token")
	case reply.Data != nil:
		text, err = plain(reply.Data)
	}
	if err != nil {
		return err
	}
	switch {
	case flags.env != "":
		s.ts.Setenv(flags.env, text)
	case flags.out != "":
		return os.WriteFile(s.ts.MkAbs(flags.out), []byte(text), 0o600)
	case text != "":
		fmt.Fprintln(s.out, text)
	}
	return nil
}

func (c vaultCall) do(method, path string, body any) (answer, error) {
	var headers []string
	if c.flags.wrapTTL != "" {
		headers = []string{"X-Vault-Wrap-Ttl", c.flags.wrapTTL}
	}
	return c.s.vault.do(method, path, body, headers...)
}

// fields are the -json object and the k=v arguments; a value @FILE is the content of FILE.
func (c vaultCall) fields(args []string) (map[string]any, error) {
	fields := map[string]any{}
	if c.flags.json != "" {
		if err := json.Unmarshal([]byte(c.flags.json), &fields); err != nil {
			return nil, usageError("vault: -json: " + err.Error())
		}
	}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usageError("vault: " + arg + " is no NAME=VALUE")
		}
		if file, is := strings.CutPrefix(value, "@"); is {
			content, err := os.ReadFile(c.s.ts.MkAbs(file))
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", file, err)
			}
			value = string(content)
		}
		fields[name] = value
	}
	return fields, nil
}

func readPath(c vaultCall) (answer, error) { return c.do(http.MethodGet, c.args[0], nil) }

func deletePath(c vaultCall) (answer, error) { return c.do(http.MethodDelete, c.args[0], nil) }

func writePath(c vaultCall) (answer, error) {
	fields, err := c.fields(c.args[1:])
	if err != nil {
		return answer{}, err
	}
	return c.do(http.MethodPost, c.args[0], fields)
}

// kvPath splits a path of a KV mount, and says whether the mount is of version 2.
func (c vaultCall) kvPath() (mount, rest string, second bool, err error) {
	about, err := c.s.vault.do(http.MethodGet, "sys/internal/ui/mounts/"+c.args[0], nil)
	if err != nil {
		return "", "", false, err
	}
	mount, _ = about.Data["path"].(string)
	options, _ := about.Data["options"].(map[string]any)
	return mount, strings.TrimPrefix(c.args[0], mount), options["version"] == "2", nil
}

func kvPut(c vaultCall) (answer, error) {
	fields, err := c.fields(c.args[1:])
	if err != nil {
		return answer{}, err
	}
	mount, rest, second, err := c.kvPath()
	if err != nil {
		return answer{}, err
	}
	if !second {
		return c.do(http.MethodPost, mount+rest, fields)
	}
	return c.do(http.MethodPost, mount+"data/"+rest, map[string]any{"data": fields})
}

func kvGet(c vaultCall) (answer, error) {
	mount, rest, second, err := c.kvPath()
	if err != nil || !second {
		if err != nil {
			return answer{}, err
		}
		return c.do(http.MethodGet, mount+rest, nil)
	}
	path := mount + "data/" + rest
	if c.flags.version != "" {
		path += "?version=" + c.flags.version
	}
	reply, err := c.do(http.MethodGet, path, nil)
	if err == nil {
		reply.Data, _ = reply.Data["data"].(map[string]any)
	}
	return reply, err
}

// kvDelete deletes the newest version, which can be undone.
func kvDelete(c vaultCall) (answer, error) {
	mount, rest, second, err := c.kvPath()
	if err != nil {
		return answer{}, err
	}
	if second {
		mount += "data/"
	}
	return c.do(http.MethodDelete, mount+rest, nil)
}

// kvDestroy takes the data of -versions away for ever.
func kvDestroy(c vaultCall) (answer, error) {
	mount, rest, _, err := c.kvPath()
	if err != nil {
		return answer{}, err
	}
	return c.do(http.MethodPut, mount+"destroy/"+rest, map[string]any{"versions": strings.Split(c.flags.versions, ",")})
}

func kvMetadataDelete(c vaultCall) (answer, error) {
	mount, rest, _, err := c.kvPath()
	if err != nil {
		return answer{}, err
	}
	return c.do(http.MethodDelete, mount+"metadata/"+rest, nil)
}

// policyWrite expands the script's variables in the policy's file.
func policyWrite(c vaultCall) (answer, error) {
	if err := expand(c.s, c.args[1:2]); err != nil {
		return answer{}, err
	}
	policy, err := os.ReadFile(c.s.ts.MkAbs(c.args[1]))
	if err != nil {
		return answer{}, fmt.Errorf("read policy: %w", err)
	}
	return c.do(http.MethodPut, "sys/policies/acl/"+c.args[0], map[string]any{"policy": string(policy)})
}

func tokenCreate(c vaultCall) (answer, error) {
	path := "auth/token/create"
	if c.flags.orphan {
		path = "auth/token/create-orphan"
	}
	body := map[string]any{"renewable": !c.flags.notRenewable}
	for name, value := range map[string]string{
		"ttl": c.flags.ttl, "explicit_max_ttl": c.flags.maxTTL, "period": c.flags.period, "id": c.flags.id,
	} {
		if value != "" {
			body[name] = value
		}
	}
	if c.flags.policy != "" {
		body["policies"] = strings.Split(c.flags.policy, ",")
	}
	return c.do(http.MethodPost, path, body)
}

func tokenLookup(c vaultCall) (answer, error) {
	return c.do(http.MethodPost, "auth/token/lookup", map[string]any{"token": c.args[0]})
}

func tokenRevoke(c vaultCall) (answer, error) {
	return c.do(http.MethodPost, "auth/token/revoke", map[string]any{"token": c.args[0]})
}

// tokenRevokeRole is no command of the real client: it revokes every token that has a policy of this name.
func tokenRevokeRole(c vaultCall) (answer, error) {
	all, err := c.do("LIST", "auth/token/accessors", nil)
	if err != nil {
		return answer{}, err
	}
	keys, _ := all.Data["keys"].([]any)
	revoked := 0
	for _, accessor := range keys {
		about, err := c.do(http.MethodPost, "auth/token/lookup-accessor", map[string]any{"accessor": accessor})
		if err != nil {
			continue // it has ended since
		}
		policies, _ := about.Data["policies"].([]any)
		if !slices.Contains(policies, any(c.args[0])) {
			continue
		}
		if _, err := c.do(http.MethodPost, "auth/token/revoke-accessor", map[string]any{"accessor": accessor}); err != nil {
			return answer{}, err
		}
		revoked++
	}
	if revoked == 0 {
		return answer{}, fmt.Errorf("no token has the policy %s", c.args[0])
	}
	return answer{}, nil
}

// leases lists the lease IDs right below a path.
func (c vaultCall) leases() (ids []string, err error) {
	prefix := strings.TrimSuffix(c.args[0], "/") + "/"
	keys, err := c.s.leaseKeys(prefix)
	for _, key := range keys {
		ids = append(ids, prefix+key)
	}
	return ids, err
}

func leaseList(c vaultCall) (answer, error) {
	ids, err := c.leases()
	for _, id := range ids {
		fmt.Fprintln(c.s.out, id)
	}
	return answer{}, err
}

// leaseCount is no command of the real client: vault lease count PREFIX N.
func leaseCount(c vaultCall) (answer, error) {
	ids, err := c.leases()
	if err == nil && fmt.Sprint(len(ids)) != c.args[1] {
		err = fmt.Errorf("%d leases below %s, not %s", len(ids), c.args[0], c.args[1])
	}
	return answer{}, err
}

func leaseRevoke(c vaultCall) (answer, error) {
	if c.flags.prefix {
		return c.do(http.MethodPut, "sys/leases/revoke-prefix/"+c.args[0], map[string]any{"sync": true})
	}
	return c.do(http.MethodPut, "sys/leases/revoke", map[string]any{"lease_id": c.args[0], "sync": true})
}

// enableAuth does nothing where the method is enabled already: scripts share auth/approle, with roles of their own.
func enableAuth(c vaultCall) (answer, error) {
	path := c.flags.path
	if path == "" {
		path = c.args[0]
	}
	_, err := c.do(http.MethodPost, "sys/auth/"+path, map[string]any{"type": c.args[0]})
	if used, ok := errors.AsType[*vaultError](err); ok && strings.Contains(used.Error(), "already in use") {
		err = nil
	}
	return answer{}, err
}

func enableSecrets(c vaultCall) (answer, error) {
	path := c.flags.path
	if path == "" {
		return answer{}, usageError("vault secrets enable -path=PATH TYPE")
	}
	config := map[string]any{"type": c.args[0]}
	if c.flags.version != "" {
		config["options"] = map[string]string{"version": c.flags.version}
	}
	server := c.s.vault
	if err := c.s.mount(path, config); err != nil {
		return answer{}, err
	}
	c.s.ts.Defer(func() { server.do(http.MethodDelete, "sys/mounts/"+path, nil) })
	return answer{}, nil
}

// own is the script's own server: nobody may stop the one that all scripts share.
func (s *session) own() (*vaultServer, error) {
	if s.fresh == nil {
		return nil, usageError("fresh-vault has to come first")
	}
	return s.fresh, nil
}

func operatorSeal(c vaultCall) (answer, error) {
	v, err := c.s.own()
	if err != nil {
		return answer{}, err
	}
	return v.do(http.MethodPut, "sys/seal", nil)
}

func operatorUnseal(c vaultCall) (answer, error) {
	v, err := c.s.own()
	if err != nil {
		return answer{}, err
	}
	key, err := v.unsealKey()
	if err != nil {
		return answer{}, err
	}
	if _, err := v.do(http.MethodPut, "sys/unseal", map[string]any{"key": key}); err != nil {
		return answer{}, err
	}
	return answer{}, v.awaitReady()
}

// fresh-vault gives the script a server of its own, with $KV and $KV1 in it, and points VAULT_ADDR and VAULT_TOKEN there.
// With -tls it serves TLS; its CA is then in the file ca.pem.
func freshVault(s *session, args []string) error {
	flags := newFlags("fresh-vault")
	secure := flags.Bool("tls", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() != 0 || s.fresh != nil {
		return usageError("fresh-vault [-tls], once a script")
	}
	var own []string
	if *secure {
		own = []string{"-dev-tls"}
	}
	v, err := startVault(own...)
	if err != nil {
		return err
	}
	if *secure {
		ca, err := os.ReadFile(v.ca)
		if err == nil {
			err = os.WriteFile(s.inWork("ca.pem"), ca, 0o644)
		}
		if err != nil {
			return fmt.Errorf("copy CA: %w", err)
		}
	}
	s.leave()
	s.fresh = v
	s.ts.Setenv("VAULT_ADDR", v.address)
	s.ts.Setenv("VAULT_TOKEN", v.token)
	return s.moveTo(v)
}

// stop-vault ends the script's own server; everything in it is gone.
func stopVault(s *session, args []string) error {
	v, err := s.own()
	if err != nil {
		return err
	}
	v.stop()
	return nil
}

// restart-vault starts the script's own server anew, empty but for $KV and $KV1, at the same address, with the same token.
func restartVault(s *session, args []string) error {
	old, err := s.own()
	if err != nil {
		return err
	}
	old.stop()
	binary, err := built.Server()
	if err != nil {
		return err
	}
	v, err := startVaultAt(strings.TrimPrefix(old.address, "http://"), old.token, binary)
	if err != nil {
		return err
	}
	s.fresh = v
	return s.moveTo(v)
}

// freeze-vault stops the process of the script's own server: it accepts connections and answers nothing.
func freezeVault(s *session, args []string) error {
	v, err := s.own()
	if err != nil {
		return err
	}
	if err := v.process.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return poll(10*time.Second, 5*time.Millisecond, func() error { return expectFrozen(v.process.pid()) })
}

// expectFrozen reads the state letters of a process's threads, which follow the name's closing bracket (/proc/PID/task/TID/stat):
// a process is stopped, and its parent told, once the last of them is.
func expectFrozen(pid int) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return fmt.Errorf("there is no process %d", pid)
	}
	for _, path := range threads {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a thread's state: %w", err)
		}
		if _, rest, ok := strings.Cut(string(content), ") "); !ok || !strings.HasPrefix(rest, "T") {
			return errors.New("it still runs")
		}
	}
	return nil
}

// thaw-vault lets it go on.
func thawVault(s *session, args []string) error {
	v, err := s.own()
	if err != nil {
		return err
	}
	if err := v.process.signal(syscall.SIGCONT); err != nil {
		return err
	}
	return v.awaitReady()
}
