package leaks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vwrap/vwrap/internal/check"
)

// processes looks at the command lines. The environments of processes are where values belong: nobody's is read.
func (l *look) processes(ctx context.Context) error {
	if !l.Processes {
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(l.Env.Proc, "[0-9]*", "cmdline"))
	if err != nil {
		return fmt.Errorf("look at command lines: %w", err)
	}
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil || ctx.Err() != nil {
			continue // it has ended
		}
		l.counts.processes++
		where := finding{Finding: check.Finding{File: path, Mend: "all users can read it: give the value in the environment (vwrap -- CMD) or on standard input"}}
		l.tell(l.inText(string(line)), where, "the command line of process "+filepath.Base(filepath.Dir(path)))
	}
	return nil
}

// containers looks at what Docker tells of running containers. Without Docker there are none.
func (l *look) containers(ctx context.Context) error {
	if !l.Containers {
		return nil
	}
	ids, err := l.Env.Command(ctx, "docker", "ps", "--quiet", "--no-trunc").Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil
	case err != nil: // most often it does not run, and then no container does
		l.warn("unreadable", "", fmt.Sprintf("cannot look at containers: docker ps: %v%s", err, l.said(err)), "")
		return nil
	case len(strings.Fields(string(ids))) == 0:
		return nil
	}
	// A container that ends meanwhile is an error of docker's, and is left out of what it writes.
	out, failed := l.Env.Command(ctx, "docker", append([]string{"inspect"}, strings.Fields(string(ids))...)...).Output()
	if err := l.inspected(out); err != nil {
		return errors.Join(err, failed)
	}
	return nil
}

// inspected looks through what docker inspect answers.
func (l *look) inspected(out []byte) error {
	var all []map[string]any
	if err := json.Unmarshal(out, &all); err != nil { // not told: it quotes
		return errors.New("look at containers: docker inspect answers no JSON")
	}
	for _, c := range all {
		l.counts.containers++
		name, _ := c["Name"].(string)
		l.container(strings.TrimPrefix(name, "/"), "", c)
	}
	return nil
}

// container looks at all texts of what docker inspect tells, and at the names in it.
func (l *look) container(name, at string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			l.inContainer(name, strings.TrimPrefix(at+"."+key, "."), key)
			l.container(name, strings.TrimPrefix(at+"."+key, "."), v[key])
		}
	case []any:
		for i, e := range v {
			l.container(name, at+"["+strconv.Itoa(i)+"]", e)
		}
	case string:
		l.inContainer(name, at, v)
	}
}

func (l *look) inContainer(name, at, text string) {
	found := l.inText(text)
	for i := range found {
		found[i].hits, found[i].more = found[i].hits[:1], 0
	}
	where := finding{Finding: check.Finding{
		Mend: "docker inspect shows it to all who may ask Docker: give the container a reference (NAME=vault:PATH#FIELD) and vwrap as its entrypoint",
	}}
	l.tell(found, where, at+" of container "+name)
}
