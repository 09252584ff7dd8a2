package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// marked is in answers, where fuzzing puts a @, and is to be in no error.
const marked = "M4rk3r"

// questions are all that couriers and checks ask a server, beside what the supervisor asks (calls).
func questions(s *Source) map[string]func(ctx context.Context) error {
	all := map[string]func(ctx context.Context) error{
		"locate": func(ctx context.Context) error {
			_, err := s.Locate(ctx, envsource.Read{Path: "secret/a"})
			return err
		},
		"write": func(ctx context.Context) error {
			_, err := s.Read(ctx, envsource.Read{Path: "pki/issue/web", Mount: "pki/", Method: envsource.MethodWrite, Data: []byte("{}")})
			return err
		},
		"unwrap": func(ctx context.Context) error {
			_, err := s.Read(ctx, envsource.Read{Path: "sys/wrapping/unwrap", Mount: "sys/", Method: envsource.MethodWrite, Data: []byte("{}")})
			return err
		},
		"health": func(ctx context.Context) error { _, err := s.client.Health(ctx); return err },
		"token":  func(ctx context.Context) error { _, err := s.Token(ctx); return err },
		"capabilities": func(ctx context.Context) error {
			_, err := s.Capabilities(ctx, "", []string{"secret/data/a"})
			return err
		},
		"wrapped secret_id": func(ctx context.Context) error {
			a := Auth{Method: "approle", RoleID: "r", SecretIDWrapped: true}
			_, err := a.Login(ctx, s.client, func(string) string { return "hush" })
			return err
		},
	}
	for _, kind := range []envsource.Kind{"", envsource.KindKV1, envsource.KindKV2} {
		read := envsource.Read{Source: envsource.SourceVault, Path: "secret/data/a", Mount: "secret/", Kind: kind}
		all["read "+string(kind)] = func(ctx context.Context) error { _, err := s.Read(ctx, read); return err }
		all["present "+string(kind)] = func(ctx context.Context) error { _, err := s.Present(ctx, read); return err }
		if kind == "" {
			continue
		}
		kv := &KV{s, envsource.Read{Source: envsource.SourceVault, Mount: "secret/", Path: "dev", Kind: kind}}
		all["fields "+string(kind)] = func(ctx context.Context) error { _, _, err := kv.Read(ctx, "a"); return err }
		all["written "+string(kind)] = func(ctx context.Context) error { _, err := kv.Written(ctx, "a"); return err }
	}
	return all
}

// asked gives an answer to everything that is asked, with the token hush, and returns what is said of it.
func asked(t *testing.T, c *Client, s *Source, a *answering, status int, text []byte) (said string) {
	t.Helper()
	a.set(status, text)
	var all []error
	for _, call := range calls(c, "") {
		all = append(all, call(t.Context()))
	}
	for _, call := range questions(s) {
		all = append(all, call(t.Context()))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.tokens["hush"] {
		t.Error("the token was not sent: that nothing says it is no wonder")
	}
	if err := errors.Join(all...); err != nil {
		return err.Error()
	}
	return ""
}

// vaultsWords are what an answer of this status says to people.
func vaultsWords(status int, text []byte) string {
	var said api.ErrorResponse
	if status < http.StatusBadRequest || json.NewDecoder(bytes.NewReader(text)).Decode(&said) != nil {
		return ""
	}
	return strings.Join(said.Errors, " ")
}

func answeringClients(t testing.TB) (*answering, *Client, *Source) {
	t.Helper()
	answer := &answering{}
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c, err := NewClient(Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(secret.New("hush"))
	s, err := NewSource(Config{Address: server.URL}, secret.New("hush"))
	if err != nil {
		t.Fatal(err)
	}
	return answer, c, s
}

// Nothing of an answer is in an error, but what Vault says there to people; nor is the token.
func FuzzAnswersAreNotRepeated(f *testing.F) {
	for _, seed := range []string{
		`{"request_id":"@","lease_id":"@","renewable":true,"lease_duration":1,"data":{"key":"@","keys":["@"],"data":{"@":"@"},"metadata":{"version":1,"created_time":"@"},"path":"@","type":"kv","ttl":"@"},"auth":{"client_token":"@","accessor":"@","lease_duration":1},"wrap_info":{"token":"@"}}`,
		`{"data":{"data":null,"metadata":{"version":"@","destroyed":"@","deletion_time":"@"}}}`, `{"lease_duration":"@"}`, `{"lease_duration":1@}`, `{"auth":{"lease_duration":"@"}}`, `{"auth":@}`,
		`{"data":{"ttl":"@","expire_time":"@","current_version":"@","versions":{"@":{"created_time":"@"}}}}`, `"@"`, `[@]`, `@`, `{"@`, `{"data":{"secret/data/a":["@"],"capabilities":"@"}}`, `{"errors":"@"}`, `{"errors":[5,"@"]}`, "",
	} {
		for _, status := range []uint16{200, 204, 307, 400, 403, 404, 429, 473, 500, 503} {
			f.Add(status, []byte(seed))
		}
	}
	answer, c, s := answeringClients(f)
	f.Fuzz(func(t *testing.T, status uint16, text []byte) {
		if status < 200 || status > 599 || len(text) > 1<<12 || bytes.Contains(text, []byte("hush")) {
			return
		}
		text = bytes.ReplaceAll(text, []byte("@"), []byte(marked))
		said := asked(t, c, s, answer, int(status), text)
		if strings.Contains(said, marked) && !strings.Contains(vaultsWords(int(status), text), marked) {
			t.Errorf("%d %s\nis repeated: %s", status, text, said)
		}
		if strings.Contains(said, "hush") {
			t.Errorf("%d %s\nhas the token said: %s", status, text, said)
		}
	})
}

// What Vault says to people is repeated: so a marker that is repeated is seen.
func TestVaultsWordsAreRepeated(t *testing.T) {
	t.Parallel()
	answer, c, s := answeringClients(t)
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
		text := []byte(`{"errors":["` + marked + `"]}`)
		if said := asked(t, c, s, answer, status, text); !strings.Contains(said, marked) || !strings.Contains(vaultsWords(status, text), marked) {
			t.Errorf("%d: what Vault says is not to be seen: %s", status, said)
		}
	}
}

// Reading what was decoded says nothing of it either.
func FuzzDecodedAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"data":{"a":"@"},"metadata":{"version":1,"created_time":"@","deletion_time":"@"}}}`, `{"lease_id":"@","lease_duration":-1,"data":{"a":null}}`,
		`{"data":{"data":null,"metadata":{"destroyed":"@","version":"@"}}}`, `{"data":{"expiration":"@","signed_key":"ssh-rsa @","certificate":"@","token":"@","ttl":"@"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = bytes.ReplaceAll(text, []byte("@"), []byte(marked))
		decoded, err := api.ParseSecret(bytes.NewReader(text))
		if err != nil || decoded == nil {
			return
		}
		for _, kind := range []envsource.Kind{"", envsource.KindKV1, envsource.KindKV2} {
			if _, err := answerOf(envsource.Read{Path: "m/data/p", Mount: "m/", Kind: kind}, decoded, time.Now()); err != nil && strings.Contains(err.Error(), marked) {
				t.Errorf("%s\nis repeated: %v", text, err)
			}
		}
	})
}
