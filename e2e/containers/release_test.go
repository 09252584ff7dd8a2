package containers

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/e2e/built"
)

// TestReleaseImage: the image of a release is vwrap alone, runs, and gives vwrap to an image that copies it.
func TestReleaseImage(t *testing.T) {
	binary, err := built.Vwrap(engine.scratch)
	check(t, err)
	recipe, err := os.ReadFile("../../.ci/Dockerfile")
	check(t, err)
	dir, platform := t.TempDir(), "linux/"+runtime.GOARCH
	check(t, os.MkdirAll(filepath.Join(dir, platform), 0o755))
	check(t, copyFile(binary, filepath.Join(dir, platform, "vwrap"))) // as a release has it beside the recipe
	check(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), recipe, 0o644))
	_, err = docker("build", "-q", "-t", "vwrap:released", "--build-arg", "TARGETPLATFORM="+platform, dir)
	check(t, err)

	said, err := docker("run", "--rm", "--network", "none", "vwrap:released", "version")
	check(t, err)
	if !strings.HasPrefix(said, "vwrap ") {
		t.Errorf("it says %q", said)
	}
	if layers, err := docker("image", "inspect", "--format", "{{len .RootFS.Layers}}", "vwrap:released"); err != nil || layers != "1" {
		t.Errorf("it has %s layers (%v)", layers, err)
	}

	user := t.TempDir()
	text := "FROM tools\nCOPY --from=vwrap:released /vwrap /\nENTRYPOINT [\"/vwrap\", \"--\"]\n"
	check(t, os.WriteFile(filepath.Join(user, "Dockerfile"), []byte(text), 0o644))
	_, err = docker("build", "-q", "-t", "copied", user)
	check(t, err)
	said, err = docker("run", "--rm", "--network", "none", "--user", "1000:1000", "copied", "sh", "-c", "ls -l /vwrap; echo ran as $(id -u)")
	if err != nil || !strings.HasPrefix(said, "-rwxr-xr-x ") || !strings.HasSuffix(said, "\nran as 1000") {
		t.Errorf("what copied it says %q (%v)", said, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
