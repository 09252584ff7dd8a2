package control

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// FuzzLiveRequests: whatever is asked of the live channel, what comes out is HTTP, and of the file it has no more than the sections that are
// served, whole.
func FuzzLiveRequests(f *testing.F) {
	const plain = "GET /v1/env HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, request := range []string{
		plain, "GET /v1/env?format=dotenv HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v1/env?format=yaml HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /v1/env HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"7\"\r\n\r\n", "HEAD /v1/env HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v1/env HTTP/1.1\r\nHost: a\r\nRange: bytes=-5\r\n\r\n",
		"GET /v1/env HTTP/1.0\r\n\r\nGET /v1/env HTTP/1.1\r\nHost: a\r\n\r\n", "POST /v1/env HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "GET /v1/../v1/env HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /v1/env HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", "GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01",
	} {
		f.Add([]byte(request))
	}
	const before, inJSON, between, inDotenv, after = `{"carried":"BEFORE"}`, `{"KEY":"j-hush"}`, "BETWEEN", "KEY='d-hush'\n", "AFTER"
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := ListenLive(func(name string) string { return map[string]string{"VWRAP_RUNTIME_DIR": dir}[name] }, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(l.Close)
	file, err := os.CreateTemp(dir, "generation")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = file.Close() })
	if _, err := io.WriteString(file, before+inJSON+between+inDotenv+after); err != nil {
		f.Fatal(err)
	}
	if err := l.Publish(7, file, Section{int64(len(before)), int64(len(inJSON))}, Section{int64(len(before + inJSON + between)), int64(len(inDotenv))}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: l.Path(), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write(append(request, "\r\n\r\n"...))
		_ = conn.CloseWrite() // what waits for more gets no more
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		said, _ := io.ReadAll(conn)
		if len(said) > 0 && !bytes.HasPrefix(said, []byte("HTTP/1.")) {
			t.Fatalf("%q is answered by %q", request, said)
		}
		for _, part := range []string{"BEFORE", "BETWEEN", "AFTER"} {
			if bytes.Contains(said, []byte(part)) && !bytes.Contains(request, []byte(part)) {
				t.Fatalf("%q is answered by more than is served: %q", request, said)
			}
		}
		for part, whole := range map[string]string{"j-hush": "\r\n\r\n" + inJSON, "d-hush": "\r\n\r\n" + inDotenv} {
			if bytes.Contains(said, []byte(part)) && !bytes.Contains(request, []byte(part)) {
				if !bytes.HasSuffix(said, []byte(whole)) {
					t.Fatalf("%q is answered by parts of what is served: %q", request, said)
				}
			}
		}
		if string(request) == plain && !bytes.HasSuffix(said, []byte(inJSON)) {
			t.Errorf("what is served is not: %q", said)
		}
	})
}
