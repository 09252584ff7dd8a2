package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/template"
)

// published is a server of releases as the code host has them: the newest, which is 1.2.3.
type published struct {
	url      string
	files    string // the folder of both addresses
	archive  string // the name of this machine's
	requests atomic.Int64
}

// publish serves a release of the vwrap under test.
func publish(t *testing.T) *published {
	t.Helper()
	p := serve(t, t.TempDir())
	content, err := packedVwrap()
	check(t, err)
	p.put(t, content)
	return p
}

// serve serves the files of a release.
func serve(t *testing.T, folder string) *published {
	t.Helper()
	p := &published{files: folder, archive: archiveName(t)}
	files := http.FileServer(http.Dir(p.files))
	routes := http.NewServeMux()
	routes.Handle("/releases/latest/download/", http.StripPrefix("/releases/latest/download/", files))
	routes.Handle("/releases/download/v1.2.3/", http.StripPrefix("/releases/download/v1.2.3/", files))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		routes.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL + "/releases"
	return p
}

// put makes content the archive, with its checksum among others.
func (p *published) put(t *testing.T, content []byte) {
	t.Helper()
	sums := fmt.Sprintf("%064d  vwrap_plan9_amd64.tar.gz\n%x  %s\n%064d  %s.cdx.json\n", 1, sha256.Sum256(content), p.archive, 2, p.archive)
	check(t, os.WriteFile(filepath.Join(p.files, p.archive), content, 0o644))
	check(t, os.WriteFile(filepath.Join(p.files, "checksums.txt"), []byte(sums), 0o644))
}

// archiveName is what the release's configuration calls the archive for this machine.
func archiveName(t *testing.T) string {
	t.Helper()
	names, err := template.New("name").Parse(releaseConfig(t).Archives[0].Name)
	check(t, err)
	var name strings.Builder
	fields := map[string]string{"Os": runtime.GOOS, "Arch": runtime.GOARCH, "Arm": ""}
	if runtime.GOARCH == "arm" {
		fields["Arm"] = "7"
	}
	check(t, names.Execute(&name, fields))
	return name.String() + ".tar.gz"
}

// packedVwrap is the archive of the vwrap under test.
var packedVwrap = sync.OnceValues(func() ([]byte, error) {
	binary, err := os.ReadFile(filepath.Join(programs, "vwrap"))
	if err != nil {
		return nil, err
	}
	return pack("vwrap", binary)
})

// pack makes a compressed archive of one program.
func pack(name string, content []byte) ([]byte, error) {
	var file bytes.Buffer
	zip := gzip.NewWriter(&file)
	archive := tar.NewWriter(zip)
	err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
	if err == nil {
		_, err = archive.Write(content)
	}
	err = errors.Join(err, archive.Close(), zip.Close())
	return file.Bytes(), err
}

// packedScript is an archive whose program is one.
func packedScript(t *testing.T, name, text string) []byte {
	t.Helper()
	content, err := pack(name, []byte(text))
	check(t, err)
	return content
}

// installer is someone who is not root, on a machine with few programs.
type installer struct {
	t           *testing.T
	home, tools string
	environ     []string
}

const nobody = 65534

// newInstaller has a home, a folder for temporary files, and what the script asks for, with curl and sha256sum.
func newInstaller(t *testing.T) *installer {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "install-") // where an unprivileged user passes
	check(t, err)
	check(t, os.Chmod(dir, 0o755))
	i := &installer{t: t, home: filepath.Join(dir, "home"), tools: filepath.Join(dir, "tools")}
	for _, folder := range []string{i.home, i.tools, filepath.Join(dir, "tmp")} {
		check(t, os.Mkdir(folder, 0o755))
		check(t, os.Chown(folder, nobody, nobody))
	}
	i.environ = []string{"HOME=" + i.home, "PATH=" + i.tools, "TMPDIR=" + filepath.Join(dir, "tmp")}
	i.link("sh", "uname", "mktemp", "tar", "gzip", "cut", "mkdir", "rm", "cat", "chmod", "mv", "curl", "sha256sum")
	return i
}

// link gives it programs of this machine.
func (i *installer) link(names ...string) {
	i.t.Helper()
	for _, name := range names {
		program, err := exec.LookPath(name)
		check(i.t, err)
		check(i.t, os.Symlink(program, filepath.Join(i.tools, name)))
	}
}

// lacks takes programs away.
func (i *installer) lacks(names ...string) {
	i.t.Helper()
	for _, name := range names {
		check(i.t, os.Remove(filepath.Join(i.tools, name)))
	}
}

// has gives it a program that is a script of busybox.
func (i *installer) has(name, script string) {
	i.t.Helper()
	check(i.t, os.WriteFile(filepath.Join(i.tools, name), []byte("#!/usr/bin/busybox sh\n"+script+"\n"), 0o755))
}

// run is the script under a shell, and what it says.
func (i *installer) run(shell []string, args ...string) (status int, said string) {
	i.t.Helper()
	text, err := os.ReadFile("../install.sh")
	check(i.t, err)
	return i.feed(shell, text, args...)
}

