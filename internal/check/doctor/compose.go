package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/internal/pattern"
)

// composeFiles are the names that Compose looks for, in its order, and composeMore what is laid over them: by Compose itself,
// and by who does as vwrap init says.
var (
	composeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	composeMore  = []string{"compose.override.yaml", "compose.override.yml", "docker-compose.override.yml", "docker-compose.override.yaml", "compose.vwrap.yaml"}
)

// service is what of a service of Compose matters to a vwrap that runs in it.
type service struct {
	Entrypoint  any    `yaml:"entrypoint"`
	Command     any    `yaml:"command"`
	Build       any    `yaml:"build"`
	Period      string `yaml:"stop_grace_period"`
	Init        bool   `yaml:"init"`
	ReadOnly    bool   `yaml:"read_only"`
	TTY         bool   `yaml:"tty"`
	Environment any    `yaml:"environment"`
}

// composed is about the services of the Compose file here, or above, that start vwrap.
func composed(f Facts) (lines []Line) {
	dir, file, services := f.services()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		s := services[name]
		if argv := f.argv(dir, s); startsVwrap(argv) {
			lines = append(lines, s.told(name+" of "+file, f.graceOf(dir, s, argv)))
		}
	}
	return lines
}

// services are those of the nearest Compose file, with what is laid over it. What cannot be read is left out: Compose says why.
func (f Facts) services() (dir, file string, services map[string]service) {
	for _, dir = range upwards(f.Dir) {
		at := slices.IndexFunc(composeFiles, func(name string) bool { return f.is(path.Join(dir, name)) })
		if at < 0 {
			continue
		}
		services = map[string]service{}
		for _, name := range append([]string{composeFiles[at]}, composeMore...) {
			f.overlay(services, path.Join(dir, name))
		}
		return dir, composeFiles[at], services
	}
	return "", "", nil
}

// overlay lays the services of a file over those that are known.
func (f Facts) overlay(services map[string]service, file string) {
	var top struct {
		Services map[string]yaml.Node `yaml:"services"`
	}
	if yaml.Unmarshal([]byte(f.read(file)), &top) != nil {
		return
	}
	for name, n := range top.Services {
		s := services[name]
		_ = n.Decode(&s) // a field that is filled in from outside, or is of another type, stays as it was
		services[name] = s
	}
}

// argv are the words that start a service: its own, and those of the image that it builds.
func (f Facts) argv(dir string, s service) []string {
	entrypoint, command := s.Entrypoint, s.Command
	if own, cmd := f.image(dir, s.Build); entrypoint == nil {
		if entrypoint = own; command == nil {
			command = cmd
		}
	}
	return append(words(entrypoint), words(command)...)
}

// startsVwrap reports whether vwrap runs a command there.
func startsVwrap(argv []string) bool {
	at := slices.IndexFunc(argv, func(word string) bool { return path.Base(word) == "vwrap" })
	return at >= 0 && slices.Contains(argv[at:], "--")
}

// words are those of a command, which is a list or a line.
func words(command any) (all []string) {
	switch c := command.(type) {
	case string:
		return strings.Fields(strings.NewReplacer(`"`, " ", "'", " ", "[", " ", "]", " ", ",", " ").Replace(c))
	case []any:
		for _, word := range c {
			all = append(all, strings.Fields(fmt.Sprint(word))...) // of sh -c too
		}
	}
	return all
}

var (
	entrypointOf = pattern.Of(`(?mi)^[ \t]*ENTRYPOINT[ \t]+(.*)$`)
	commandOf    = pattern.Of(`(?mi)^[ \t]*CMD[ \t]+(.*)$`)
)

// image is what the Dockerfile of a service's build has for its entrypoint and command; the last of each counts.
func (f Facts) image(dir string, build any) (entrypoint, command any) {
	context, file := contextOf(dir, build)
	if context == "" {
		return nil, nil
	}
	text := f.read(path.Join(context, file))
	last := func(p func() *regexp.Regexp) any {
		if all := p().FindAllStringSubmatch(text, -1); all != nil {
			return all[len(all)-1][1]
		}
		return nil
	}
	return last(entrypointOf), last(commandOf)
}

