package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vwrap/vwrap/internal/devserver"
)

// TestConformance sends the same requests, in the same order, to the embedded server and to a real Vault, and holds
// the answers together: the status, the members and types of the JSON at every level, and every value that is not of
// one server or one moment alone. What differs on purpose is named in the table, with the reason.
func TestConformance(t *testing.T) {
	t.Parallel()
	if os.Getenv("VWRAP_E2E_VAULT") != "" {
		t.Skip("the embedded server takes after the Vault of vaultserver/")
	}
	authentic, embedded := newConformant(t)
	for _, e := range endpoints() {
		for _, x := range e.asked {
			want, got := authentic.ask(t, x), embedded.ask(t, x)
			if x.embedded != 0 {
				if got.status != x.embedded || want.status == x.embedded {
					t.Errorf("%s: the embedded server answers %d, the real one %d: the table says %d of the first alone", x.line, got.status, want.status, x.embedded)
				}
				continue
			}
			if want.status != got.status {
				t.Errorf("%s: status %d, the real one answers %d\n%s\n%s", x.line, got.status, want.status, got.text, want.text)
				continue
			}
			for _, difference := range differences("", want.body, got.body, x) {
				t.Errorf("%s: %s", x.line, difference)
			}
		}
	}
}

// endpoint is a row of docs/dev-endpoints.md, and what is asked to hold it.
type endpoint struct {
	path, does, differs string
	asked               []exchange
}

// exchange is one request.
type exchange struct {
	line     string // METHOD PATH BODY, with $NAME for what was kept
	as       string // whose token, by the name that it was kept under; "" is root's, "nobody" none
	keep     string // NAME=data.member …
	embedded int    // the status of the embedded server, where that is meant to be another
	own      bool   // the texts of errors and warnings are its own
}

// Members whose values are of one server or one moment.
var momentary = regexp.MustCompile(`^(accessor|build_date|client_token|cluster_id|cluster_name|created_time|creation_time|deletion_time|description|` +
	`expire_time|id|issue_time|last_renewal|last_renewal_time|last_vault_rotation|lease_id|password|request_id|running_plugin_version|server_time_utc|` +
	`updated_time|username|uuid|version)$`)

// Numbers of seconds that may have begun to run out.
var running = regexp.MustCompile(`^(ttl|lease_duration)$`)

// leftOut are members that only the real server has, everywhere.
var leftOut = regexp.MustCompile(`^(created_by|deleted_by|last_updated_by|sys/|identity/|cubbyhole/|token_type|deprecation_status)$`)

var quotedTime = regexp.MustCompile(`max_ttl of "[^"]*"`)

// differences names what is not alike in two answers, where their values are at path.
func differences(path string, want, got any, x exchange) (found []string) {
	name := path[strings.LastIndexByte(path, '.')+1:]
	say := func(format string, args ...any) []string {
		return []string{fmt.Sprintf("%s: %s", cmp.Or(path, "the answer"), fmt.Sprintf(format, args...))}
	}
	if a, b := kindOf(want), kindOf(got); a != b {
		if x.own && name == "warnings" {
			return nil
		}
		return say("is %s, and %s in the real one's", b, a)
	}
	switch want := want.(type) {
	case map[string]any:
		got := got.(map[string]any)
		for member := range want {
			if _, ok := got[member]; !ok && !leftOut.MatchString(member) {
				found = append(found, say("has no %s", member)...)
			}
		}
		for member, value := range got {
			if _, ok := want[member]; !ok && !leftOut.MatchString(member) {
				found = append(found, say("has %s, the real one's has not", member)...)
			} else if ok {
				found = append(found, differences(path+"."+member, want[member], value, x)...)
			}
		}
		return found
	case []any:
		got := got.([]any)
		if x.own && (name == "errors" || name == "warnings") {
			return nil
		}
		if len(want) != len(got) {
			return say("has %d members, the real one's has %d: %v, %v", len(got), len(want), got, want)
		}
		for i := range want {
			found = append(found, differences(path+".", want[i], got[i], x)...)
		}
		return found
	case float64:
		if running.MatchString(name) && math.Abs(want-got.(float64)) < 120 {
			return nil
		}
	case string:
		if quotedTime.ReplaceAllString(want, "") == quotedTime.ReplaceAllString(got.(string), "") {
			return nil
		}
		if (want == "") != (got == "") {
			return say("is %q, the real one's is %q", got, want)
		}
		if secretly := strings.HasSuffix(path, "keys.") && x.keep != ""; secretly {
			return nil // random parts of lease IDs
		}
	}
	if want != got && !momentary.MatchString(name) {
		return say("is %v, the real one's is %v", got, want)
	}
	return nil
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a truth value"
	case float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "an array"
	}
	return "an object"
}

