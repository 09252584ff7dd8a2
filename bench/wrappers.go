package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// place is where secrets are had from, and with what.
type place struct{ address, token string }

func (v *server) place() place { return place{v.address, v.token} }

// job is what a wrapper is to do: to run argv with the values.
type job struct {
	place
	dir    string // its own: for what it is configured by, and to work in
	memory string // its own too, in memory: for what a wrapper has to write values down
	values []value
	argv   []string
}

// The rows that every table has, by their names.
const (
	plainRow  = "no wrapper"
	floorRow  = "the floor: GET and `execve` in Go (`bench/floor`)"
	waiterRow = "fork, `execve` and wait in Go (`bench/waiter`)"
	vwrapRow  = "`vwrap`"
)

// around is argv as it is, and in the hands of each wrapper that can have what the shape wants.
func (b *bench) around(s shape, at place, argv ...string) ([]contender, error) {
	contenders := []contender{{name: plainRow, command: b.command(b.dir, at, argv...)}}
	values := s.values(kvMount)
	if len(values) == 0 {
		for _, p := range b.peers {
			if p.found() && !p.injects {
				wrapped, err := b.through(p, at, nil, argv)
				if err != nil {
					return nil, err
				}
				contenders = append(contenders, wrapped)
			}
		}
		contenders = append(contenders, contender{name: waiterRow, command: b.command(b.dir, at, append([]string{b.waiter}, argv...)...)})
	}
	if s.paths == 1 {
		words := append([]string{b.floor, values[0].path}, argv...)
		contenders = append(contenders, contender{name: floorRow, command: b.command(b.dir, at, words...)})
	}
	own, err := b.vwrapped(at, values, "", argv...)
	if err != nil {
		return nil, err
	}
	contenders = append(contenders, contender{name: vwrapRow, command: own})
	for _, p := range b.peers {
		if p.found() && p.injects && len(values) > 0 && (!p.slow || s == one) {
			wrapped, err := b.through(p, at, values, argv)
			if err != nil {
				return nil, err
			}
			contenders = append(contenders, wrapped)
		}
	}
	return contenders, nil
}

// slow reports whether a row is of a peer that takes long in itself.
func (b *bench) slow(row string) bool {
	return slices.ContainsFunc(b.peers, func(p peer) bool { return p.row == row && p.slow })
}

// through is argv in the hands of a peer.
func (b *bench) through(p peer, at place, values []value, argv []string) (contender, error) {
	j, err := b.job(at, values, argv)
	if err != nil {
		return contender{}, err
	}
	words, environ, err := p.wrap(p.program, j)
	if err != nil {
		return contender{}, fmt.Errorf("set %s up: %w", p.name, err)
	}
	c := b.command(j.dir, at, words...)
	c.environ = append(c.environ, environ...)
	return contender{name: p.row, command: c, foreign: true}, nil
}

// vwrapped is argv in vwrap's hands. One value alone is given by a flag, as one does; rules are lines of vwrap.yaml
// beside the values.
func (b *bench) vwrapped(at place, values []value, rules string, argv ...string) (command, error) {
	j, err := b.job(at, values, argv)
	if err != nil {
		return command{}, err
	}
	words := []string{b.vwrap}
	if len(values) == 1 && rules == "" {
		words = append(words, "-e", values[0].variable+"="+values[0].reference())
	} else if len(values) > 0 || rules != "" {
		if err := os.WriteFile(filepath.Join(j.dir, "vwrap.yaml"), []byte(vwrapYAML(values, rules)), 0o600); err != nil {
			return command{}, fmt.Errorf("write vwrap.yaml: %w", err)
		}
	}
	return b.command(j.dir, at, append(append(words, "--"), argv...)...), nil
}

func vwrapYAML(values []value, rules string) string {
	var text strings.Builder
	text.WriteString("version: 1\n" + rules)
	for i, v := range values {
		if i == 0 {
			text.WriteString("env:\n")
		}
		fmt.Fprintf(&text, "  %s: %s\n", v.variable, v.reference())
	}
	return text.String()
}

// job makes the folders of a job.
func (b *bench) job(at place, values []value, argv []string) (job, error) {
	j := job{place: at, values: values, argv: argv}
	var err error
	if j.dir, err = os.MkdirTemp(b.dir, "job-"); err != nil {
		return j, fmt.Errorf("make folder: %w", err)
	}
	if j.memory, err = os.MkdirTemp(b.tmpfs, "job-"); err != nil {
		return j, fmt.Errorf("make folder: %w", err)
	}
	return j, nil
}

// command is argv with what every measured program gets.
func (b *bench) command(dir string, at place, argv ...string) command {
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir}
	if at.address != "" {
		environ = append(environ, "VAULT_ADDR="+at.address)
	}
	if at.token != "" {
		environ = append(environ, "VAULT_TOKEN="+at.token)
	}
	return command{argv: argv, environ: environ, dir: dir}
}
