package containers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/vwrap/vwrap/e2e/built"
)

// No registry gives an image here. What examples build on is stood in for under the names that they use: the programs are
// this machine's, with the libraries that they need. testdata has their recipes.

const (
	nodeImage     = "node:24-slim"
	postgresImage = "postgres:17"
	vaultImage    = "hashicorp/vault:1.21"
	vwrapImage    = "vwrap/vwrap:1"
)

// standIns builds them, once.
var standIns = sync.OnceValue(func() error {
	return errors.Join(standInVault(), standInPostgres(), standInNode(), standInVwrap())
})

func needStandIns(t *testing.T) {
	t.Helper()
	check(t, standIns())
}

func standInVault() error {
	binary, err := built.VaultCLI()
	if err != nil {
		return err
	}
	r := newRoot("vault")
	r.copy(binary, "/bin/vault")
	return r.build(vaultImage)
}

func standInVwrap() error {
	binary, err := built.Vwrap(engine.scratch)
	if err != nil {
		return err
	}
	r := newRoot("vwrap")
	r.write("../Dockerfile", "FROM scratch\nCOPY root/vwrap /\n")
	r.copy(binary, "/vwrap")
	return r.build(vwrapImage)
}

func standInPostgres() error {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		return errors.New("find PostgreSQL (apt-get install postgresql)")
	}
	bin := bins[len(bins)-1]
	version := filepath.Base(filepath.Dir(bin))
	r := newRoot("postgres")
	for _, program := range []string{"postgres", "initdb", "pg_ctl", "pg_isready", "psql", "createdb"} {
		r.program(filepath.Join(bin, program))
	}
	for _, library := range []string{"plpgsql.so", "dict_snowball.so"} {
		r.program(filepath.Join("/usr/lib/postgresql", version, "lib", library))
	}
	r.tree(filepath.Join("/usr/share/postgresql", version))
	r.tree("/usr/share/zoneinfo")
	r.write("etc/passwd", "root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n")
	r.write("etc/group", "root:x:0:\npostgres:x:999:\n")
	r.link(bin, "/usr/local/bin")
	return r.build(postgresImage)
}

func standInNode() error {
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("find node (apt-get install nodejs npm): %w", err)
	}
	npm, err := exec.LookPath("npm")
	if err == nil {
		npm, err = filepath.EvalSymlinks(npm)
	}
	if err != nil {
		return fmt.Errorf("find npm (apt-get install npm): %w", err)
	}
	r := newRoot("node")
	r.program(node)
	r.write("usr/local/bin/npm", "#!/bin/sh\nexec "+node+" "+npm+" \"$@\"\n")
	if debian := "/usr/share/nodejs"; strings.HasPrefix(npm, debian) {
		r.tree(debian) // npm's parts are packages of their own
	} else {
		r.tree(filepath.Dir(filepath.Dir(npm)))
	}
	r.copy("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
	r.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n")
	r.write("etc/group", "root:x:0:\nnode:x:1000:\n")
	r.folder("/home/node", "/tmp")
	r.packages("../../examples/compose/web")
	return r.build(nodeImage)
}

// packages lets npm find those of a project without a network: a build's leads nowhere here.
func (r *root) packages(project string) {
	dir := filepath.Join(engine.scratch, "npm")
	r.note(os.CopyFS(dir, os.DirFS(project)))
	fill := exec.Command("npm", "ci", "--omit=dev", "--cache", r.path("/root/.npm"))
	fill.Dir = dir
	if said, err := fill.CombinedOutput(); err != nil {
		r.note(fmt.Errorf("npm ci: %w\n%s", err, said))
	}
	registry, err := exec.Command("npm", "config", "get", "registry").Output()
	r.note(err)
	r.write("root/.npmrc", "offline=true\nregistry="+string(registry))
}

// root is what an image will have; its recipe is of testdata, or written.
type root struct {
	name string
	err  error
}

func newRoot(name string) *root {
	r := &root{name: name}
	r.folder("/bin")
	recipe := filepath.Join("testdata", name)
	if _, err := os.Stat(recipe); err == nil {
		r.err = errors.Join(r.err, os.CopyFS(r.context(), os.DirFS(recipe)))
	}
	r.copy("/bin/busybox", "/bin/busybox")
	return r
}

func (r *root) context() string       { return filepath.Join(engine.scratch, "stand-in", r.name) }
func (r *root) path(in string) string { return filepath.Join(r.context(), "root", in) }
func (r *root) note(err error)        { r.err = errors.Join(r.err, err) }

func (r *root) build(tag string, flags ...string) error {
	if r.err != nil {
		return r.err
	}
	_, err := docker(append(append([]string{"build", "-q", "-t", tag}, flags...), r.context())...)
	return err
}

func (r *root) folder(paths ...string) {
	for _, p := range paths {
		r.note(os.MkdirAll(r.path(p), 0o755))
	}
}

func (r *root) write(to, text string) {
	r.folder(filepath.Dir(to))
	r.note(os.WriteFile(r.path(to), []byte(text), 0o755))
}

func (r *root) copy(from, to string) {
	r.folder(filepath.Dir(to))
	r.note(copyFile(from, r.path(to)))
}

// link makes each program of dir one in another folder.
func (r *root) link(dir, in string) {
	r.folder(in)
	programs, err := os.ReadDir(r.path(dir))
	r.note(err)
	for _, p := range programs {
		r.note(os.Symlink(filepath.Join(dir, p.Name()), r.path(filepath.Join(in, p.Name()))))
	}
}

var library = regexp.MustCompile(`(?m)(?:=> |^\s+)(/\S+) \(0x`)

// program copies one with the libraries that ldd(1) names, each to where it is here.
func (r *root) program(path string) {
	r.copy(path, path)
	said, _ := exec.Command("ldd", path).Output() // a static one has none
	for _, m := range library.FindAllStringSubmatch(string(said), -1) {
		r.copy(m[1], m[1])
	}
}

// tree copies a folder; links as they are.
func (r *root) tree(dir string) {
	r.note(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(r.path(path), 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(to, r.path(path))
		default:
			return copyFile(path, r.path(path))
		}
	}))
}