// conformant is one of the two servers, and what was kept of its answers.
type conformant struct {
	address string
	kept    map[string]string
}

// newConformant starts both, with one root token.
func newConformant(t *testing.T) (authentic, embedded conformant) {
	v, err := startVault()
	check(t, err)
	t.Cleanup(v.stop)
	key, err := v.unsealKey()
	check(t, err)
	p, err := sharedPostgres()
	check(t, err)
	tag := randomHex(3)
	database, user := "admin_"+tag, "static_"+tag
	check(t, p.exec("postgres", "CREATE DATABASE "+database, `CREATE ROLE "`+user+`" LOGIN`))
	url := "postgresql://{{username}}:{{password}}@" + p.address + "/" + database + "?sslmode=disable"

	server := devserver.New(v.token)
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	kept := func(key string) map[string]string {
		return map[string]string{"ROOT": v.token, "KEY": key, "URL": url, "PASSWORD": p.password, "USER": user}
	}
	return conformant{v.address, kept(key)}, conformant{listener.URL, kept(server.UnsealKey())}
}

type conformantAnswer struct {
	status int
	text   string
	body   any
}

func (c conformant) ask(t *testing.T, x exchange) conformantAnswer {
	t.Helper()
	line := os.Expand(x.line, func(name string) string {
		value, ok := c.kept[name]
		if !ok {
			t.Fatalf("%s: nothing was kept as %s", x.line, name)
		}
		return value
	})
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	// A new KV version 2 mount of the real server answers 400 until it has set itself up.
	var a conformantAnswer
	check(t, poll(30*time.Second, 10*time.Millisecond, func() error {
		var err error
		if a, err = c.send(method, path, body, x.as); err == nil && strings.Contains(a.text, "Upgrading from non-versioned to versioned") {
			err = fmt.Errorf("the mount is not ready")
		}
		return err
	}))
	for _, pair := range strings.Fields(x.keep) {
		name, at, _ := strings.Cut(pair, "=")
		value := a.body
		for _, member := range strings.Split(at, ".") {
			members, _ := value.(map[string]any)
			value = members[member]
		}
		text, ok := value.(string)
		if !ok {
			t.Fatalf("%s: no %s in %d %s", x.line, at, a.status, a.text)
		}
		c.kept[name] = text
	}
	return a
}

func (c conformant) send(method, path, body, as string) (a conformantAnswer, err error) {
	request, err := http.NewRequest(method, c.address+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("make request: %w", err)
	}
	if as != "nobody" {
		request.Header.Set("X-Vault-Token", cmp.Or(c.kept[as], cmp.Or(as, c.kept["ROOT"])))
	}
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := http.DefaultTransport.RoundTrip(request) // no redirect is followed
	if err != nil {
		return a, fmt.Errorf("ask: %w", err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return a, fmt.Errorf("read the answer: %w", err)
	}
	a.status, a.text = response.StatusCode, string(content)
	if len(content) > 0 && json.Unmarshal(content, &a.body) != nil {
		a.body = a.text
	}
	return a, nil
}

// endpointsDocument is written by make contract; its table is what the test asks.
const endpointsDocument = "../docs/dev-endpoints.md"

func TestEndpointsDocument(t *testing.T) {
	text, err := os.ReadFile(endpointsDocument)
	check(t, err)
	const begin, end = "<!-- endpoints:begin -->\n", "<!-- endpoints:end -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no markers", endpointsDocument)
	}
	rows := []string{"| endpoint | what the embedded server does | differs in |\n|---|---|---|\n"}
	for _, e := range endpoints() {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", e.path, e.does, e.differs))
		if e.differs == "" && slices.ContainsFunc(e.asked, func(x exchange) bool { return x.own || x.embedded != 0 }) {
			t.Errorf("%s differs, and the table does not say in what", e.path)
		}
	}
	want := before + begin + strings.Join(rows, "") + end + after
	if os.Getenv("VWRAP_E2E_WRITE") == "1" {
		check(t, os.WriteFile(endpointsDocument, []byte(want), 0o644))
		return
	}
	if want != string(text) {
		t.Errorf("%s is not what the test asks: make contract writes it", endpointsDocument)
	}
}
