package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestNothingOfAnAnswerIsSaid gives vwrap answers with a marker in every field that an answer of Vault's has, in its headers, its addresses,
// and in JSON that is none, and looks for it in all that vwrap says at its most talkative. The server is a stand-in: no real one answers
// so. What a server says in its errors and warnings is for people, and is shown; markers are not in these.
func TestNothingOfAnAnswerIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "secret-id"), []byte("s-"+marker), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "login.yaml"), []byte("version: 1\nvault: {auth: {method: approle, role_id: r, secret_id_file: secret-id}}\n"), 0o600))
	commands := [][]string{
		{"--start-timeout", "1ms", "--log-level", "debug", "-e", "KEY=vault:secret/dev/api#key", "-e", "DB=vault:database/creds/app#password", "--from", "secret/dev/all", "--", "true"},
		{"--start-timeout", "300ms", "--log-level", "debug", "--config", "login.yaml", "-e", "KEY=vault:secret/dev/api#key", "--", "true"},
		{"plan", "--start-timeout", "1ms", "--ask", "-e", "KEY=vault:secret/dev/api#key"},
		{"doctor", "--start-timeout", "1ms", "--json", "-e", "KEY=vault:secret/dev/api#key"},
		{"check", "parity", "--path", "secret/dev", "--manifest", "/dev/null"},
	}
	// tell gives all commands of a program the answers of a shape, and returns those that say something of it.
	tell := func(t *testing.T, program string, shape http.HandlerFunc, commands [][]string) (found []string) {
		server := httptest.NewServer(shape)
		defer server.Close()
		told := 0
		for _, argv := range commands {
			cmd := exec.Command(program, argv...)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + server.URL, "VAULT_TOKEN=t-" + marker, "VWRAP_RUNTIME_DIR=" + filepath.Join(dir, "run")}
			said, _ := cmd.CombinedOutput() // most of them fail
			told += len(said)
			if holds(string(said), marker) {
				found = append(found, fmt.Sprintf("vwrap %s says\n%s", strings.Join(argv, " "), said))
			}
		}
		if told == 0 {
			t.Error("vwrap said nothing at all")
		}
		return found
	}
	for name, shape := range shapes(marker) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, found := range tell(t, filepath.Join(programs, "vwrap"), shape, commands) {
				t.Error(found)
			}
		})
	}
	t.Run("a build that prints", func(t *testing.T) {
		t.Parallel()
		login := slices.Clone(commands[1])
		login[1] = "1m" // so that it logs in
		if len(tell(t, leakyVwrap(t, "login:print"), shapes(marker)["all fields"], [][]string{login})) == 0 {
			t.Error("what this build says is not found")
		}
	})
}

// TestNothingOfALaterAnswerIsSaid: the same while a command runs, for what keeps its credentials: renewals of leases and of the token,
// logins, looks at versions, probes, and rotations meet such answers, and good ones in between, without which they would rest.
func TestNothingOfALaterAnswerIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leak  string
		flags []string
	}{
		"as it is":                    {},
		"a log in JSON":               {flags: []string{"--log-format", "json"}},
		"a build that logs a value":   {leak: "courier:log"},
		"a build that prints a token": {leak: "login:print"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(programs, "vwrap")
			if c.leak != "" {
				program = leakyVwrap(t, c.leak)
			}
			said := laterAnswers(t, program, c.flags, c.leak != "")
			if found := holds(said, marker); found != (c.leak != "") {
				t.Errorf("a marker is in what vwrap says: %t; it says\n%s", found, said)
			}
		})
	}
}

// laterAnswers runs a command until each kind of request has met hostile answers and every shape of these was given; for a control, until
// the first. It returns what vwrap said.
func laterAnswers(t *testing.T, program string, flags []string, control bool) string {
	t.Helper()
	short := &shortLived{asked: map[string]int{}, met: map[string]int{}, shapes: slices.Collect(maps.Values(shapes(marker)))}
	server := httptest.NewServer(short)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "secret-id"), []byte("s-"+marker), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "vwrap.yaml"), []byte(`version: 1
vault: {auth: {method: approle, role_id: r, secret_id_file: secret-id}}
env:
  KEY: vault:secret/dev/api#key
  OLD: vault:old/api#key
  A: vault:database/creds/a#password
  B: vault:database/creds/b#password
  C: vault:database/creds/c#password
rotation: {poll: 1s, settle: 0s, stop_grace: 1s}
`), 0o600))
	argv := append([]string{program, "--log-level", "debug", "--config", filepath.Join(dir, "vwrap.yaml")}, flags...)
	w := startBackground(t, append(argv, "--", "sh", "-c", "echo up; exec sleep 1000"), "VAULT_ADDR="+server.URL, "VWRAP_RUNTIME_DIR="+filepath.Join(dir, "run"))
	w.expect(`up`)
	short.begin()
	check(t, poll(4*patience, 20*time.Millisecond, func() error {
		if !w.running() {
			t.Fatalf("vwrap ended with %d: %s", w.status(), w.complained())
		}
		return short.all(control)
	}))
	check(t, w.signal(syscall.SIGTERM))
	<-w.exited
	return w.said() + w.complained()
}

// shortLived is a server whose credentials last for seconds and whose values change all the time; once it has begun, every other answer
// to each kind of request is hostile.
type shortLived struct {
	shapes []http.HandlerFunc

	mu         sync.Mutex // guards what follows
	hostile    bool
	given      int            // hostile answers
	asked, met map[string]int // how often something was asked, and met a hostile answer
}