// contextOf is the folder of a build, and its Dockerfile there; "" is none that is a folder here.
func contextOf(dir string, build any) (context, file string) {
	file = "Dockerfile"
	switch b := build.(type) {
	case string:
		context = b
	case map[string]any:
		context, _ = b["context"].(string)
		if own, ok := b["dockerfile"].(string); ok {
			file = own
		}
		if context == "" {
			context = "."
		}
	}
	if context == "" || strings.Contains(context, "://") || strings.Contains(context, "$") {
		return "", ""
	}
	if !path.IsAbs(context) {
		context = path.Join(dir, context)
	}
	return context, file
}

// told says whether the service gives vwrap the time that it needs, and what else it is given.
func (s service) told(which string, grace time.Duration) Line {
	l := Line{Name: "Compose", State: OK}
	period, known := s.period()
	said := fmt.Sprintf("stop_grace_period is %v", period)
	if s.Period == "" {
		said = fmt.Sprintf("no stop_grace_period, which is %v", period)
	}
	switch {
	case !known:
		l.Text = fmt.Sprintf("%s: stop_grace_period is filled in from outside; it has to be more than rotation.stop_grace (%v)", which, grace)
	case period <= grace:
		l.State = Warning
		l.Text = fmt.Sprintf("%s: %s, and rotation.stop_grace %v: the container is killed before vwrap has stopped the command and given back what it holds", which, said, grace)
		l.Mend = fmt.Sprintf("stop_grace_period: %v, or a lower rotation.stop_grace", (grace + 5*time.Second).Round(time.Second))
	default:
		l.Text = fmt.Sprintf("%s: %s, more than rotation.stop_grace (%v)", which, said, grace)
	}
	if s.Init {
		l.Text += "; init: true, which vwrap does not need"
	}
	if s.ReadOnly {
		l.Text += "; read_only, with sockets in /run where that is a tmpfs, else in /dev/shm"
	}
	if s.TTY {
		l.Text += "; with a terminal"
	}
	return l
}

var filledIn = pattern.Of(`^\$\{[A-Za-z_][A-Za-z0-9_]*:?-([^${}]*)\}$`)

// period is the service's stop_grace_period; what is filled in from outside is its default, or is not known.
func (s service) period() (period time.Duration, known bool) {
	text := s.Period
	if m := filledIn().FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	if text == "" {
		return dockerGrace, true
	}
	period, err := time.ParseDuration(text)
	return period, err == nil
}

// graceOf is the time that a vwrap in the service gives its command: by its flag or the twin of that, by rotation.stop_grace
// of the folder that it is built of, or of here.
func (f Facts) graceOf(dir string, s service, argv []string) time.Duration {
	if grace, err := time.ParseDuration(cmp.Or(flagOf(argv, "--stop-grace"), variableOf(s.Environment, "VWRAP_STOP_GRACE"))); err == nil {
		return grace
	}
	if context, _ := contextOf(dir, s.Build); context != "" && f.GraceIn != nil {
		if grace, ok := f.GraceIn(context); ok {
			return grace
		}
	}
	return f.StopGrace
}

// flagOf is what a flag of argv is given; "" where it is not there.
func flagOf(argv []string, flag string) string {
	for i, word := range argv {
		if value, ok := strings.CutPrefix(word, flag+"="); ok {
			return value
		}
		if word == flag && i+1 < len(argv) {
			return argv[i+1]
		}
	}
	return ""
}

// variableOf is a variable of a service's environment, which is a mapping or a list.
func variableOf(environment any, name string) string {
	switch env := environment.(type) {
	case map[string]any:
		value, _ := env[name].(string)
		return value
	case []any:
		for _, entry := range env {
			if value, ok := strings.CutPrefix(fmt.Sprint(entry), name+"="); ok {
				return value
			}
		}
	}
	return ""
}
