package listen

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	s, err := Open([]string{"tcp 127.0.0.1:0", "unix " + path, "tcp [::1]:0 admin"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Names, []string{"tcp", "unix", "admin"}) || len(s.Files) != 3 || !strings.HasPrefix(s.TCP, "127.0.0.1:") {
		t.Errorf("%v, %s", s.Names, s.TCP)
	}
	for _, f := range s.Files {
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("a socket does not block: %x, %v", flags, err)
		}
	}
	// Nobody accepts, and still one may come.
	for network, address := range map[string]string{"unix": path, "tcp": s.TCP} {
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Errorf("%s: %v", network, err)
			continue
		}
		_ = conn.Close()
	}
	if _, err := Open([]string{"unix " + path}); err == nil || !strings.Contains(err.Error(), "somebody listens there") {
		t.Errorf("%v", err)
	}
	if _, err := Open([]string{"tcp " + s.TCP}); err == nil || err.Error() != "rotation.listen: tcp "+s.TCP+": address already in use" {
		t.Errorf("%v", err)
	}
	s.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Error("the socket's file is left")
	}
}

// What a killed vwrap has left is in nobody's way; what is no socket stays.
func TestOpenWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	s, err := Open([]string{"unix " + path})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open([]string{"unix " + path}); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Error("a file was removed")
	}
}

func TestOpenRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"":                     `want "tcp HOST:PORT" or "unix PATH"`,
		"127.0.0.1:80":         `want "tcp HOST:PORT" or "unix PATH"`,
		"udp 127.0.0.1:0":      "udp is neither tcp nor unix",
		"tcp 127.0.0.1":        "missing port in address",
		"tcp 127.0.0.1:0 a:b":  "has a colon",
		"tcp 127.0.0.1:0 a b":  "and perhaps a name",
		"tcp 192.0.2.1:1":      "cannot assign requested address",
		"unix /no/such/folder": "no such file or directory",
	} {
		if _, err := Open([]string{spec}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", spec, err, want)
		}
	}
}