func (s *shortLived) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hostile = true
}

// all says what has not met a hostile answer yet.
func (s *shortLived) all(control bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if control && s.given > 0 {
		return nil
	}
	if s.given < len(s.shapes) {
		return fmt.Errorf("%d hostile answers of %d were given", s.given, len(s.shapes))
	}
	for kind := range kinds {
		if s.met[kind] == 0 {
			return fmt.Errorf("%s has met no hostile answer: %v", kind, s.met)
		}
	}
	return nil
}

// kinds are the requests that a short life needs, and good answers to them, with markers too. %[1]d is another number each time.
var kinds = map[string]string{
	"auth/approle/login":      `{"auth":{"client_token":"` + marker + `-%[1]d","lease_duration":3,"renewable":true}}`,
	"auth/token/renew-self":   `{"auth":{"client_token":"` + marker + `","lease_duration":2,"renewable":false}}`, // so that it logs in again
	"sys/leases/renew":        `{"lease_id":"` + marker + `","lease_duration":2,"renewable":true}`,
	"secret/data/dev/api":     `{"data":{"data":{"key":"` + marker + `-%[1]d"},"metadata":{"version":%[1]d}}}`,
	"secret/metadata/dev/api": `{"data":{"current_version":%[1]d,"versions":{"%[1]d":{"created_time":"2026-01-02T03:04:05Z"}}}}`,
	"old/api":                 `{"data":{"key":"` + marker + `-%[1]d"}}`,
	"database/creds/a":        `{"lease_id":"database/creds/a/` + marker + `-%[1]d","lease_duration":2,"renewable":true,"data":{"username":"` + marker + `","password":"` + marker + `-%[1]d"}}`,
}

// others are answers to what may be asked, and need not be.
var others = map[string]string{
	"sys/internal/ui/mounts/secret":   `{"data":{"type":"kv","path":"secret/","options":{"version":"2"}}}`,
	"sys/internal/ui/mounts/old":      `{"data":{"type":"kv","path":"old/","options":null}}`,
	"sys/internal/ui/mounts/database": `{"data":{"type":"database","path":"database/"}}`,
	"auth/token/lookup-self":          `{"data":{"ttl":3,"renewable":true}}`,
}

func (s *shortLived) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	if rest, ok := strings.CutPrefix(path, "sys/internal/ui/mounts/"); ok {
		mount, _, _ := strings.Cut(rest, "/")
		path = "sys/internal/ui/mounts/" + mount
	}
	if strings.HasPrefix(path, "database/creds/") {
		path = "database/creds/a"
	}
	n, hostile := s.next(path)
	if hostile {
		s.shapes[n%len(s.shapes)](w, r)
		return
	}
	good := cmp.Or(kinds[path], others[path], "{}")
	if strings.Contains(good, "%[1]d") {
		good = fmt.Sprintf(good, n+1)
	}
	fmt.Fprint(w, good)
}

// next counts a request, and says whether it is to get a hostile answer, and the how manieth of them or of all.
func (s *shortLived) next(path string) (n int, hostile bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[path]++
	if s.hostile && s.asked[path]%2 == 0 {
		s.met[path]++
		s.given++
		return s.given - 1, true
	}
	return s.asked[path], false
}

// marker is in all that hostile answers say.
const marker = "M4rk3r-in-an-answer"

// shapes are ways to answer, with a marker wherever one can be.
func shapes(marker string) map[string]http.HandlerFunc {
	whole := fmt.Sprintf(`{"request_id":"%[1]s","lease_id":"%[1]s","renewable":true,"lease_duration":1,"data":{"key":"%[1]s","data":{"key":"%[1]s"},"metadata":{"version":1,"created_time":"%[1]s"},"path":"%[1]s","ttl":"%[1]s","id":"%[1]s"},`+
		`"wrap_info":{"token":"%[1]s","accessor":"%[1]s","ttl":60,"creation_path":"%[1]s"},"warnings":null,"auth":{"client_token":"%[1]s","accessor":"%[1]s","policies":["%[1]s"],"metadata":{"a":"%[1]s"},"lease_duration":1,"renewable":true,"entity_id":"%[1]s"}}`, marker)
	all := map[string]http.HandlerFunc{
		"all fields": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole) },
		"other types": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"lease_id":["%[1]s"],"renewable":"%[1]s","lease_duration":"%[1]s","data":"%[1]s","auth":"%[1]s","wrap_info":["%[1]s"],"warnings":"%[1]s"}`, marker)
		},
		"no JSON":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "<html>%s</html>", marker) },
		"another type": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `"%s"`, marker) },
		"a header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Vault-Index", marker)
			fmt.Fprint(w, "{")
		},
		"a redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://"+marker+"@127.0.0.1:1/"+marker+"?t="+marker)
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"a wait": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", marker)
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"what was asked": func(w http.ResponseWriter, r *http.Request) { // as proxies for debugging do
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintf(w, "<pre>%s %s</pre>", r.Header.Get("X-Vault-Token"), marker)
		},
	}
	for at := 1; at < len(whole); at += 1 + len(whole)/24 {
		all[fmt.Sprintf("cut at %d", at)] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole[:at]) }
		all[fmt.Sprintf("broken at %d", at)] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole[:at]+"\\x"+whole[at:]) }
	}
	for _, status := range []int{400, 403, 404, 405, 412, 429, 472, 473, 500, 501, 502, 503} {
		all[fmt.Sprint(status)] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, whole) }
		all[fmt.Sprint(status, " no JSON")] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, marker) }
	}
	return all
}
