package cli

import (
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/vwrap/vwrap/internal/headstart"
)

// ofGo are variables by which Go's runtime tells more than it should of a process that holds a token: all memory, where it crashes, and
// what libraries do. The user's are for the command.
var ofGo = []string{"GODEBUG", "GOTRACEBACK"}

// asidePrefix begins the names under which they are handed on.
const asidePrefix = "VWRAP_ASIDE_"

// putAside begins this process anew without them, where there are any: the runtime has read them before anybody could. Where that cannot be
// done, it goes on as it is.
func putAside(argv []string) {
	some := false
	environ := os.Environ()
	for i, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); slices.Contains(ofGo, name) {
			environ[i], some = asidePrefix+entry, true
		}
	}
	if some {
		headstart.RestoreSlack()
		_ = syscall.Exec(self(), argv, environ)
	}
}

// environ is the environment that the user gave vwrap.
func environ() []string {
	all := os.Environ()
	for i, entry := range all {
		all[i] = strings.TrimPrefix(entry, asidePrefix)
	}
	return all
}
