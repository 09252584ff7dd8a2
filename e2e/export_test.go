package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestExportIsReadBack: what vwrap export prints is read back byte for byte, by those who read it.
func TestExportIsReadBack(t *testing.T) {
	t.Parallel()
	const seed = 1
	values := exportValues(rand.New(rand.NewPCG(seed, seed)))
	line := func(value string) bool {
		return !strings.ContainsAny(value, "\r\n") && len(value) < 60<<10
	}
	for _, reader := range []struct {
		name, format string
		takes        func(value string) bool // of what vwrap does not refuse
		argv         []string                // prints the environment, or the file, as NAME=VALUE with NUL between
	}{
		{"sh", "shell", all, []string{"sh", "-euc", ". ./file; exec env -0"}},
		{"bash", "shell", all, []string{"bash", "-euc", ". ./file; exec env -0"}},
		{"bash by eval", "shell", all, []string{"bash", "-euc", `eval "$(cat file)"; exec env -0`}},
		{"dash", "shell", all, []string{"dash", "-euc", ". ./file; exec env -0"}},
		{"zsh", "shell", all, []string{"zsh", "-euc", ". ./file; exec env -0"}},
		{"zsh with rc_quotes", "shell", all, []string{"zsh", "-o", "rc_quotes", "-euc", ". ./file; exec env -0"}},
		{"fish", "shell", all, []string{"fish", "-c", "source ./file; exec env -0"}},
		{"node --env-file", "dotenv", all, []string{"node", "--env-file=file", "-e", nodePrints("process.env")}},
		{"node parseEnv", "dotenv", all, []string{"node", "-e", nodePrints("require('util').parseEnv(require('fs').readFileSync('file', 'utf8'))")}},
		{"Ruby's dotenv 2.4", "dotenv", line, []string{"ruby", "-rdotenv", "-e", `Dotenv::Parser.call(File.read("file")).each { |name, value| print name, "=", value, "\0" }`}}, // a value is a line there
		{"dotenv in a shell", "dotenv", all, []string{"dash", "-euc", "set -a; . ./file; exec env -0"}},
		{"json", "json", all, []string{"node", "-e", nodePrints("JSON.parse(require('fs').readFileSync('file', 'utf8'))")}},
		{"docker", "docker", line, []string{"tr", `\n`, `\0`}}, // a line is NAME=VALUE, nothing else
	} {
		t.Run(reader.name, func(t *testing.T) {
			t.Parallel()
			want := map[string]string{}
			for i, value := range values {
				if reader.takes(value) && (reader.format != "dotenv" || refusal(t, reader.format, value) == "") {
					want[fmt.Sprintf("V%d", i)] = value
				}
			}
			if len(want) < len(values)/3 {
				t.Fatalf("%d of %d values are left", len(want), len(values))
			}
			dir := t.TempDir()
			out, err := export(t, reader.format, want)
			check(t, err)
			check(t, os.WriteFile(filepath.Join(dir, "file"), out, 0o600))
			read := exec.Command(reader.argv[0], reader.argv[1:]...)
			read.Dir, read.Env, read.Stdin = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8"}, bytes.NewReader(out)
			var complaints bytes.Buffer
			read.Stderr = &complaints
			printed, err := read.Output()
			if err != nil || complaints.Len() > 0 {
				t.Errorf("%v: %.300s", err, complaints.Bytes())
			}
			got := map[string]string{}
			for entry := range strings.SplitSeq(string(printed), "\x00") {
				name, value, _ := strings.Cut(entry, "=")
				got[name] = value
			}
			for _, name := range slices.Sorted(maps.Keys(want)) {
				if value, ok := got[name]; !ok || value != want[name] {
					t.Errorf("%.60q is read as %.60q (%v)", want[name], value, ok)
				}
			}
		})
	}
}

func all(string) bool { return true }

// nodePrints is a program that prints object as the env program does.
func nodePrints(object string) string {
	return fmt.Sprintf(`for (const [n, v] of Object.entries(%s)) process.stdout.write(n + "=" + v + "\0")`, object)
}

// export is what vwrap export prints for these variables.
func export(t *testing.T, format string, variables map[string]string) ([]byte, error) {
	argv := []string{"export", "--format", format}
	for name, value := range variables {
		argv = append(argv, "-e", name+"=literal:"+value)
	}
	dir := t.TempDir()
	run := exec.Command("vwrap", argv...)
	run.Dir, run.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var complaints bytes.Buffer
	run.Stderr = &complaints
	out, err := run.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, complaints.Bytes())
	}
	return out, err
}

// refusal is why vwrap export does not print value; "" where it does.
func refusal(t *testing.T, format, value string) string {
	out, err := export(t, format, map[string]string{"NAME": value})
	if err == nil {
		return ""
	}
	if len(out) > 0 || !strings.Contains(err.Error(), "exit status 125: vwrap: NAME: ") {
		t.Fatalf("%.60q: %v, and %d bytes", value, err, len(out))
	}
	return err.Error()
}

// exportValues are values that mean something to some reader, and random ones of the same parts.
func exportValues(random *rand.Rand) []string {
	values := []string{
		"", " ", " both ends ", "it's", `"`, `'"`, "''", `\`, `a\`, `\\`, `\n`, `'\''`, "$HOME", "${HOME}", "$(id)", "`id`", "#", "a #b", "=", "a=b",
		"a\nb", "\n\n", "a\n", "a\r\nb", "\r", "日本 é 😀", "\x01\x1b\x7f", "A=1\nexport B=2", strings.Repeat("long ", 25_000),
	}
	parts := []string{"a", "B", "0", " ", "\t", "'", `"`, `\`, "$", "{", "}", "(", ")", "`", "\n", "\r", "#", "=", "!", "~", "*", ";", "&", "%", "é", "😀", "\x01"}
	for range 120 {
		var b strings.Builder
		for range 1 + random.IntN(10) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		values = append(values, b.String())
	}
	return values
}

// TestExportToTerminal: values are not shown to who did not ask for that.
func TestExportToTerminal(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{
		"": `vwrap: standard output is a terminal, which would show the values, and may keep them: send it to a file or a program, or add --reveal\r\n`, "--reveal": `KEY=shown\r\n`,
	} {
		argv := vwrap("export", "--format", "docker", "-e", "KEY=shown")
		status := 125
		if flags != "" {
			argv, status = append(argv, flags), 0
		}
		w := openTerminal(t, newTestTenant(t), argv)
		w.expect(want)
		w.expectStatus(status)
		if flags == "" && strings.Contains(w.text(), "shown") {
			t.Errorf("it was shown: %q", w.text())
		}
	}
}
