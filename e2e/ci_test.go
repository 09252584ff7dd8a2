package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// drifting is a repository whose keys do not fit its manifest, or one whose do. It is alone on its machine, as far as checks look.
func drifting(t *testing.T, own *tenant, keys string) (dir string, environ []string) {
	t.Helper()
	dir = t.TempDir()
	check(t, own.put("dev/api-key", map[string]any{"value": "something long"}))
	check(t, os.Mkdir(filepath.Join(dir, "ci"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "vwrap.yaml"), []byte("version: 1\ncheck: {manifest: ci/required_keys.yaml, path: "+own.kv+"/dev}\n"), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "ci", "required_keys.yaml"), []byte("required_keys: ["+keys+"]\n"), 0o600))
	return dir, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + own.vault.address, "VAULT_TOKEN=" + own.vault.token,
		"TMPDIR=" + dir, "VWRAP_RUNTIME_DIR=" + runtimeFolder(t), "GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"), "GOPROXY=" + goEnv(t, "GOPROXY"),
	}
}

// runtimeFolder is one for sockets: those of vwraps that other tests run are elsewhere.
func runtimeFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o700))
	return dir
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

// TestAction: the steps of action.yml, as a runner runs them, in a folder of the work tree; files are named from its top.
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
		inputs := []string{"${{ inputs.working-directory }}", filepath.Base(dir)}
		for name, of := range action.Inputs {
			inputs = append(inputs, "${{ inputs."+name+" }}", of.Default)
		}
		given := strings.NewReplacer(inputs...)
		workspace := filepath.Dir(dir)
		environ = append(environ, "GITHUB_ACTION_PATH="+source, "GITHUB_WORKSPACE="+workspace, "RUNNER_TEMP="+t.TempDir())
		status, said := 0, ""
		for _, step := range action.Runs.Steps {
			if step.Uses != "" || step.Shell != "bash" {
				t.Fatalf("a step is %+v", step) // what it uses would have to be pinned, and fetched
			}
			env := environ
			for name, value := range step.Env {
				env = append(env, name+"="+given.Replace(value))
			}
			if status, said = ran(t, filepath.Join(workspace, given.Replace(step.Dir)), step.Run, env); status != 0 {
				break
			}
		}
		missing := "::error title=vwrap check parity%3A missing,file=" + filepath.Base(dir) + "/ci/required_keys.yaml,line=1::other is missing"
		if status != want || (want == 1) != strings.Contains(said, missing) || !strings.Contains(said, "\naddress: ") || !strings.Contains(said, "\nleaks: ") {
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
		status, said := ran(t, dir, strings.Join(job.Script, "\n"), environ)
		report, err := os.ReadFile(filepath.Join(dir, job.Artifacts.Reports.Junit))
		check(t, err)
		if status != want || strings.Contains(string(report), ` failures="1" `) != (want == 1) || strings.Count(string(report), ` errors="0" `) != 3 {
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

// TestPreCommitHooks: what pre-commit installs is vwrap alone, and what the hooks call says what is to be said.
func TestPreCommitHooks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../.pre-commit-hooks.yaml")
	check(t, err)
	var hooks []struct{ ID, Entry, Language string }
	check(t, yaml.Unmarshal(text, &hooks))
	programs := t.TempDir()
	install := exec.Command("go", "install", "./...") // as language: golang does
	install.Dir, install.Env = "..", append(os.Environ(), "GOBIN="+programs)
	if said, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if names, err := filepath.Glob(programs + "/*"); err != nil || len(names) != 1 || filepath.Base(names[0]) != "vwrap" {
		t.Errorf("installed is %q, %v", names, err)
	}
	for keys, want := range outcomes {
		own := newTestTenant(t)
		dir, environ := drifting(t, own, keys)
		environ = append(environ, "PATH="+programs+":"+os.Getenv("PATH"))
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
