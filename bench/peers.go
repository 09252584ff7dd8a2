package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// peer is a program of others that does a part of what vwrap does.
type peer struct {
	name, row string // the program's name; what tables call it
	how       string // to have it, where it is not there
	injects   bool   // variables from Vault; else it supervises alone
	slow      bool   // takes so long that it is measured with one variable alone
	wrap      func(program string, j job) (argv, environ []string, err error)

	program, version string // where it was found; its version
	absent           string // why it is not run; "" where it is
}

func (p peer) found() bool { return p.absent == "" }

// The rows of peers that a target speaks of.
const (
	tiniRow           = "`tini -s --`"
	consulTemplateRow = "`consul-template -exec`"
	envconsulRow      = "`envconsul`"
	vaultEnvRow       = "`vault-env`"
	agentRow          = "`vault agent`, process-supervisor mode"
)

const fromPeers = "put its program into a folder and name that: `PEERS=dir make bench`"

// allPeers are those that are looked for. What each is given is what its own manual has it given.
func allPeers() []peer {
	return []peer{
		{name: "tini", row: tiniRow, how: "`apt-get install tini`", wrap: before("-s", "--")},
		{name: "dumb-init", row: "`dumb-init --`", how: "`apt-get install dumb-init`", wrap: before("--")},
		{name: consulTemplate, row: consulTemplateRow, how: "`make bench` builds it, where modules can be had", injects: true, wrap: wrapConsulTemplate},
		{name: "envconsul", row: envconsulRow, how: fromPeers, injects: true, wrap: wrapEnvconsul},
		{name: "vault-env", row: vaultEnvRow, how: fromPeers, injects: true, wrap: wrapVaultEnv},
		{name: "vault", row: "`vault kv get` in a shell", how: "`make servers` builds it", injects: true, slow: true, wrap: wrapShell},
		{name: agent, row: agentRow, how: fromPeers + ", with a `vault` of 1.14 or later", injects: true, slow: true, wrap: wrapAgent},
	}
}

// before is for wrappers that have nothing to be told.
func before(words ...string) func(program string, j job) (argv, environ []string, err error) {
	return func(program string, j job) (argv, environ []string, err error) {
		return slices.Concat([]string{program}, words, j.argv), nil, nil
	}
}

// wrapConsulTemplate has one template for all values, which a shell reads from memory: consul-template itself sets no
// variables.
func wrapConsulTemplate(program string, j job) (argv, environ []string, err error) {
	rendered := filepath.Join(j.memory, "values")
	var template strings.Builder
	for path, variables := range j.byPath() {
		fmt.Fprintf(&template, "{{ with secret %q }}", path)
		for _, variable := range variables {
			fmt.Fprintf(&template, "export %s='{{ .Data.data.%s }}'\n", variable, variable)
		}
		template.WriteString("{{ end }}")
	}
	script := ". " + rendered + `; exec "$@"`
	config, err := j.write("consul-template.hcl", fmt.Sprintf("log_level = \"err\"\nvault { renew_token = false }\n"+
		"template {\n  contents = %q\n  destination = %q\n  perms = 0600\n}\nexec { command = %s }\n",
		template.String(), rendered, list(append([]string{"sh", "-c", script, "sh"}, j.argv...))))
	return []string{program, "-config", config}, nil, err
}

func wrapEnvconsul(program string, j job) (argv, environ []string, err error) {
	var config strings.Builder
	config.WriteString("log_level = \"err\"\nvault { renew_token = false }\n")
	for path := range j.byPath() {
		fmt.Fprintf(&config, "secret {\n  no_prefix = true\n  path = %q\n}\n", path)
	}
	file, err := j.write("envconsul.hcl", config.String())
	return append([]string{program, "-config", file}, j.argv...), nil, err
}

func wrapVaultEnv(program string, j job) (argv, environ []string, err error) {
	environ = []string{"VAULT_LOG_LEVEL=error"}
	for _, v := range j.values {
		environ = append(environ, v.variable+"=vault:"+v.apiPath()+"#"+v.variable)
	}
	return append([]string{program}, j.argv...), environ, nil
}

// wrapShell is what scripts do. It has one variable, since it takes another start of vault for each.
func wrapShell(program string, j job) (argv, environ []string, err error) {
	v := j.values[0]
	script := fmt.Sprintf(`%[1]s=$("$0" kv get -field=%[1]s %[2]s/%[3]s) && export %[1]s && exec "$@"`, v.variable, v.mount, v.path)
	return append([]string{"sh", "-c", script, program}, j.argv...), nil, nil
}

func wrapAgent(program string, j job) (argv, environ []string, err error) {
	token := filepath.Join(j.memory, "token")
	if err := os.WriteFile(token, []byte(j.token), 0o600); err != nil {
		return nil, nil, fmt.Errorf("write the token: %w", err)
	}
	var config strings.Builder
	fmt.Fprintf(&config, "disable_mlock = true\nvault { address = %q }\n", j.address)
	fmt.Fprintf(&config, "auto_auth {\n  method {\n    type = \"token_file\"\n    config = { token_file_path = %q }\n  }\n}\n", token)
	config.WriteString("template_config { exit_on_retry_failure = true }\n")
	for _, v := range j.values {
		contents := fmt.Sprintf("{{ with secret %q }}{{ .Data.data.%s }}{{ end }}", v.apiPath(), v.variable)
		fmt.Fprintf(&config, "env_template %q {\n  contents = %q\n}\n", v.variable, contents)
	}
	fmt.Fprintf(&config, "exec { command = %s }\n", list(j.argv))
	file, err := j.write("agent.hcl", config.String())
	return []string{program, "agent", "-log-level=error", "-config=" + file}, nil, err
}

// apiPath is the one that is asked for, where the client does not find out that the engine keeps versions.
func (v value) apiPath() string { return v.mount + "/data/" + v.path }

// byPath are the variables of each path, as the API knows it.
func (j job) byPath() map[string][]string {
	paths := map[string][]string{}
	for _, v := range j.values {
		paths[v.apiPath()] = append(paths[v.apiPath()], v.variable)
	}
	return paths
}

func (j job) write(name, content string) (path string, err error) {
	path = filepath.Join(j.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}

// list is a list of HCL's.
func list(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = fmt.Sprintf("%q", word)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
