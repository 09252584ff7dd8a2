package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// tls-manifest NAME FILE TOKEN CA serves FILE over TLS, with an ETag, to whoever has the bearer token and asks by HTTP/1.
// Its address is in NAME, its authority in the file CA.
func tlsManifest(s *session, args []string) error {
	if len(args) != 4 {
		return usageError("tls-manifest NAME FILE TOKEN CA")
	}
	text, err := os.ReadFile(s.ts.MkAbs(args[1]))
	if err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.ProtoMajor != 1:
			http.Error(w, "a debug switch prints the headers of HTTP/2", http.StatusHTTPVersionNotSupported)
		case r.Header.Get("Authorization") != "Bearer "+args[2]:
			http.Error(w, "no", http.StatusUnauthorized)
		case r.Header.Get("If-None-Match") == `"one"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", `"one"`)
			w.Write(text)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	s.ts.Defer(server.Close)
	s.ts.Setenv(args[0], server.URL+"/keys")
	return os.WriteFile(s.ts.MkAbs(args[3]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o644)
}
