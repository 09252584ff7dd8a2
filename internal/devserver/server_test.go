package devserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/internal/devserver"
)

const root = "root-token"

// client asks a server without a network.
type client struct {
	t      testing.TB
	server *devserver.Server
	token  string
}

type reply struct {
	status        int
	Data          map[string]any `json:"data"`
	Auth          map[string]any `json:"auth"`
	LeaseID       string         `json:"lease_id"`
	LeaseDuration int            `json:"lease_duration"`
	Warnings      []string       `json:"warnings"`
	Errors        []string       `json:"errors"`
}

func newClient(t testing.TB) client { return client{t, devserver.New(root), root} }

func (c client) as(token string) client { return client{c.t, c.server, token} }

func (c client) do(line string) reply {
	c.t.Helper()
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	request := httptest.NewRequest(method, "/v1/"+path, strings.NewReader(body))
	request.Header.Set("X-Vault-Token", c.token)
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	recorder := httptest.NewRecorder()
	c.server.ServeHTTP(recorder, request)
	r := reply{status: recorder.Code}
	if text := recorder.Body.Bytes(); len(text) > 0 {
		if err := json.Unmarshal(text, &r); err != nil {
			c.t.Fatalf("%s: %v", line, err)
		}
	}
	return r
}

// must asks and wants a success.
func (c client) must(line string) reply {
	c.t.Helper()
	r := c.do(line)
	if r.status >= 300 {
		c.t.Fatalf("%s: %d %v", line, r.status, r.Errors)
	}
	return r
}

// want asks and wants this status, and these words in the errors.
func (c client) want(status int, words, line string) {
	c.t.Helper()
	if r := c.do(line); r.status != status || !strings.Contains(strings.Join(r.Errors, "\n"), words) {
		c.t.Errorf("%s: got %d %q, want %d %q", line, r.status, r.Errors, status, words)
	}
}

func TestLeasesLiveAsLongAsTheirRoleSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		c.must(`POST sys/mounts/database {"type":"database"}`)
		c.must(`POST database/roles/app {"db_name":"pg","default_ttl":"10s","max_ttl":"30s"}`)
		first := c.must(`GET database/creds/app`)
		if first.LeaseDuration != 10 || !strings.HasPrefix(first.LeaseID, "database/creds/app/") {
			t.Fatalf("got %+v", first)
		}
		renew := `PUT sys/leases/renew {"lease_id":"` + first.LeaseID + `","increment":20}`
		time.Sleep(9 * time.Second)
		if got := c.must(renew).LeaseDuration; got != 20 {
			t.Errorf("renewed to %d s", got)
		}
		time.Sleep(15 * time.Second)
		if r := c.must(renew); r.LeaseDuration != 6 || len(r.Warnings) != 1 {
			t.Errorf("near the maximum: %d s, %q", r.LeaseDuration, r.Warnings)
		}
		time.Sleep(6 * time.Second)
		c.want(400, "lease not found", renew)
		c.want(400, "invalid lease", `PUT sys/leases/lookup {"lease_id":"`+first.LeaseID+`"}`)
		c.want(404, "", `LIST sys/leases/lookup/database/creds/app`)
	})
}

func TestTokensTakeWithThemWhatTheyHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		c.must(`POST sys/mounts/database {"type":"database"}`)
		c.must(`POST database/roles/app {"db_name":"pg","default_ttl":"1h"}`)
		parent := c.as(c.must(`POST auth/token/create {"policies":["default"],"ttl":"1m"}`).Auth["client_token"].(string))
		child := c.as(parent.must(`POST auth/token/create {"ttl":"10m"}`).Auth["client_token"].(string))
		orphan := c.as(parent.must(`POST auth/token/create-orphan {"ttl":"10m"}`).Auth["client_token"].(string))
		for _, token := range []client{c, parent, child, orphan} {
			token.must(`GET database/creds/app`)
		}
		time.Sleep(time.Minute)
		parent.want(403, "invalid token", `GET auth/token/lookup-self`)
		child.want(403, "invalid token", `GET auth/token/lookup-self`)
		orphan.must(`GET auth/token/lookup-self`)
		if keys := c.must(`LIST sys/leases/lookup/database/creds/app`).Data["keys"].([]any); len(keys) != 2 {
			t.Errorf("%d leases are left: the root's and the orphan's should be", len(keys))
		}
	})
}

func TestPeriodicTokensLiveOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		token := c.as(c.must(`POST auth/token/create {"policies":["default"],"period":"1h"}`).Auth["client_token"].(string))
		for range 1000 { // 41 days and more, past the longest that another token can have
			time.Sleep(59 * time.Minute)
			if got := token.must(`POST auth/token/renew-self {"increment":"5s"}`).Auth["lease_duration"].(float64); got != 3600 {
				t.Fatalf("renewed to %v s", got)
			}
		}
		time.Sleep(time.Hour)
		token.want(403, "permission denied", `GET auth/token/lookup-self`)
	})
}

func TestStaticPasswordsChangeByTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		c.must(`POST sys/mounts/database {"type":"database"}`)
		c.must(`POST database/static-roles/st {"db_name":"pg","username":"app","rotation_period":"1m"}`)
		read := func() (password string, ttl float64) {
			data := c.must(`GET database/static-creds/st`).Data
			return data["password"].(string), data["ttl"].(float64)
		}
		first, ttl := read()
		if ttl != 60 {
			t.Errorf("ttl %v", ttl)
		}
		time.Sleep(59 * time.Second)
		if same, ttl := read(); same != first || ttl != 1 {
			t.Errorf("before its time: %v, ttl %v", same == first, ttl)
		}
		time.Sleep(11 * time.Second)
		second, ttl := read()
		if second == first || ttl != 50 {
			t.Errorf("after its time: %v, ttl %v", second == first, ttl)
		}
		c.must(`POST database/rotate-role/st`)
		if third, ttl := read(); third == second || ttl != 60 {
			t.Errorf("rotated by hand: %v, ttl %v", third == second, ttl)
		}
	})
}

func TestVersionsAreDeletedAtTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		c.must(`POST secret/metadata/a {"delete_version_after":"1h"}`)
		c.must(`POST secret/data/a {"data":{"x":1}}`)
		time.Sleep(59 * time.Minute)
		c.must(`GET secret/data/a`)
		time.Sleep(time.Minute)
		if r := c.do(`GET secret/data/a`); r.status != 404 || r.Data["metadata"] == nil {
			t.Errorf("got %d %v", r.status, r.Data)
		}
		c.must(`POST secret/undelete/a {"versions":[1]}`)
		c.must(`GET secret/data/a`)
	})
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.must(`POST sys/mounts/one {"type":"kv","options":{"version":"1"}}`)
	const body = `{"n":12345678901234567890,"f":1.50,"s":"ü\u0000","l":[1,null],"o":{"a":{}}}`
	c.must(`POST one/a ` + body)
	c.must(`POST secret/data/a {"data":` + body + `}`)
	for _, path := range []string{"one/a", "secret/data/a"} {
		request := httptest.NewRequest(http.MethodGet, "/v1/"+path, nil)
		request.Header.Set("Authorization", "Bearer "+root)
		recorder := httptest.NewRecorder()
		c.server.ServeHTTP(recorder, request)
		if !strings.Contains(recorder.Body.String(), body) {
			t.Errorf("%s: got %s", path, recorder.Body)
		}
	}
}

func TestSealedServerAnswersNobody(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.must(`POST secret/data/a {"data":{"x":1}}`)
	c.as("").want(403, "permission denied", `PUT sys/seal`)
	c.must(`PUT sys/seal`)
	c.want(503, "Vault is sealed", `GET secret/data/a`)
	if r := c.do(`GET sys/health`); r.status != 503 {
		t.Errorf("health: %d", r.status)
	}
	c.want(400, "hex or base64", `PUT sys/unseal {"key":"zz"}`)
	c.want(400, "invalid key", `PUT sys/unseal {"key":"`+strings.Repeat("00", 32)+`"}`)
	c.as("").must(`PUT sys/unseal {"key":"` + c.server.UnsealKey() + `"}`)
	c.must(`GET secret/data/a`)
}

// TestUnmountingNothingRevokesNothing: tokens have leases below a path that no engine is at.
func TestUnmountingNothingRevokesNothing(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	token := c.as(c.must(`POST auth/token/create {"ttl":"1h"}`).Auth["client_token"].(string))
	c.must(`DELETE sys/mounts/auth`)
	token.must(`GET auth/token/lookup-self`)
}

// TestWhatIsShownStays: reading what was written does not change it.
func TestWhatIsShownStays(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.must(`POST sys/mounts/database {"type":"database"}`)
	c.must(`POST database/roles/app {"db_name":"pg","creation_statements":["one","two"]}`)
	for range 2 {
		if got := fmt.Sprint(c.must(`GET database/roles/app`).Data["creation_statements"]); got != "[one two]" {
			t.Errorf("got %s", got)
		}
	}
}

