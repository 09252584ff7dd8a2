// Package control is how a running vwrap is talked to: Unix sockets, found by a list of folders that servers and
// clients share, and the HTTP that is spoken there. No value is in what it says, nor a length, a token or a lease ID.
package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoPlace is wrapped where no folder can hold a socket.
var ErrNoPlace = errors.New("no folder for a socket")

// The endings of sockets' names, which begin with the PID of who listens.
const (
	controlSuffix = ".control"
	liveSuffix    = ".live"
)

// place is a folder that may hold sockets.
type place struct {
	dir   string
	named bool // by the user (VWRAP_RUNTIME_DIR), whose concern it is then
	open  bool // for live channels that name other users, who have to come in
}

// places are the folders where sockets may be, in the order in which they are tried. Later ones are for what has no
// runtime folder: containers with a read-only root have /dev/shm still.
func places(getenv func(string) string, open bool) (all []place) {
	if dir := getenv("VWRAP_RUNTIME_DIR"); dir != "" {
		return []place{{dir: dir, named: true, open: open}}
	}
	uid := "-" + strconv.Itoa(os.Geteuid())
	if open {
		return []place{{dir: "/run/vwrap-open", open: true}, {dir: "/dev/shm/vwrap-open" + uid, open: true}, {dir: "/tmp/vwrap-open" + uid, open: true}}
	}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		all = append(all, place{dir: filepath.Join(dir, "vwrap")})
	}
	return append(all, place{dir: "/run/vwrap"}, place{dir: "/dev/shm/vwrap" + uid}, place{dir: "/tmp/vwrap" + uid})
}

// prepare makes the folder, where it is not there, so that nobody but this user can put anything there, nor, unless it
// is open or named, see what is.
func (p place) prepare() error {
	mode := fs.FileMode(0o700)
	if p.open || p.named {
		mode = 0o755
	}
	err := os.Mkdir(p.dir, mode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	made := err == nil
	info, err := p.own()
	if err != nil || p.named && !made || info.Mode().Perm() == mode {
		return err
	}
	return os.Chmod(p.dir, mode) // vwrap has made it, or it has vwrap's name
}

// own is the folder, where it is this user's. One that the user has named is left as it is: others that may write there could take a
// socket away, and put theirs in its place.
func (p place) own() (fs.FileInfo, error) {
	info, err := os.Lstat(p.dir) // a link is somebody else's idea of where this is
	if err != nil {
		return nil, err
	}
	owner, ok := ownerOf(info)
	if !info.IsDir() || !ok || owner != os.Geteuid() {
		return nil, fmt.Errorf("%s is not a folder of this user's own", p.dir)
	}
	if p.named && info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("others may write into %s: have VWRAP_RUNTIME_DIR name a folder in it, which vwrap makes", p.dir)
	}
	return info, nil
}

func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// Socket is one that some vwrap listens at, or has.
type Socket struct {
	PID  int
	Path string
	live bool
}

// sockets are those in the folder.
func (p place) sockets() (all []Socket) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name, live := strings.CutSuffix(e.Name(), liveSuffix)
		if !live {
			var control bool
			if name, control = strings.CutSuffix(name, controlSuffix); !control {
				continue
			}
		}
		number, _, _ := strings.Cut(name, "-")
		pid, err := strconv.Atoi(number)
		if err == nil && e.Type()&fs.ModeSocket != 0 {
			all = append(all, Socket{pid, filepath.Join(p.dir, e.Name()), live})
		}
	}
	return all
}

// trusted reports whether a client may believe what it finds in the folder: only this user and root can have put it
// there.
func (p place) trusted() bool {
	info, err := os.Lstat(p.dir)
	if err != nil || !info.IsDir() {
		return false
	}
	owner, ok := ownerOf(info)
	return ok && (p.named || owner == os.Geteuid() || owner == 0) && info.Mode().Perm()&0o022 == 0
}

// Find returns the sockets at which a vwrap listens, by PID; with live those of live channels, else those of control.
// What a killed one has left behind is removed.
func Find(getenv func(string) string, live bool) (found []Socket) {
	all := places(getenv, false)
	if live && !all[0].named {
		all = append(all, places(getenv, true)...)
	}
	for _, p := range all {
		if !p.trusted() {
			continue
		}
		for _, s := range p.sockets() {
			if s.live == live && answers(s.Path) {
				found = append(found, s)
			}
		}
	}
	slices.SortFunc(found, func(a, b Socket) int { return a.PID - b.PID })
	return found
}

// answers reports whether somebody listens at path. A socket at which nobody does is removed.
func answers(path string) bool {
	conn, err := net.Dial("unix", path)
	if errors.Is(err, unix.ECONNREFUSED) {
		_ = os.Remove(path) // refused to who may not, which is as well
		return false
	}
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Folder returns the first folder that can hold a socket.
func Folder(getenv func(string) string) (dir string, err error) {
	var errs []error
	for _, p := range places(getenv, false) {
		if err := p.prepare(); err != nil {
			errs = append(errs, err)
			continue
		}
		return p.dir, nil
	}
	return "", fmt.Errorf("%w: %w", ErrNoPlace, errors.Join(errs...))
}

// Place returns the folder that Folder would, and makes nothing.
func Place(getenv func(string) string) (dir string, err error) {
	var errs []error
	for _, p := range places(getenv, false) {
		if err := p.look(); err != nil {
			errs = append(errs, err)
			continue
		}
		return p.dir, nil
	}
	return "", fmt.Errorf("%w: %w", ErrNoPlace, errors.Join(errs...))
}

// look reports whether prepare would succeed, as far as can be seen.
func (p place) look() error {
	const use = unix.W_OK | unix.X_OK
	_, err := os.Lstat(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := unix.Access(filepath.Dir(p.dir), use); err != nil {
			return fmt.Errorf("make %s: %w", p.dir, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := p.own(); err != nil {
		return err
	}
	if err := unix.Access(p.dir, use); err != nil {
		return fmt.Errorf("write into %s: %w", p.dir, err)
	}
	return nil
}
