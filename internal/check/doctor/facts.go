package doctor

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/internal/control"
	"github.com/vwrap/vwrap/internal/proc"
)

// Facts are what this machine and this process are. Files are looked at when they are asked about, in Root.
type Facts struct {
	Root   fs.FS // of the machine: proc/swaps, etc/…
	Getenv func(string) string

	PID        int
	OS, Arch   string // that vwrap was built for
	Hardware   string // that the kernel says it runs on
	Terminal   [3]bool
	Home, Dir  string // absolute
	Sockets    string // the folder that sockets go to
	SocketsErr error  // why there is none
	Direnv     string // its program; "" is none
	WSLInfo    string // the program that tells of the Windows Subsystem for Linux; "" is none

	// What who calls knows beside that.
	StopGrace    time.Duration // rotation.stop_grace
	Live         bool          // a live channel is asked for
	DirenvStatus string        // what direnv status says
	Networking   string        // what wslinfo --networking-mode says

	// GraceIn is rotation.stop_grace of the vwrap.yaml in a folder, where there is one; nil knows none.
	GraceIn func(dir string) (grace time.Duration, ok bool)
}

// Look gathers the facts of this machine and this process.
func Look(getenv func(string) string) Facts {
	f := Facts{Root: os.DirFS("/"), Getenv: getenv, PID: os.Getpid(), OS: runtime.GOOS, Arch: runtime.GOARCH, Home: getenv("HOME")}
	for fd := range f.Terminal {
		f.Terminal[fd] = proc.IsTerminal(fd)
	}
	f.Dir, _ = os.Getwd() // "" is nowhere: nothing is found there
	f.Sockets, f.SocketsErr = control.Place(getenv)
	f.Direnv, _ = exec.LookPath("direnv") // nothing where there is none
	if f.onWSL() && f.Container() == "" {
		f.WSLInfo, _ = exec.LookPath("wslinfo")
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		f.Hardware = unix.ByteSliceToString(name.Machine[:])
	}
	return f
}

// most is more than any file that is looked at has.
const most = 1 << 20

// read is the content of the file at an absolute path; "" where it cannot be had.
func (f Facts) read(name string) string {
	file, err := f.open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	var b strings.Builder
	buffer := make([]byte, 32<<10)
	for b.Len() < most {
		n, err := file.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	return b.String()
}

// open opens a regular file: others, such as FIFOs, would be waited for.
func (f Facts) open(name string) (fs.File, error) {
	info, err := fs.Stat(f.Root, relative(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrInvalid
	}
	return f.Root.Open(relative(name))
}

// is reports whether there is something at an absolute path.
func (f Facts) is(name string) bool {
	_, err := fs.Stat(f.Root, relative(name))
	return err == nil
}

// onWSL reports whether this is the Windows Subsystem for Linux, or a container on its kernel.
func (f Facts) onWSL() bool {
	return strings.Contains(strings.ToLower(f.read("/proc/version")), "microsoft")
}

// relative is an absolute path as Root has it; "" is one that is not absolute.
func relative(name string) string {
	if !filepath.IsAbs(name) {
		return ""
	}
	if name = strings.TrimPrefix(path.Clean(name), "/"); name == "" {
		return "."
	}
	return name
}

// upwards are dir and the folders above it.
func upwards(dir string) (all []string) {
	if !filepath.IsAbs(dir) {
		return nil
	}
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		all = append(all, at)
		if at == filepath.Dir(at) {
			return all
		}
	}
}

// tilde is path as a user writes it.
func (f Facts) tilde(name string) string {
	if rest, ok := strings.CutPrefix(name, strings.TrimSuffix(f.Home, "/")+"/"); ok && f.Home != "" {
		return "~/" + rest
	}
	return name
}
