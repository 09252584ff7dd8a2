package ready

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzNotify: whatever a program says at the socket, only READY=1 on a line of its own is the word, and what else it says keeps nobody from
// hearing that.
func FuzzNotify(f *testing.F) {
	for _, seed := range []string{"READY=1", "READY=1\n", "STATUS=x\nREADY=1", "READY=10", " READY=1", "READY=1\x00", "", "\n\n", "ready=1", strings.Repeat("x", 4096) + "\nREADY=1", "READY=1\nREADY=1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 64<<10 {
			return // more than a message may be long
		}
		dir, err := os.MkdirTemp("", "v")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		n, err := NewNotify(filepath.Join(dir, "s"), "")
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		conn, err := net.Dial("unixgram", n.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		heard := message[:min(len(message), mostSaid)]
		if got, want := saysReady(heard), slices.Contains(strings.Split(string(heard), "\n"), "READY=1"); got != want {
			t.Errorf("%q says that it is ready: %t", message, got)
		}
		if _, err := conn.Write(message); err != nil {
			t.Fatal(err)
		}
		if !saysReady(heard) {
			if _, err := conn.Write([]byte("READY=1")); err != nil {
				t.Fatal(err)
			}
		}
		<-n.Said()
	})
}