// feed is a script that comes by a pipe.
func (i *installer) feed(shell []string, text []byte, args ...string) (status int, said string) {
	i.t.Helper()
	cmd := exec.Command(shell[0], append(append(shell[1:len(shell):len(shell)], "-s", "--"), args...)...)
	cmd.Env, cmd.Dir, cmd.Stdin = i.environ, i.home, bytes.NewReader(text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		i.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

var plainShell = []string{"/bin/sh"}

// leavesNothing: no temporary file, and in the folder what is named.
func (i *installer) leavesNothing(but ...string) {
	i.t.Helper()
	left, err := os.ReadDir(filepath.Join(filepath.Dir(i.home), "tmp"))
	check(i.t, err)
	if len(left) > 0 {
		i.t.Errorf("temporary files are left: %v", left)
	}
	inFolder, err := os.ReadDir(filepath.Join(i.home, ".local", "bin"))
	if err != nil && !os.IsNotExist(err) {
		i.t.Fatal(err)
	}
	var names []string
	for _, file := range inFolder {
		names = append(names, file.Name())
	}
	if strings.Join(names, " ") != strings.Join(but, " ") {
		i.t.Errorf("in the folder are %v", names)
	}
}

// TestInstall: by the shells and tools that machines have, into the home of someone who is not root.
func TestInstall(t *testing.T) {
	t.Parallel()
	var release *published
	if dist := os.Getenv("VWRAP_E2E_DIST"); dist != "" {
		release = serve(t, dist)
	} else {
		release = publish(t)
	}
	for name, c := range map[string]struct {
		shell   []string
		prepare func(*installer)
	}{
		"dash, curl": {[]string{"dash"}, func(*installer) {}},
		"bash, wget, shasum": {[]string{"bash", "--posix"}, func(i *installer) {
			i.lacks("curl", "sha256sum")
			i.link("wget")
			i.has("shasum", `[ "$*" = "-a 256" ] && exec /usr/bin/busybox sha256sum`)
		}},
		"busybox, openssl": {[]string{"busybox", "sh"}, func(i *installer) {
			i.lacks("uname", "mktemp", "tar", "gzip", "cut", "mkdir", "rm", "cat", "chmod", "mv", "curl", "sha256sum")
			for _, applet := range []string{"uname", "mktemp", "tar", "gzip", "cut", "mkdir", "rm", "cat", "chmod", "mv", "wget"} {
				check(i.t, os.Symlink("/usr/bin/busybox", filepath.Join(i.tools, applet)))
			}
			i.link("openssl")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstaller(t)
			c.prepare(i)
			i.environ = append(i.environ, "VWRAP_INSTALL_URL="+release.url)
			status, said := i.run(c.shell)
			program := filepath.Join(i.home, ".local", "bin", "vwrap")
			if status != 0 || !strings.Contains(said, program+" is vwrap ") || !strings.Contains(said, "is not on your PATH") {
				t.Fatalf("status %d\n%s", status, said)
			}
			if out, err := exec.Command(program, "version").CombinedOutput(); err != nil {
				t.Errorf("what is installed fails: %v\n%s", err, out)
			}
			i.leavesNothing("vwrap")

			// Again, over one that runs, of a version by name.
			running := exec.Command(program, "--", "cat")
			hold, err := running.StdinPipe()
			check(t, err)
			check(t, running.Start())
			before, err := os.Stat(program)
			check(t, err)
			i.environ[1] += ":" + filepath.Dir(program)
			if status, said := i.run(c.shell, "-v", "v1.2.3"); status != 0 || strings.Contains(said, "PATH") {
				t.Errorf("again: status %d\n%s", status, said)
			}
			after, err := os.Stat(program)
			check(t, err)
			if os.SameFile(before, after) || after.Mode().Perm() != 0o755 {
				t.Errorf("the program is the old one, or has mode %v", after.Mode())
			}
			check(t, hold.Close())
			check(t, running.Wait())
			i.leavesNothing("vwrap")
		})
	}
}

// TestInstallRefuses: what was there stays, and a line says why.
func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*installer, *published)
		args    []string
		says    string
		asked   int64 // requests
	}{
		"another checksum": {prepare: func(i *installer, p *published) {
			check(i.t, os.WriteFile(filepath.Join(p.files, p.archive), packedScript(i.t, "vwrap", "#!/bin/sh\n"), 0o644))
		}, says: "is wanted: nothing is installed", asked: 2},
		"half of it": {prepare: func(i *installer, p *published) {
			text, err := os.ReadFile(filepath.Join(p.files, p.archive))
			check(i.t, err)
			check(i.t, os.WriteFile(filepath.Join(p.files, p.archive), text[:len(text)/2], 0o644))
		}, says: "is wanted: nothing is installed", asked: 2},
		"no checksum": {prepare: func(i *installer, p *published) {
			check(i.t, os.WriteFile(filepath.Join(p.files, "checksums.txt"), fmt.Appendf(nil, "%064d  other-%s\n", 1, p.archive), 0o644))
		}, says: "checksums.txt has no vwrap_", asked: 1},
		"no such version":   {args: []string{"-v", "9.9.9"}, says: "/download/v9.9.9/checksums.txt: is there such a release", asked: 1},
		"what does not run": {prepare: func(i *installer, p *published) { p.put(i.t, packedScript(i.t, "vwrap", "#!/bin/sh\nexit 1\n")) }, says: "does not run on this machine: nothing is installed", asked: 2},
		"another archive":   {prepare: func(i *installer, p *published) { p.put(i.t, packedScript(i.t, "other", "#!/bin/sh\n")) }, says: "has no vwrap in it: nothing is installed", asked: 2},
		"no tar":            {prepare: func(i *installer, _ *published) { i.lacks("tar") }, says: "tar is not here: install it"},
		"no curl":           {prepare: func(i *installer, _ *published) { i.lacks("curl") }, says: "neither curl nor wget is here"},
		"no sha256sum":      {prepare: func(i *installer, _ *published) { i.lacks("sha256sum") }, says: "neither sha256sum nor shasum nor openssl is here"},
		"another system": {prepare: func(i *installer, _ *published) {
			i.lacks("uname")
			i.has("uname", `case $1 in -s) echo Plan9;; -m) echo x86_64;; esac`)
		}, says: "there is no vwrap for Plan9 on x86_64"},
		"another machine": {prepare: func(i *installer, _ *published) {
			i.lacks("uname")
			i.has("uname", `case $1 in -s) echo Linux;; -m) echo riscv64;; esac`)
		}, says: "there is no vwrap for Linux on riscv64"},
		"a folder of root's":       {args: []string{"-b", "/usr"}, says: "cannot write to /usr: choose another"},
		"a folder in one":          {args: []string{"-b", "/usr/vwrap-test/bin"}, says: "cannot make /usr/vwrap-test/bin: choose another"},
		"no home":                  {prepare: func(i *installer, _ *published) { i.environ[0] = "HOME=" }, says: "HOME is not set: name the folder"},
		"a word too many":          {args: []string{"1.2.3"}, says: "what is 1.2.3? usage:"},
		"a flag that is not there": {args: []string{"-x"}, says: "-x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, release := newInstaller(t), publish(t)
			if c.prepare != nil {
				c.prepare(i, release)
			}
			folder := filepath.Join(i.home, ".local", "bin")
			check(t, os.MkdirAll(folder, 0o755))
			check(t, os.Chown(folder, nobody, nobody))
			check(t, os.WriteFile(filepath.Join(folder, "vwrap"), []byte("the old one"), 0o755))
			i.environ = append(i.environ, "VWRAP_INSTALL_URL="+release.url)
			status, said := i.run(plainShell, c.args...)
			if status == 0 || !strings.Contains(said, c.says) || release.requests.Load() != c.asked {
				t.Errorf("status %d, %d requests\n%s", status, release.requests.Load(), said)
			}
			if text, err := os.ReadFile(filepath.Join(folder, "vwrap")); err != nil || string(text) != "the old one" {
				t.Errorf("the old program is %q (%v)", text, err)
			}
			i.leavesNothing("vwrap")
		})
	}
}