// TestWhatItHasNot: it says so, and how to have it.
func TestWhatItHasNot(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, line := range []string{
		`POST sys/auth/approle {"type":"approle"}`, `POST auth/approle/login {"role_id":"x"}`, `PUT sys/policies/acl/x {"policy":""}`,
		`POST sys/wrapping/unwrap {"token":"x"}`, `POST sys/mounts/pki {"type":"pki"}`, `GET identity/entity/id`,
		`POST auth/token/create {"type":"batch"}`, `POST auth/token/create/role`,
	} {
		c.want(501, "the embedded server of vwrap dev has no ", line)
	}
}

// FuzzServer: no request panics, or is answered with 5xx but for what is missing and while it is sealed.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		`GET sys/health?activecode=x`, `PUT sys/seal`, `PUT sys/unseal {"key":"00"}`, `GET sys/internal/ui/mounts/secret/a`,
		`POST sys/mounts/m {"type":"kv","options":{"version":"1"},"config":{"max_lease_ttl":"-1h"}}`, `POST sys/mounts/db/tune {"max_lease_ttl":"1s"}`,
		`POST sys/mounts/one/tune {"options":{"version":2}}`, `POST auth/token/create {"ttl":"99999999h","period":"1s","num_uses":1,"meta":{"a":1}}`,
		`POST auth/token/renew-self {"increment":"-5"}`, `POST auth/token/revoke-orphan {"token":"child"}`, `POST secret/data/a {"data":{"x":[{}]},"options":{"cas":0}}`,
		`PATCH secret/data/b {"data":{"x":null,"y":{"z":null}}}`, `GET secret/data/b?version=-1`, `GET secret/subkeys/b?depth=-2`, `LIST secret/metadata`,
		`POST secret/metadata/b {"max_versions":-1,"delete_version_after":"1ns","custom_metadata":{"a":null}}`, `POST secret/destroy/b {"versions":"1,2"}`,
		`PATCH secret/metadata/b {"custom_metadata":null}`, `GET one/a`, `POST db/roles/r {"db_name":"x","default_ttl":"106751d","max_ttl":9223372036}`, `GET db/creds/r`,
		`POST db/static-roles/s {"username":"u","db_name":"x","rotation_period":"5s"}`, `GET db/static-creds/s`, `PUT sys/leases/revoke-prefix/db`, `LIST sys/leases/lookup/auth`,
	} {
		method, rest, _ := strings.Cut(seed, " ")
		path, body, _ := strings.Cut(rest, " ")
		path, query, _ := strings.Cut(path, "?")
		f.Add(method, "/v1/"+path, query, body, root, "")
	}
	f.Add("GET", "//v1/../x", "list=maybe", "", "", "60s")
	f.Fuzz(func(t *testing.T, method, path, query, body, token, wrap string) {
		c := newClient(t)
		c.must(`POST sys/mounts/one {"type":"kv"}`)
		c.must(`POST sys/mounts/db {"type":"database"}`)
		c.must(`POST one/a {"x":1,"ttl":"x"}`)
		c.must(`POST secret/data/b {"data":{"x":1,"y":{"z":2}}}`)
		c.must(`POST db/roles/r {"db_name":"x"}`)
		c.must(`POST auth/token/create {"id":"child","ttl":"1h","policies":"a"}`)
		for range 2 {
			request := &http.Request{
				Method: method, URL: &url.URL{Path: path, RawQuery: query}, RequestURI: path, Host: "x", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{"X-Vault-Token": {token}, "X-Vault-Wrap-Ttl": {wrap}, "Content-Type": {"application/merge-patch+json"}},
				Body:   http.NoBody,
			}
			if body != "" {
				request.Body = readCloser{strings.NewReader(body)}
			}
			recorder := httptest.NewRecorder()
			c.server.ServeHTTP(recorder, request)
			chosen := strings.Contains(query, "code=")
			if code := recorder.Code; code >= 500 && code != http.StatusNotImplemented && code != http.StatusServiceUnavailable && !chosen {
				t.Errorf("%s %s: %d %s", method, path, code, recorder.Body)
			}
		}
		c.must(`PUT sys/unseal {"key":"` + c.server.UnsealKey() + `"}`)
		c.do(`GET db/creds/r`)
		c.do(`GET secret/data/b`)
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
