package mask

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// memoryOf is a memory file with a text in it.
func memoryOf(t *testing.T, text []byte) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("values", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "values")
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	return f
}

// listening is a process that masks, and the end of its control socket that tells it what to do.
func listening(t *testing.T) *net.UnixConn {
	t.Helper()
	var p Process
	theirs, err := p.connect()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(theirs.Fd())) // which controlOf closes
	_ = theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := controlOf(fd)
	if err != nil {
		t.Fatal(err)
	}
	m, done := &masker{}, make(chan struct{})
	go func() {
		defer close(done)
		m.listen(conn)
	}()
	t.Cleanup(func() {
		_ = p.control.Close()
		<-done
	})
	return p.control
}

// FuzzRequests: whatever is asked, with whatever file, is answered in one line, which has no value in it.
func FuzzRequests(f *testing.F) {
	const values = `[{"name":"A","value":"hush-hush"},{"name":"B","value":"x"}]`
	for _, request := range []string{
		`{"publish":{"offset":0,"length":59}}`, `{"publish":{"offset":-1,"length":-1}}`, `{"publish":{"offset":9223372036854775807,"length":9223372036854775807}}`, `{"publish":{"offset":3}}`,
		`{"drain":true}`, `{}`, `null`, `[`, `{"publish":5}`, `{"publish":{},"drain":true}`,
	} {
		for rights := range uint8(4) {
			f.Add([]byte(request), []byte(values), rights)
		}
	}
	f.Add([]byte(`{"publish":{"length":4}}`), []byte("null"), uint8(1))
	f.Add([]byte(`{"publish":{"length":99}}`), []byte(`[null,{"name":5}]`), uint8(1))
	f.Fuzz(func(t *testing.T, request, text []byte, rights uint8) {
		if len(request) == 0 || len(request) > 4096 {
			return // the end, and more than is ever told
		}
		c := listening(t)
		var fds []int
		for range rights % 4 {
			fds = append(fds, int(memoryOf(t, text).Fd()))
		}
		var oob []byte
		if len(fds) > 0 {
			oob = unix.UnixRights(fds...)
		}
		if _, _, err := c.WriteMsgUnix(request, oob, nil); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 64<<10)
		n, err := c.Read(said)
		var answer reply
		if err != nil || json.Unmarshal(said[:n], &answer) != nil {
			t.Fatalf("%q is answered by %q, %v", request, said[:n], err)
		}
		if bytes.Contains(said[:n], []byte("hush-hush")) && !bytes.Contains(text, []byte(`"name":"hush`)) && !bytes.Contains(bytes.ToLower(text), []byte(`"name": "hush`)) {
			t.Fatalf("%q is answered by a value: %q", request, said[:n])
		}
	})
}
