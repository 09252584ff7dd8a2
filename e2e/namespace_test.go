package e2e

import (
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// newNamespace is the command that makes what follows it PID 1. All of the namespace ends with it.
const newNamespace = "unshare --fork --pid --mount-proc --kill-child=KILL"

// asFirst is argv as PID 1 of a namespace of its own.
func asFirst(t *testing.T, argv ...string) []string {
	t.Helper()
	needsNamespace(t)
	return append(strings.Fields(newNamespace), argv...)
}

// needsNamespace fails a test where no PID namespace can be made.
func needsNamespace(t *testing.T) {
	t.Helper()
	if err := tryNamespace(); err != nil {
		t.Fatal("no PID namespace can be made here, which takes root: ", err)
	}
}

var tryNamespace = sync.OnceValue(func() error {
	argv := append(strings.Fields(newNamespace), "true")
	return exec.Command(argv[0], argv[1:]...).Run()
})

// needs fails a test whose program is not installed.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%v: .ci/install test installs it", err)
	}
}
