package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// exampleServers are the servers of ../examples, by language: how each is started.
func exampleServers(t *testing.T) map[string][]string {
	t.Helper()
	examples, err := filepath.Abs("../examples")
	check(t, err)
	goServer := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", "build", "-o", goServer, "./go/main.go")
	build.Dir = examples
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return map[string][]string{
		"node":   {"node", filepath.Join(examples, "node/server.mjs")},
		"python": {"python3", filepath.Join(examples, "python/server.py")},
		"go":     {goServer},
		"rails":  {"puma", "-C", filepath.Join(examples, "rails/puma.rb"), filepath.Join(examples, "rails/config.ru")},
	}
}

// askToRotate does not wait for what comes of it.
func (s *server) askToRotate() {
	if answer, err := over(s.control).Post("http://vwrap/v1/rotate", "application/json", strings.NewReader("{}")); err == nil {
		answer.Body.Close()
	}
}

// TestServersSurviveEachAction: the example servers answer with the new value after a rotation of each kind: as another
// process, or as the same one, which asks the live channel.
func TestServersSurviveEachAction(t *testing.T) {
	t.Parallel()
	for language, command := range exampleServers(t) {
		for _, c := range []struct {
			rotation string
			same     bool
		}{
			{"action: restart", false},
			{"action: signal", true},
			{"action: overlap, ready: {http: /healthz}", false},
			{"action: none", true},
			{"action: exit", false},
		} {
			action, _, _ := strings.Cut(strings.TrimPrefix(c.rotation, "action: "), ",")
			t.Run(language+"/"+action, func(t *testing.T) {
				t.Parallel()
				s := startServer(t, c.rotation, command...)
				before := s.ask()
				check(t, s.own.put("dev/api", map[string]any{"key": "second"}))
				if action == "exit" {
					s.askToRotate() // its end may come before its answer
					s.expectStatus(75)
					return
				}
				s.rotate()
				var after string
				check(t, poll(patience, 10*time.Millisecond, func() error {
					if after = s.ask(); !strings.HasPrefix(after, language+" ") || !strings.HasSuffix(after, " second\n") {
						return fmt.Errorf("it answers %q", after)
					}
					return nil
				}))
				if same := strings.Fields(before)[1] == strings.Fields(after)[1]; same != c.same {
					t.Errorf("first it answered %q, then %q", before, after)
				}
			})
		}
	}
}
