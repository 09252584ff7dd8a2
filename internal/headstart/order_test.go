package headstart

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What this package imports is initialised before it, and so is to be little. Go takes packages by their paths: these come
// before it as soon as it waits for them, and the net, Vault's client and the flags must not be among them.
func TestImportsLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "golang.org/x/sys/unix") || len(deps) > 80 {
		t.Errorf("it imports %d packages: %v", len(deps), deps)
	}
	for _, p := range deps {
		if p == "fmt" || p == "net" || strings.HasPrefix(p, "net/") || strings.HasPrefix(p, "encoding/json") || strings.HasPrefix(p, "github.com/") && !strings.HasSuffix(p, "/headstart") {
			t.Errorf("it imports %s", p)
		}
	}
}
