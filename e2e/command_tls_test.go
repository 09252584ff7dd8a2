package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// tls-pair CERTIFICATE KEY CA checks that three PEM files belong together: the key is the certificate's, and the CA has
// signed that.
func tlsPair(s *session, args []string) error {
	if len(args) != 3 {
		return usageError("tls-pair CERTIFICATE KEY CA")
	}
	pair, err := tls.LoadX509KeyPair(s.ts.MkAbs(args[0]), s.ts.MkAbs(args[1]))
	if err != nil {
		return fmt.Errorf("load pair: %w", err)
	}
	ca, err := os.ReadFile(s.ts.MkAbs(args[2]))
	if err != nil {
		return fmt.Errorf("read CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("the CA is no certificate")
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: pair.Leaf.NotBefore, // it may have ended since KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}
