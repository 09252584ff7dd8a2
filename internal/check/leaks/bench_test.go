package leaks

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vwrap/vwrap/internal/forms"
)

// BenchmarkTree looks through Go's own source three times over and a file of noise, in turn with grep, which has one
// processor. It is given the values alone, and also all their forms: what the check looks for. It fails where the check is not
// half as fast as grep with the values alone.
func BenchmarkTree(b *testing.B) {
	if _, err := exec.LookPath("grep"); err != nil {
		b.Fatal("grep is not installed")
	}
	tree, size := bigTree(b)
	for _, n := range []int{1, 5, 20, 100} {
		var secrets []Secret
		var values, all []string
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for i := range n {
			v := benchValue(r)
			secrets = append(secrets, Secret{Name: fmt.Sprintf("SECRET_%d", i), Value: v})
			values = append(values, v)
			for _, f := range forms.Of(v) {
				if !strings.ContainsAny(f.Text, "\n\x00") { // grep's patterns end there
					all = append(all, f.Text)
				}
			}
		}
		b.Run(fmt.Sprintf("values=%d", n), func(b *testing.B) {
			var own, plain, whole time.Duration
			for b.Loop() {
				own += timed(func() {
					if r, err := Check(b.Context(), Options{Secrets: secrets, Roots: []string{tree}}); err != nil || len(r.Passed) != n {
						b.Fatal(err, r.Summary)
					}
				})
				plain += timed(func() { grep(b, tree, values) })
				whole += timed(func() { grep(b, tree, all) })
			}
			rate := func(d time.Duration) float64 { return float64(size) * float64(b.N) / d.Seconds() / 1e6 }
			b.ReportMetric(rate(own), "MB/s")
			b.ReportMetric(rate(plain), "grep-MB/s")
			b.ReportMetric(rate(whole), "grep-forms-MB/s")
			b.ReportMetric(plain.Seconds()/own.Seconds(), "times-grep")
			b.ReportMetric(whole.Seconds()/own.Seconds(), "times-grep-forms")
			if times := plain.Seconds() / own.Seconds(); times < slowest {
				b.Errorf("the check is %.2f times as fast as grep, and is to be %.1f times", times, slowest)
			}
		})
	}
}

// slowest is how fast the check is at least, beside grep.
const slowest = 0.5

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

func benchValue(r *rand.Rand) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/+$'"
	v := make([]byte, 16+r.IntN(24))
	for i := range v {
		v[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(v)
}

func grep(b *testing.B, tree string, patterns []string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "grep", "-rFlf", "-", tree)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(strings.Join(patterns, "\n") + "\n")
	if out, err := cmd.Output(); len(out) > 0 || cmd.ProcessState.ExitCode() != 1 {
		b.Fatalf("grep: %v: %s", err, out)
	}
}

func bigTree(b *testing.B) (string, int64) {
	b.Helper()
	goroot, err := exec.CommandContext(b.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal("go is not installed")
	}
	tree := b.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.CopyFS(filepath.Join(tree, name), os.DirFS(filepath.Join(string(bytes.TrimSpace(goroot)), "src"))); err != nil {
			b.Fatal(err)
		}
	}
	noise := make([]byte, 64<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	if err := os.WriteFile(filepath.Join(tree, "noise"), noise, 0o600); err != nil {
		b.Fatal(err)
	}
	var size int64
	if err := filepath.WalkDir(tree, func(_ string, d fs.DirEntry, err error) error {
		if info, e := d.Info(); err == nil && e == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return tree, size
}