// TestInstallPlatforms: each name that a machine gives itself leads to the archive that the release has for it.
func TestInstallPlatforms(t *testing.T) {
	t.Parallel()
	for machine, want := range map[string]string{
		"Linux x86_64": "linux_amd64", "Linux aarch64": "linux_arm64", "Linux armv7l": "linux_armv7",
		"Darwin arm64": "darwin_arm64", "Darwin x86_64": "darwin_amd64",
	} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			i, release := newInstaller(t), publish(t)
			check(t, os.WriteFile(filepath.Join(release.files, "checksums.txt"), nil, 0o644))
			system, cpu, _ := strings.Cut(machine, " ")
			i.lacks("uname")
			i.has("uname", fmt.Sprintf("case $1 in -s) echo %s;; -m) echo %s;; esac", system, cpu))
			i.environ = append(i.environ, "VWRAP_INSTALL_URL="+release.url)
			if status, said := i.run(plainShell); status != 1 || !strings.Contains(said, "has no vwrap_"+want+".tar.gz\n") {
				t.Errorf("status %d\n%s", status, said)
			}
		})
	}
}

// TestInstallInPart: of a script that arrives in part nothing is done.
func TestInstallInPart(t *testing.T) {
	t.Parallel()
	i, release := newInstaller(t), publish(t)
	i.environ = append(i.environ, "VWRAP_INSTALL_URL="+release.url)
	text, err := os.ReadFile("../install.sh")
	check(t, err)
	last := bytes.LastIndex(text, []byte("main \"$@\""))
	for cut := last; cut > 0; cut -= 97 {
		i.feed(plainShell, text[:cut])
	}
	if n := release.requests.Load(); n != 0 {
		t.Errorf("there were %d requests", n)
	}
	i.leavesNothing()
	if status, said := i.feed(plainShell, text[:last+len("main \"$@\"")]); status != 0 || release.requests.Load() != 2 {
		t.Errorf("whole: status %d\n%s", status, said) // else the above shows nothing
	}
}
