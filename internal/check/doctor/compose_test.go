package doctor

import (
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestComposed(t *testing.T) {
	t.Parallel()
	const here = "/home/u/src/app/"
	const killed = ": the container is killed before vwrap has stopped the command and given back what it holds"
	const more = ", more than rotation.stop_grace (7s)"
	for name, c := range map[string]struct {
		files map[string]string
		grace time.Duration
		want  []string
	}{
		"none":        {nil, 0, nil},
		"no vwrap":    {map[string]string{here + "compose.yaml": "services: {web: {image: x, command: npm start}, vault: {command: [vwrap, dev]}}"}, 0, nil},
		"default":     {map[string]string{here + "compose.yaml": "services: {web: {command: [vwrap, --, npm, start]}}"}, 0, []string{"ok web of compose.yaml: no stop_grace_period, which is 10s" + more}},
		"default, as": {map[string]string{here + "compose.yml": "services: {web: {command: [vwrap, --, npm, start]}}"}, 10 * time.Second, []string{"warning web of compose.yml: no stop_grace_period, which is 10s, and rotation.stop_grace 10s" + killed}},
		"short":       {map[string]string{here + "docker-compose.yml": "services: {web: {entrypoint: /usr/local/bin/vwrap --, stop_grace_period: 5s}}"}, 0, []string{"warning web of docker-compose.yml: stop_grace_period is 5s, and rotation.stop_grace 7s" + killed}},
		"above, more": {
			map[string]string{"/home/u/src/compose.yaml": "services:\n  b: {entrypoint: [tini, --, vwrap, --], stop_grace_period: 1m30s, init: true, tty: true}\n  a: {command: [sh, -c, exec vwrap -- npm start], read_only: true}\n"},
			0,
			[]string{
				"ok a of compose.yaml: no stop_grace_period, which is 10s" + more + "; read_only, with sockets in /run where that is a tmpfs, else in /dev/shm",
				"ok b of compose.yaml: stop_grace_period is 1m30s" + more + "; init: true, which vwrap does not need; with a terminal",
			},
		},
		"laid over": {map[string]string{
			here + "compose.yaml":       "services: {web: {image: x, stop_grace_period: 3s}}",
			here + "compose.vwrap.yaml": "services: {web: {entrypoint: [vwrap, --]}}",
		}, 0, []string{"warning web of compose.yaml: stop_grace_period is 3s, and rotation.stop_grace 7s" + killed}},
		"filled in": {map[string]string{here + "compose.yaml": "services:\n  a: {command: [vwrap, --, x], stop_grace_period: \"${GRACE}\"}\n  b: {command: [vwrap, --, x], stop_grace_period: \"${GRACE:-15s}\"}\n"}, 0, []string{
			"ok a of compose.yaml: stop_grace_period is filled in from outside; it has to be more than rotation.stop_grace (7s)",
			"ok b of compose.yaml: stop_grace_period is 15s" + more,
		}},
		"built": {map[string]string{
			here + "compose.yaml":   "services:\n  web: {build: web}\n  own: {build: {context: ., dockerfile: ci/Own}, stop_grace_period: 9s}\n  away: {build: \"https://example.com/x.git\"}\n",
			here + "web/Dockerfile": "FROM x\nENTRYPOINT [\"vwrap\", \"--\"]\nCMD [\"npm\"]\n",
			here + "web/vwrap.yaml": "12s", // what the test's GraceIn reads
			here + "ci/Own":         "entrypoint vwrap --\n",
		}, 0, []string{
			"ok own of compose.yaml: stop_grace_period is 9s" + more,
			"warning web of compose.yaml: no stop_grace_period, which is 10s, and rotation.stop_grace 12s" + killed,
		}},
		"said by itself": {map[string]string{here + "compose.yaml": "services:\n  a: {command: [vwrap, --stop-grace, 20s, --, x]}\n  b: {command: vwrap -- x, environment: [A=1, VWRAP_STOP_GRACE=11s]}\n  c: {command: vwrap -- x, environment: {VWRAP_STOP_GRACE: 3s}}\n"}, 0, []string{
			"warning a of compose.yaml: no stop_grace_period, which is 10s, and rotation.stop_grace 20s" + killed,
			"warning b of compose.yaml: no stop_grace_period, which is 10s, and rotation.stop_grace 11s" + killed,
			"ok c of compose.yaml: no stop_grace_period, which is 10s, more than rotation.stop_grace (3s)",
		}},
		"broken": {map[string]string{here + "compose.yaml": "services: ["}, 0, nil},
	} {
		f := facts(c.files)
		if c.grace > 0 {
			f.StopGrace = c.grace
		}
		f.GraceIn = func(dir string) (time.Duration, bool) {
			grace, err := time.ParseDuration(f.read(path.Join(dir, "vwrap.yaml")))
			return grace, err == nil
		}
		var got []string
		for _, l := range composed(f) {
			got = append(got, string(l.State)+" "+l.Text)
			if (l.State == Warning) != strings.HasPrefix(l.Mend, "stop_grace_period: ") {
				t.Errorf("%s: the mend is %q", name, l.Mend)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func FuzzComposed(f *testing.F) {
	f.Add("services: {web: {command: [vwrap, --, npm], stop_grace_period: 5s, build: .}}", "FROM x\nENTRYPOINT [\"vwrap\", \"--\"]\n")
	f.Add("services: {web: {entrypoint: vwrap --, build: {context: 1}, environment: [1, A], init: x}}", "CMD")
	f.Add("services: [", "")
	f.Fuzz(func(t *testing.T, compose, docker string) {
		lines := Machine(facts(map[string]string{"/home/u/src/app/compose.yaml": compose, "/home/u/src/app/Dockerfile": docker}))
		mended(t, lines)
	})
}
