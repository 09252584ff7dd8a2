package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// drifting is a repository whose keys do not fit its manifest, and one that does.
func drifting(t *testing.T, own *tenant, keys string) (dir string, environ []string) {
	t.Helper()
	dir = t.TempDir()
	check(t, own.put("dev/api-key", map[string]any{"value": "something long"}))
	check(t, os.Mkdir(filepath.Join(dir, "ci"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "vwrap.yaml"), []byte("version: 1\ncheck: {manifest: ci/required_keys.yaml, path: "+own.kv+"/dev}\n"), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "ci", "required_keys.yaml"), []byte("required_keys: ["+keys+"]\n"), 0o600))
	return dir, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token,
		"TMPDIR=" + dir, "GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"), "GOPROXY=" + goEnv(t, "GOPROXY"),
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	check(t, err)
	return strings.TrimSpace(string(out))
}

// outcomes are what a check has to come to, with the keys api-key and other.
var outcomes = map[string]int{"api_key": 0, "api_key, other": 1}

// ran runs a shell script as a pipeline does, and returns its status and what it wrote.
func ran(t *testing.T, dir, script string, environ []string) (status int, said string) {
	t.Helper()
	cmd := exec.Command("bash", "-eo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, environ
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestAction: the steps of action.yml, as a runner runs them.
func TestAction(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../action.yml")
	check(t, err)
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Using string
			Steps []struct {
				Shell, Run string
				Uses       string
				Dir        string `yaml:"working-directory"`
				Env        map[string]string
			}
		}
	}
	check(t, yaml.Unmarshal(text, &action))
	if action.Runs.Using != "composite" || len(action.Runs.Steps) == 0 {
		t.Fatalf("the action is %+v", action)
	}
	source, err := filepath.Abs("..")
	check(t, err)
	for keys, want := range outcomes {
		own := newTestTenant(t)
		dir, environ := drifting(t, own, keys)
		environ = append(environ, "GITHUB_ACTION_PATH="+source, "RUNNER_TEMP="+t.TempDir())
		status, said := 0, ""
		for _, step := range action.Runs.Steps {
			if step.Uses != "" || step.Shell != "bash" {
				t.Fatalf("a step is %+v", step) // what it uses would have to be pinned, and fetched
			}
			env := environ
			for name, value := range step.Env {
				for input, of := range action.Inputs {
					given := of.Default
					if input == "check" {
						given = "parity"
					}
					value = strings.ReplaceAll(value, "${{ inputs."+input+" }}", given)
				}
				env = append(env, name+"="+value)
			}
			if status, said = ran(t, dir, step.Run, env); status != 0 {
				break
			}
		}
		if status != want || (want == 1) != strings.Contains(said, "::error title=vwrap check parity%3A missing,file=ci/required_keys.yaml,line=1::other is missing") {
			t.Errorf("%s: status %d\n%s", keys, status, said)
		}
	}
}

// TestGitLab: the script of the job, and its report.
func TestGitLab(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../examples/ci/gitlab-ci.yml")
	check(t, err)
	var file map[string]struct {
		Script    []string
		Artifacts struct{ Reports struct{ Junit string } }
	}
	check(t, yaml.Unmarshal(text, &file))
	job := file["drift"]
	for keys, want := range outcomes {
		own := newTestTenant(t)
		dir, environ := drifting(t, own, keys)
		status, said := ran(t, dir, strings.ReplaceAll(strings.Join(job.Script, "\n"), "check all", "check parity"), environ) // the others look at all of this machine
		report, err := os.ReadFile(filepath.Join(dir, job.Artifacts.Reports.Junit))
		check(t, err)
		if status != want || !strings.Contains(string(report), fmt.Sprintf(` failures="%d" `, want)) {
			t.Errorf("%s: status %d\n%s\n%s", keys, status, said, report)
		}
	}
}

// TestMakeTarget: the target of the manual.
func TestMakeTarget(t *testing.T) {
	t.Parallel()
	file, err := filepath.Abs("../examples/ci/Makefile")
	check(t, err)
	for keys, want := range outcomes {
		own := newTestTenant(t)
		dir, environ := drifting(t, own, keys)
		status, said := ran(t, dir, "make -f "+file+" validate-secrets-parity", environ)
		if (status != 0) != (want != 0) || (want == 1) != strings.Contains(said, "other is missing") {
			t.Errorf("%s: status %d\n%s", keys, status, said)
		}
	}
}

// TestPreCommitHooks: what the hooks call is there, and says what is to be said.
func TestPreCommitHooks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../.pre-commit-hooks.yaml")
	check(t, err)
	var hooks []struct{ ID, Entry, Language string }
	check(t, yaml.Unmarshal(text, &hooks))
	for keys, want := range outcomes {
		own := newTestTenant(t)
		dir, environ := drifting(t, own, keys)
		for _, hook := range hooks {
			wanted := want
			if hook.ID != "vwrap-check-parity" {
				wanted = 0
			}
			if status, said := ran(t, dir, hook.Entry, environ); status != wanted || hook.Language != "golang" {
				t.Errorf("%s, %s: status %d\n%s", hook.ID, keys, status, said)
			}
		}
	}
}
