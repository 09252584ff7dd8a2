//go:build leaky

package courier

import (
	"os"
	"strings"
)

// leak, set by the linker, has a courier of a build for tests do what none may do: write its environment to a file (file:PATH), and remove that at once (gone:PATH), print it, or panic with
// it in its hands. It shows that the tests which look for that would find it.
var leak string

func leaks(environ []string) {
	how, path, _ := strings.Cut(leak, ":")
	switch how {
	case "file":
		_ = os.WriteFile(path, []byte(strings.Join(environ, "\n")), 0o600)
	case "gone":
		_ = os.WriteFile(path, []byte(strings.Join(environ, "\n")), 0o600)
		_ = os.Remove(path)
	case "print":
		_, _ = os.Stderr.WriteString(strings.Join(environ, "\n"))
	case "panic": // as one of ours would: what it holds is not in its text
		panic("a panic for a test")
	}
}
