package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingOfAnAnswerIsSaid gives vwrap answers with a marker in every field that an answer of Vault's has, in its headers, its addresses,
// and in JSON that is none, and looks for it in all that vwrap says at its most talkative. The server is a stand-in: no real one answers
// so. What a server says in its errors and warnings is for people, and is shown; markers are not in these.
func TestNothingOfAnAnswerIsSaid(t *testing.T) {
	t.Parallel()
	const marker = "M4rk3r-in-an-answer"
	whole := fmt.Sprintf(`{"request_id":"%[1]s","lease_id":"%[1]s","renewable":true,"lease_duration":1,"data":{"key":"%[1]s","data":{"key":"%[1]s"},"metadata":{"version":1,"created_time":"%[1]s"},"path":"%[1]s","ttl":"%[1]s","id":"%[1]s"},`+
		`"wrap_info":{"token":"%[1]s","accessor":"%[1]s","ttl":60,"creation_path":"%[1]s"},"warnings":null,"auth":{"client_token":"%[1]s","accessor":"%[1]s","policies":["%[1]s"],"metadata":{"a":"%[1]s"},"lease_duration":1,"renewable":true,"entity_id":"%[1]s"}}`, marker)
	shapes := map[string]func(w http.ResponseWriter, r *http.Request){
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
		shapes[fmt.Sprintf("cut at %d", at)] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole[:at]) }
		shapes[fmt.Sprintf("broken at %d", at)] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole[:at]+"\\x"+whole[at:]) }
	}
	for _, status := range []int{400, 403, 404, 405, 412, 429, 472, 473, 500, 501, 502, 503} {
		shapes[fmt.Sprint(status)] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, whole) }
		shapes[fmt.Sprint(status, " no JSON")] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, marker) }
	}
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "secret-id"), []byte("s-"+marker), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "login.yaml"), []byte("version: 1\nvault: {auth: {method: approle, role_id: r, secret_id_file: secret-id}}\n"), 0o600))
	commands := [][]string{
		{"--start-timeout", "1ms", "--log-level", "debug", "-e", "KEY=vault:secret/dev/api#key", "-e", "DB=vault:database/creds/app#password", "--from", "secret/dev/all", "--", "true"},
		{"--start-timeout", "1ms", "--log-level", "debug", "--config", "login.yaml", "-e", "KEY=vault:secret/dev/api#key", "--", "true"},
		{"plan", "--start-timeout", "1ms", "--ask", "-e", "KEY=vault:secret/dev/api#key"},
		{"doctor", "--start-timeout", "1ms", "--json", "-e", "KEY=vault:secret/dev/api#key"},
		{"check", "parity", "--path", "secret/dev", "--manifest", "/dev/null"},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(shape))
			defer server.Close()
			told := 0
			for _, argv := range commands {
				cmd := exec.Command(filepath.Join(programs, "vwrap"), argv...)
				cmd.Dir = dir
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + server.URL, "VAULT_TOKEN=t-" + marker, "VWRAP_RUNTIME_DIR=" + filepath.Join(dir, "run")}
				said, _ := cmd.CombinedOutput() // most of them fail
				told += len(said)
				if bytes.Contains(said, []byte(marker)) {
					t.Errorf("vwrap %s says\n%s", strings.Join(argv, " "), said)
				}
			}
			if told == 0 {
				t.Error("vwrap said nothing at all")
			}
		})
	}
}
