package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestArm64: the binary for linux/arm64 does the main job, under an emulator where this machine is another. The
// emulator has no child subreapers (prctl(2)); a machine has.
func TestArm64(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "vwrap")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = ".."
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	emulate(t, binary)
	said, err := exec.Command(binary, "version").Output()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(said)), "linux/arm64)") {
		t.Fatalf("it says %q (%v)", said, err)
	}

	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	w := startBackground(t, []string{
		binary, "-e", "KEY=vault:" + own.kv + "/dev/api#key", "--", "sh", "-c",
		`echo up $KEY; trap "echo got TERM; exit 3" TERM; while :; do sleep 0.05; done`,
	}, often(t, own)...)
	w.expect(`up first`)
	check(t, own.put("dev/api", map[string]any{"key": "second"}))
	w.expect(`got TERM`)
	w.expect(`up second`)
	check(t, w.signal(syscall.SIGTERM))
	w.expectStatus(3)
}

// emulate has the kernel run binary, of another processor, by qemu (binfmt_misc), unless it can by itself.
func emulate(t *testing.T, binary string) {
	t.Helper()
	if runtime.GOARCH == "arm64" {
		return
	}
	err := exec.Command(binary, "version").Run()
	if err == nil {
		return
	}
	if !errors.Is(err, syscall.ENOEXEC) {
		t.Fatal(err)
	}
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Fatalf("%v (apt-get install qemu-user-static)", err)
	}
	const folder, name = "/proc/sys/fs/binfmt_misc", "vwrap-e2e-arm64"
	if _, err := os.Stat(folder + "/register"); err != nil {
		check(t, syscall.Mount("binfmt_misc", folder, "binfmt_misc", 0, ""))
	}
	// F: the emulator is opened now, and is found in every mount namespace.
	const magic = `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
	const mask = `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	check(t, os.WriteFile(folder+"/register", fmt.Appendf(nil, ":%s:M::%s:%s:%s:F", name, magic, mask, qemu), 0o200))
	t.Cleanup(func() { check(t, os.WriteFile(filepath.Join(folder, name), []byte("-1"), 0o200)) })
}
