package leaks

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/forms"
)

const (
	dbPassword = "s.Zq7/vX'2k+LmPw"
	apiKey     = "K9d8f7g6h5j4k3l2"
)

var secrets = []Secret{{Name: "DB_PASSWORD", Value: dbPassword}, {Name: "API_KEY", Value: apiKey}}

// machine is an empty one: a home, a temp directory, no processes, no Docker.
func machine(t *testing.T) (Env, string) {
	t.Helper()
	dir := t.TempDir()
	e := Env{Home: filepath.Join(dir, "home"), Temp: []string{filepath.Join(dir, "tmp")}, History: filepath.Join(dir, "none"), Proc: filepath.Join(dir, "proc")}
	e.Command = func(ctx context.Context, name string, args ...string) *exec.Cmd {
		if name == "docker" {
			return exec.CommandContext(ctx, filepath.Join(dir, "docker"), args...)
		}
		return exec.CommandContext(ctx, name, args...)
	}
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{e.Home, e.Temp[0], e.Proc, tree} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return e, tree
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"}, args...)...)
	if _, n, ok := strings.Cut(args[len(args)-1], "#"); ok { // a commit's message says its second
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-01-01T00:00:0"+n)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// told are the findings, a line each, without the directory of the test.
func told(t *testing.T, r check.Report, dir string) []string {
	t.Helper()
	lines := []string{}
	for _, f := range r.Findings {
		kind := "drift"
		if f.Warning {
			kind = "warning"
		}
		lines = append(lines, strings.ReplaceAll(fmt.Sprintf("%s %s %s:%d:%d %s", kind, f.Rule, f.File, f.Line, f.Column, f.Text), dir+"/", ""))
	}
	all, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if slices.ContainsFunc(forms.Of(s.Value), func(f forms.Form) bool { return bytes.Contains(all, []byte(f.Text)) }) || strings.Contains(fmt.Sprint(r), s.Value) {
			t.Errorf("the report has the value of %s: %s", s.Name, all)
		}
	}
	return lines
}

func expect(t *testing.T, o Options, dir string, want ...string) check.Report {
	t.Helper()
	r, err := Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := told(t, r, dir); !slices.Equal(got, want) {
		t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return r
}

func TestTree(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	git(t, tree, "init", "-q")
	write(t, tree+"/.gitignore", "ignored/\n.env*\n")
	write(t, tree+"/config.yml", "db:\n  password: "+dbPassword+"\n")
	git(t, tree, "add", ".")
	git(t, tree, "commit", "-qm", "all")
	write(t, tree+"/ignored/dump.bin", "\x00\x01\xff\n\x00"+apiKey)
	write(t, tree+"/secret.yaml", "data:\n  key: "+base64.StdEncoding.EncodeToString([]byte("user:"+apiKey+"@host"))+"\n")
	write(t, tree+"/.env.local", "NOTHING=here\n")
	write(t, tree+"/.env.local.example", "")
	write(t, tree+"/deep/.vault-token", "hvs.x")
	write(t, tree+"/clean.txt", "nothing\n")
	write(t, tree+"/names/"+apiKey+"/file", "")
	write(t, tree+"/escaped.json", fmt.Sprintf(`{"url": "postgres://u:%s@h"}`, "s.Zq7%2FvX%272k%2BLmPw"))
	if err := os.Symlink(tree+"/config.yml", tree+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(tree+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	r := expect(t, Options{Secrets: secrets, Roots: []string{tree}, Env: env}, tree,
		"drift known-place .env.local:0:0 is a file for values in clear; git ignores the file",
		"drift leak config.yml:2:13 has the value of DB_PASSWORD; git tracks the file",
		"drift known-place deep/.vault-token:0:0 is a token of Vault inside a work tree; git does not track the file",
		"drift leak escaped.json:1:23 has the value of DB_PASSWORD URL-escaped; git does not track the file",
		"drift leak ignored/dump.bin:2:2 has the value of API_KEY; git ignores the file",
		"drift leak names/(API_KEY):0:0 the name of the file has the value of API_KEY",
		"drift leak secret.yaml:2:15 has the value of API_KEY as base64; git does not track the file",
	)
	if len(r.Passed) != 0 || !strings.HasPrefix(r.Summary, "2 values looked for in ") || !strings.HasSuffix(r.Summary, ", 2 found") {
		t.Errorf("summary %q, passed %v", r.Summary, r.Passed)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	git(t, tree, "init", "-q")
	commit := func(message string) string {
		git(t, tree, "add", "-A")
		git(t, tree, "commit", "-q", "--allow-empty", "-m", message)
		return git(t, tree, "rev-parse", "--short=12", "HEAD")
	}
	write(t, tree+"/old", apiKey)
	commit("too long ago #1")
	write(t, tree+"/old", "")
	write(t, tree+"/dir/a file", "x\n\n  "+apiKey+"\n")
	brought := commit("bring it #2")
	write(t, tree+"/other", "")
	commit("keep it #3")
	if err := os.RemoveAll(tree + "/dir"); err != nil {
		t.Fatal(err)
	}
	named := commit("take out " + dbPassword + " #4")
	write(t, tree+"/staged", dbPassword)
	git(t, tree, "add", "staged")
	write(t, tree+"/staged", "")
	want := []string{
		"drift leak :staged:1:1 what is staged has the value of DB_PASSWORD",
		"drift leak " + brought + ":dir/a file:3:3 the commit has the value of API_KEY",
		"drift leak " + named + ":0:0 the commit's message has the value of DB_PASSWORD",
	}
	slices.Sort(want)
	// git writes the message down once more where one is edited, and into its log.
	r, err := Check(t.Context(), Options{Secrets: secrets, Roots: []string{tree}, History: 3, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range told(t, r, tree) {
		if !strings.Contains(line, " .git/") {
			got = append(got, line)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if !strings.Contains(r.Summary, "3 commits") {
		t.Errorf("summary is %q", r.Summary)
	}
}

func TestHistoryOfNoRepository(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	write(t, tree+"/.git", "gitdir: nowhere\n")
	if _, err := Check(t.Context(), Options{Secrets: secrets, Roots: []string{tree}, History: 3, Env: env}); err == nil || !strings.Contains(err.Error(), "look at the history of git in "+tree) {
		t.Errorf("the error is %v", err)
	}
	expect(t, Options{Secrets: secrets, Roots: []string{tree}, Env: env}, tree)
}

func TestHistoryWithoutCommits(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	git(t, tree, "init", "-q")
	expect(t, Options{Secrets: secrets, Roots: []string{tree}, History: 3, Env: env}, tree)
}

func TestMachine(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	dir := filepath.Dir(tree)
	write(t, env.Home+"/.bash_history", "ls\nexport PW='s.Zq7/vX'\\''2k+LmPw'\n")
	write(t, env.Home+"/.local/share/fish/fish_history", "- cmd: x\n")
	write(t, env.Home+"/.vault-token", "hvs.x")
	if err := os.Chmod(env.Home+"/.vault-token", 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, env.Temp[0]+"/.db_pass", dbPassword+"\n")
	write(t, env.Temp[0]+"/local_keys.txt", "A\nB\n")
	write(t, env.Temp[0]+"/ci_keys.txt", "")
	write(t, env.Proc+"/12/cmdline", "psql\x00--password="+apiKey+"\x00")
	write(t, env.Proc+"/13/cmdline", "sh\x00")
	write(t, dir+"/docker", `#!/bin/sh
case $1 in
ps) echo 0123; echo 4567 ;;
inspect) [ "$2 $3" = "0123 4567" ] && cat <<'E'
[{"Id": "0123", "Name": "/web", "Config": {"Env": ["A=b", "API_KEY=`+apiKey+`"], "Labels": {"a.b": "{\"x\": \"`+apiKey+`\"}"}}}, {"Id": "4567", "Name": "/`+apiKey+`"}]
E
;;
esac
`)
	if err := os.Chmod(dir+"/docker", 0o700); err != nil {
		t.Fatal(err)
	}
	r := expect(t, Options{Secrets: secrets, Temp: true, Histories: true, Processes: true, Containers: true, Env: env}, dir,
		"drift leak :0:0 Config.Env[1] of container web has the value of API_KEY",
		"drift leak :0:0 Config.Labels.a.b of container web has the value of API_KEY",
		"drift leak :0:0 Name of container (API_KEY) has the value of API_KEY",
		"drift leak home/.bash_history:2:12 has the value of DB_PASSWORD shell-escaped",
		"drift known-place home/.vault-token:0:0 has a token, and all users can read it",
		"drift leak proc/12/cmdline:0:0 the command line of process 12 has the value of API_KEY",
		"drift known-place tmp/.db_pass:0:0 is where scripts leave secrets for all to read",
		"drift leak tmp/.db_pass:1:1 has the value of DB_PASSWORD",
		"drift known-place tmp/local_keys.txt:0:0 is where scripts leave secrets for all to read",
	)
	if want := "2 values looked for in 5 files, 2 command lines, 2 containers, 2 found"; r.Summary != want {
		t.Errorf("summary is %q", r.Summary)
	}
}

func TestNoDocker(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	expect(t, Options{Secrets: secrets, Containers: true, Env: env}, filepath.Dir(tree),
		"warning unreadable :0:0 cannot look at containers: docker ps: fork/exec docker: no such file or directory")
	env.Command = func(ctx context.Context, _ string, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "there-is-no-docker-here", args...)
	}
	expect(t, Options{Secrets: secrets, Containers: true, Env: env}, tree)
}

func TestSkipped(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	write(t, tree+"/a", "password localhost 5432 12345678901 short zzzzzzzz "+apiKey)
	r := expect(t, Options{Env: env, Roots: []string{tree}, Secrets: []Secret{
		{Name: "PORT", Value: "5432"},
		{Name: "WORD", Value: "Password"},
		{Name: "NUMBER", Value: "12345678901"},
		{Name: "SHORT", Value: "short\n"},
		{Name: "SAME", Value: "zzzzzzzz"},
		{Name: "EMPTY", Value: ""},
		{Name: "KEY", Value: apiKey},
		{Name: "KEY_AGAIN", Value: apiKey + "\n"},
		{Name: "KEY", Value: apiKey},
		{Name: "FINE", Value: "never-seen-value"},
	}}, tree,
		"warning skipped :0:0 EMPTY is not looked for: its value is shorter than 8 bytes",
		"warning skipped :0:0 NUMBER is not looked for: its value is a number",
		"warning skipped :0:0 PORT is not looked for: its value is shorter than 8 bytes",
		"warning skipped :0:0 SAME is not looked for: its value is a common word",
		"warning skipped :0:0 SHORT is not looked for: its value is shorter than 8 bytes",
		"warning skipped :0:0 WORD is not looked for: its value is a common word",
		"drift leak a:1:52 has the value of KEY, KEY_AGAIN",
	)
	if !slices.Equal(r.Passed, []string{"FINE"}) {
		t.Errorf("passed: %v", r.Passed)
	}
}

// What a value is read from has it, and is no leak; a copy of it is, and so is what is there and belongs elsewhere.
func TestSources(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	git(t, tree, "init", "-q")
	write(t, tree+"/.env.defaults", "KEY="+apiKey+"\nPASSWORD="+dbPassword+"\n")
	write(t, tree+"/copy", apiKey)
	git(t, tree, "add", ".")
	if err := os.Symlink(".env.defaults", tree+"/link"); err != nil {
		t.Fatal(err)
	}
	expect(t, Options{Env: env, Roots: []string{tree}, History: 5, Secrets: []Secret{
		{Name: "KEY", Value: apiKey, Files: []string{tree + "/link"}},
		{Name: "PASSWORD", Value: dbPassword, Files: []string{tree + "/.env.defaults"}},
		{Name: "OF_VAULT", Value: dbPassword},
	}}, tree,
		"drift leak .env.defaults:2:10 has the value of PASSWORD, OF_VAULT; git tracks the file",
		"drift leak copy:1:1 has the value of KEY; git tracks the file",
		"drift leak :.env.defaults:2:10 what is staged has the value of PASSWORD, OF_VAULT",
		"drift leak :copy:1:1 what is staged has the value of KEY",
	)
}

// A search for nothing finds nothing: that is said.
func TestNothingNamed(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	write(t, tree+"/a", "x")
	r := expect(t, Options{Env: env, Roots: []string{tree}}, tree, "warning nothing-named :0:0 no value is looked for: no reference names one that lasts")
	if !r.Clean() || r.Summary != "0 values looked for in 1 file, 0 found" {
		t.Errorf("%+v", r)
	}
}

func TestManyPlaces(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	write(t, tree+"/a", strings.Repeat(apiKey+"\n", 100_000))
	r, err := Check(t.Context(), Options{Secrets: secrets, Roots: []string{tree + "/a", tree, tree + "/a"}, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	lines := told(t, r, tree)
	if len(lines) != most+1 || !slices.Contains(lines, "drift leak a:0:0 has the value of API_KEY 99980 times more") {
		t.Errorf("found %d: %v", len(lines), lines)
	}
}

// One form inside another of the same value is one finding.
func TestNested(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	key := "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\nshort\n-----END KEY-----\n"
	write(t, tree+"/whole", key)
	write(t, tree+"/indented", "key: |\n  "+strings.ReplaceAll(key, "\n", "\r\n  "))
	write(t, tree+"/json", `"`+strings.ReplaceAll(key, "\n", `\n`)+`"`)
	expect(t, Options{Secrets: []Secret{{Name: "KEY", Value: key}}, Roots: []string{tree}, Env: env}, tree,
		"drift leak indented:3:3 has the value of KEY in part (a line of it)",
		"drift leak json:1:2 has the value of KEY JSON-escaped",
		"drift leak whole:1:1 has the value of KEY",
	)
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	env, tree := machine(t)
	for i := range 12 {
		write(t, fmt.Sprintf("%s/%c", tree, 'a'+i), apiKey)
		if err := os.Chmod(fmt.Sprintf("%s/%c", tree, 'a'+i), 0); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Check(t.Context(), Options{Secrets: secrets, Roots: []string{tree}, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	if lines := told(t, r, tree); len(lines) != named+1 || !slices.Contains(lines, "warning unreadable :0:0 2 more cannot be read") {
		t.Errorf("found %v", lines)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	write(t, tree+"/a", apiKey)
	r, err := Check(t.Context(), Options{Secrets: secrets, Roots: []string{tree + "/none", tree}, Env: env})
	if err == nil || !strings.Contains(err.Error(), "look at "+tree+"/none: no such file") || len(r.Findings) != 1 {
		t.Errorf("%v, %v", err, r.Findings)
	}
	if _, err := Check(t.Context(), Options{Secrets: secrets, Roots: []string{tree + "/" + apiKey}, Env: env}); err == nil || strings.Contains(err.Error(), apiKey) {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, Options{Secrets: secrets, Roots: []string{tree}, Env: env}); err == nil {
		t.Error("it was cancelled, and says nothing")
	}
}

// What is not asked for is not looked at.
func TestPathsAlone(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	write(t, env.Temp[0]+"/.db_pass", dbPassword)
	write(t, env.Home+"/.vault-token", "hvs.x")
	if err := os.Chmod(env.Home+"/.vault-token", 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, tree+"/a", "nothing")
	expect(t, Options{Secrets: secrets, Roots: []string{tree}, Env: env}, tree)
	expect(t, Options{Secrets: secrets, Roots: []string{env.Home}, Env: env}, tree)
}

// A partial clone is looked at as far as it goes.
func TestPartialClone(t *testing.T) {
	t.Parallel()
	env, tree := machine(t)
	git(t, tree, "init", "-q")
	git(t, tree, "config", "uploadpack.allowFilter", "true")
	write(t, tree+"/a", apiKey)
	git(t, tree, "add", ".")
	git(t, tree, "commit", "-qm", "has it #1")
	write(t, tree+"/a", "x")
	git(t, tree, "commit", "-qam", "has it no more, but for "+dbPassword+" #2")
	clone := filepath.Join(filepath.Dir(tree), "clone")
	git(t, filepath.Dir(tree), "clone", "-q", "--filter=blob:none", "file://"+tree, clone)
	r, err := Check(t.Context(), Options{Secrets: secrets, Roots: []string{clone}, History: 5, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range told(t, r, clone) {
		if strings.Contains(line, "API_KEY") {
			t.Errorf("it was fetched: %s", line)
		}
	}
	if !slices.Equal(r.Passed, []string{"API_KEY"}) {
		t.Errorf("found %v", r.Findings)
	}
}
