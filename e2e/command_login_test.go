package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jimlambrt/gldap"
)

// What is here stands in for servers that nobody can run in a test: a Kubernetes API, GitHub's token service, a company's
// directory. Vault's side of each login is the real one.

// signingKey signs the tokens of a run.
var signingKey = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })

// jwt FILE LIFE CLAIMS writes a signed token (RFC 7519, ES256) that ends in LIFE; CLAIMS is a JSON object.
func jwt(s *session, args []string) error {
	if len(args) != 3 {
		return usageError("jwt FILE LIFE CLAIMS")
	}
	life, err := time.ParseDuration(args[1])
	claims := map[string]any{}
	if err != nil || json.Unmarshal([]byte(args[2]), &claims) != nil {
		return usageError("jwt FILE LIFE CLAIMS")
	}
	now := time.Now()
	claims["iat"], claims["nbf"], claims["exp"] = now.Unix(), now.Add(-time.Minute).Unix(), now.Add(life).Unix()
	token, err := sign(claims)
	if err != nil {
		return err
	}
	file := s.ts.MkAbs(args[0])
	if err := os.WriteFile(file+".new", []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("write token: %w", err)
	}
	return os.Rename(file+".new", file)
}

func sign(claims map[string]any) (string, error) {
	key, err := signingKey()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encode(text)
	digest := sha256.Sum256([]byte(signed))
	a, b, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	a.FillBytes(signature[:32])
	b.FillBytes(signature[32:])
	return signed + "." + encode(signature), nil
}

// jwt-key FILE writes the public key that the tokens of jwt can be checked with.
func jwtKey(s *session, args []string) error {
	if len(args) != 1 {
		return usageError("jwt-key FILE")
	}
	key, err := signingKey()
	if err != nil {
		return err
	}
	raw, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return os.WriteFile(s.ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw}), 0o644)
}

// token-service NAME FILE AUDIENCE serves as GitHub's token service does: whoever has the bearer token "bearer" and asks
// for AUDIENCE gets what is in FILE. Its address is in NAME.
func tokenService(s *session, args []string) error {
	if len(args) != 3 {
		return usageError("token-service NAME FILE AUDIENCE")
	}
	file := s.ts.MkAbs(args[1])
	return s.serve(args[0], "/token?api-version=2.0", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer bearer" || r.URL.Query().Get("audience") != args[2] || r.URL.Query().Get("api-version") != "2.0" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		token, err := os.ReadFile(file)
		if err != nil {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": strings.TrimSpace(string(token))})
	})
}

// kubernetes-api NAME serves the one call that Vault's method kubernetes makes: TokenReview, which accepts every token of
// jwt that has not ended.
func kubernetesAPI(s *session, args []string) error {
	if len(args) != 1 {
		return usageError("kubernetes-api NAME")
	}
	return s.serve(args[0], "", func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Spec struct{ Token string }
		}
		if r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" || json.NewDecoder(r.Body).Decode(&review) != nil {
			http.NotFound(w, r)
			return
		}
		status := map[string]any{"authenticated": false, "error": "the token has ended"}
		if claims := claimsOf(review.Spec.Token); claims.Exp > time.Now().Unix() {
			status = map[string]any{"authenticated": true, "user": map[string]any{
				"username": "system:serviceaccount:" + claims.Namespace + ":" + claims.Account, "uid": claims.UID,
				"groups": []string{"system:serviceaccounts"},
			}}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
	})
}

type serviceAccount struct {
	Exp       int64
	Namespace string `json:"kubernetes.io/serviceaccount/namespace"`
	Account   string `json:"kubernetes.io/serviceaccount/service-account.name"`
	UID       string `json:"kubernetes.io/serviceaccount/service-account.uid"`
}

func claimsOf(token string) (claims serviceAccount) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims
	}
	if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
		json.Unmarshal(text, &claims)
	}
	return claims
}

// serve serves on loopback until the script ends; the variable name has the address.
func (s *session) serve(name, path string, handle http.HandlerFunc) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handle}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	s.ts.Defer(func() {
		server.Close()
		<-ended
	})
	s.ts.Setenv(name, "http://"+listener.Addr().String()+path)
	return nil
}

// ldap-server NAME USER PASSWORD is a directory with one person in it, cn=USER,ou=people,dc=example. Its address is in NAME.
func ldapServer(s *session, args []string) error {
	if len(args) != 3 {
		return usageError("ldap-server NAME USER PASSWORD")
	}
	server, err := gldap.NewServer()
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	routes, err := gldap.NewMux()
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	err = routes.Bind(func(w *gldap.ResponseWriter, r *gldap.Request) {
		answer := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
		defer func() { w.Write(answer) }()
		bind, err := r.GetSimpleBindMessage()
		if err == nil && bind.UserName == "cn="+args[1]+",ou=people,dc=example" && string(bind.Password) == args[2] {
			answer.SetResultCode(gldap.ResultSuccess)
		}
	})
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	err = routes.Search(func(w *gldap.ResponseWriter, r *gldap.Request) { // Vault looks at the attributes of who has logged in
		done := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
		defer func() { w.Write(done) }()
		w.Write(r.NewSearchResponseEntry("cn="+args[1]+",ou=people,dc=example", gldap.WithAttributes(map[string][]string{"cn": {args[1]}})))
	})
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := server.Router(routes); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Run(address)
	}()
	s.ts.Defer(func() {
		server.Stop()
		<-ended
	})
	s.ts.Setenv(args[0], "ldap://"+address)
	return poll(patience, 10*time.Millisecond, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	})
}
