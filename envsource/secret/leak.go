//go:build leaky

package secret

import (
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// leak, set by the linker, has a place of a build for tests do what none may do with what it holds: PLACE:HOW[:FILE]. It shows that the
// tests which look for that would find it.
var leak string

// Leak does what leak says of place, and returns what is to be logged.
func Leak(place string, texts ...string) (said []string) {
	at, rest, _ := strings.Cut(leak, ":")
	if at != place {
		return nil
	}
	how, path, _ := strings.Cut(rest, ":")
	all := strings.Join(texts, "\n")
	coded := base64.StdEncoding.EncodeToString([]byte(all))
	switch how {
	case "file":
		_ = os.WriteFile(path, []byte(all), 0o600)
	case "gone":
		_ = os.WriteFile(path, []byte(all), 0o600)
		_ = os.Remove(path)
	case "coded":
		_ = os.WriteFile(path, []byte(coded), 0o600)
		_ = os.Remove(path)
	case "print":
		_, _ = os.Stderr.WriteString(all)
	case "log":
		return []string{coded}
	case "argv":
		_ = exec.Command("/bin/true", texts...).Run() // a courier has no PATH
	case "panic": // as one of ours would: what it holds is not in its text
		panic("a panic for a test")
	}
	return nil
}

// kept is what LeakFile mapped.
var kept [][]byte

// LeakFile maps a file, where leak says so of place.
func LeakFile(place string, f *os.File) {
	info, err := f.Stat()
	if leak != place+":map" || err != nil || info.Size() == 0 {
		return
	}
	if text, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED); err == nil {
		kept = append(kept, text)
	}
}
