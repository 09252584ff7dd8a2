package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoValueOnTheControlSocket asks the control socket of a running vwrap for everything, and for nonsense, and finds no value, token or
// lease in what it says. The live channel, which gives values, shows that they would be found.
func TestNoValueOnTheControlSocket(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	marker := randomHex(16)
	check(t, own.put("dev/api", map[string]any{"key": marker}))
	l := startLive(t, own, "-e", "KEY=vault:"+own.kv+"/dev/api#key", "-e", "URL=http://${vault:"+own.kv+"/dev/api#key | base64}@localhost/")
	secrets := append(encodings(marker), []byte(own.vault.token))

	var asked []string
	for _, path := range []string{"/v1/status", "/v1/rotate", "/metrics", "/v1/env", "/v1/env?format=json", "/debug/pprof/heap?debug=1", "/", "/../v1/env", "//v1/env", "/v1/status?x=%00"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE"} {
			asked = append(asked, method+" "+path+" HTTP/1.1\r\nHost: vwrap\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 { // bytes of these, changed
		text := []byte(asked[r.IntN(len(asked))])
		for range 1 + r.IntN(6) {
			text[r.IntN(len(text))] = byte(r.UintN(256))
		}
		asked = append(asked, string(text))
	}
	said := 0
	for _, request := range asked {
		answer := askRaw(t, l.control, request)
		said += len(answer)
		for _, secret := range secrets {
			if bytes.Contains(answer, secret) {
				t.Errorf("%q is answered with a secret", request)
			}
		}
	}
	if said == 0 {
		t.Error("nothing was answered at all")
	}
	if answer := askRaw(t, l.live, "GET /v1/env HTTP/1.1\r\nHost: vwrap\r\nConnection: close\r\n\r\n"); !bytes.Contains(answer, secrets[0]) {
		t.Errorf("the live channel does not say the value: %s", answer)
	}
	check(t, l.signal(syscall.SIGTERM))
	l.expectStatus(0)
}

// askRaw sends a request as it is, says that no more comes, and returns all that comes back.
func askRaw(t *testing.T, socket, request string) []byte {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, _ = io.WriteString(conn, request) // who is refused early is not listened to
	_ = conn.CloseWrite()
	answer, _ := io.ReadAll(conn)
	return answer
}

// TestSocketsAnswerNoOtherUser: another user who can reach the sockets' files is not answered, neither at the control socket nor at
// the live channel; the same request of their own user is.
func TestSocketsAnswerNoOtherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to be another user")
	}
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "k"}))
	l := startLive(t, own, "-e", "KEY=vault:"+own.kv+"/dev/api#key")
	dir := filepath.Dir(l.control)
	check(t, os.Chmod(filepath.Dir(dir), 0o755))
	check(t, os.Chmod(dir, 0o755))
	const ask = `
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(("GET %s HTTP/1.0\r\n\r\n" % sys.argv[2]).encode())
    said = s.recv(65536)
except (BrokenPipeError, ConnectionResetError):
    said = b""
print("answered" if said else "turned away")
`
	for socket, path := range map[string]string{l.control: "/v1/status", l.live: "/v1/env"} {
		check(t, os.Chmod(socket, 0o666))
		for uid, want := range map[uint32]string{0: "answered", 65534: "turned away", 1234: "turned away"} {
			cmd := exec.Command("/usr/bin/python3", "-c", ask, socket, path)
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			said, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(said)); err != nil || got != want {
				t.Errorf("user %d at %s: %s, %v; want %s", uid, filepath.Ext(socket), got, err, want)
			}
		}
	}
	check(t, l.signal(syscall.SIGTERM))
	l.expectStatus(0)
}

// TestTenThousandConnections: who opens connections and says nothing costs little, and nothing of the command's.
func TestTenThousandConnections(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "k"}))
	l := startLive(t, own, "-e", "KEY=vault:"+own.kv+"/dev/api#key")
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for n := range 10_000 {
		conn, err := net.Dial("unix", []string{l.control, l.live}[n%2])
		check(t, err)
		if len(open) < 600 { // more of our own descriptors prove no more
			open = append(open, conn)
		} else {
			conn.Close()
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.pid()))
	check(t, err)
	if len(fds) > 2*256+64 {
		t.Errorf("vwrap has %d descriptors", len(fds))
	}
	for _, conn := range open {
		conn.Close()
	}
	check(t, poll(patience, 10*time.Millisecond, func() error {
		_, err := l.read()
		return err
	}))
	l.rotate()
	check(t, l.signal(syscall.SIGTERM))
	l.expectStatus(0)
}
