package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// released is what tests have to know of .goreleaser.yaml.
type released struct {
	Builds []struct {
		Env, Flags, Ldflags, Targets []string
	}
	Archives []struct {
		Name string `yaml:"name_template"`
	}
	Checksum, Release struct {
		Added []struct{ Glob string } `yaml:"extra_files"`
	}
}

func releaseConfig(t *testing.T) (config released) {
	t.Helper()
	text, err := os.ReadFile("../.goreleaser.yaml")
	check(t, err)
	check(t, yaml.Unmarshal(text, &config))
	if len(config.Builds) != 1 || len(config.Archives) != 1 {
		t.Fatalf("the release is %+v", config)
	}
	return config
}

// sources copies what vwrap is built of into a new folder.
func sources(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir("..")
	check(t, err)
	for _, entry := range entries {
		from, to := filepath.Join("..", entry.Name()), filepath.Join(dir, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."), slices.Contains([]string{"bin", "dist", "e2e", "bench", "devvault", "docs"}, entry.Name()):
		case entry.IsDir():
			check(t, os.CopyFS(to, os.DirFS(from)))
		default:
			text, err := os.ReadFile(from)
			check(t, err)
			check(t, os.MkdirAll(dir, 0o755))
			check(t, os.WriteFile(to, text, 0o644))
		}
	}
}

// TestReproducible: who builds the sources as the Makefile does gets the release's binary, bit by bit, wherever the sources
// are, and compiled anew.
func TestReproducible(t *testing.T) {
	t.Parallel()
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "a", "longer", "path")
	sources(t, one)
	sources(t, two)
	run := func(dir string, environ []string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, said)
		}
		text, err := os.ReadFile(filepath.Join(dir, "bin", "vwrap"))
		check(t, err)
		return text
	}
	makefile, err := os.ReadFile("../Makefile")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(one, "Makefile"), makefile, 0o644))
	byHand := run(one, nil, "make", "build", "RELEASE=1.2.3")

	build := releaseConfig(t).Builds[0]
	args := append([]string{"go", "build", "-o", "bin/vwrap"}, build.Flags...)
	var flags strings.Builder
	check(t, template.Must(template.New("ldflags").Parse(strings.Join(build.Ldflags, " "))).Execute(&flags, map[string]string{"Version": "1.2.3", "Os": runtime.GOOS, "Arch": runtime.GOARCH}))
	args = append(args, "-ldflags="+flags.String(), ".")
	byRelease := run(two, append(build.Env, "GOCACHE="+t.TempDir(), "TMPDIR="+t.TempDir()), args...)

	if !bytes.Equal(byHand, byRelease) {
		t.Errorf("the binaries differ: %d and %d bytes", len(byHand), len(byRelease))
	}
	out, err := exec.Command(filepath.Join(one, "bin", "vwrap"), "version").Output()
	check(t, err)
	if !strings.HasPrefix(string(out), "vwrap 1.2.3 (") {
		t.Errorf("the version is %s", out)
	}
}

// TestDemo: the README's first command does what it says, of the sources alone. It is a drill, with times to keep to, and so it
// runs before the tests that run side by side.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	sources(t, dir)
	makefile, err := os.ReadFile("../Makefile")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "Makefile"), makefile, 0o644))
	demo := exec.Command("make", "demo")
	demo.Dir = dir
	said, err := demo.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, want := range []string{"vwrap: restarting the command: new ", "outage", "revoke", "seal"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

// TestChecksums: what is published beside what the release makes has a checksum too, and so is signed.
func TestChecksums(t *testing.T) {
	t.Parallel()
	config := releaseConfig(t)
	if len(config.Release.Added) != 2 || !slices.Equal(config.Checksum.Added, config.Release.Added) {
		t.Errorf("%v is published, and checksums are had of %v", config.Release.Added, config.Checksum.Added)
	}
}

// TestModules: the binary has the modules that the document and the notice name, on each system, and no others.
func TestModules(t *testing.T) {
	t.Parallel()
	var linked []string
	for _, target := range releaseConfig(t).Builds[0].Targets {
		part := strings.Split(target, "_")
		cmd := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_docs", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Indirect}}{{end}}{{end}}", ".")
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0", "GOOS="+part[0], "GOARCH="+part[1])
		out, err := cmd.Output()
		check(t, err)
		linked = append(linked, strings.Split(strings.TrimSpace(string(out)), "\n")...)
	}
	slices.Sort(linked)
	linked = slices.Compact(linked)

	text, err := os.ReadFile("../docs/dependencies.md")
	check(t, err)
	binary, _, found := strings.Cut(string(text), "\n## Other modules\n")
	if !found {
		t.Fatal("the document has no part for other modules")
	}
	path := "((?:[a-z0-9-]+\\.)+[a-z]+/[A-Za-z0-9./-]*[A-Za-z0-9])"
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `"+path+"` \\| [^|]*[a-z][^|]* \\|").FindAllStringSubmatch(binary, -1) {
		documented = append(documented, row[1]+" false")
	}
	for _, item := range regexp.MustCompile("(?m)^- `"+path+"`$").FindAllStringSubmatch(binary, -1) {
		documented = append(documented, item[1]+" true")
	}
	slices.Sort(documented)
	if !slices.Equal(linked, documented) {
		t.Errorf("the binary has\n%s\nand docs/dependencies.md\n%s", strings.Join(linked, "\n"), strings.Join(documented, "\n"))
	}

	notice, err := os.ReadFile("../NOTICE")
	check(t, err)
	works, _, _ := strings.Cut(string(notice), "\n\ndevvault/")
	var noticed []string
	for _, work := range regexp.MustCompile(path).FindAllStringSubmatch(works, -1) {
		noticed = append(noticed, work[1])
	}
	slices.Sort(noticed)
	for i, module := range linked {
		linked[i], _, _ = strings.Cut(module, " ")
	}
	slices.Sort(linked)
	if !slices.Equal(linked, noticed) {
		t.Errorf("the binary has\n%s\nand NOTICE\n%s", strings.Join(linked, "\n"), strings.Join(noticed, "\n"))
	}
}

// TestNoTemplates: nothing leads to text/template, for which the linker would keep every exported method there is
// (docs/decisions/0013-dispatch.md).
func TestNoTemplates(t *testing.T) {
	t.Parallel()
	vwrap, err := exec.LookPath("vwrap")
	check(t, err)
	binary, err := os.ReadFile(vwrap)
	check(t, err)
	if !bytes.Contains(binary, []byte("github.com/vwrap/vwrap/internal/cli.dispatch")) {
		t.Fatal("the binary does not tell its functions")
	}
	if bytes.Contains(binary, []byte("text/template.(*Template).Execute")) {
		t.Error("text/template is linked")
	}
}
