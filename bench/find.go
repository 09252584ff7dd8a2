package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	consulTemplate        = "consul-template"
	consulTemplateVersion = "v0.41.1"
	consulTemplateModule  = "github.com/hashicorp/consul-template"
	agent                 = "vault agent" // of the program vault
)

// findPeers looks for the peers in the folder, where one is given, and on the PATH. One that is not there is not run.
func findPeers(ctx context.Context, folder string) []peer {
	found := allPeers()
	for i := range found {
		if err := found[i].find(ctx, folder); err != nil {
			found[i].absent = err.Error()
		}
	}
	return found
}

func (p *peer) find(ctx context.Context, folder string) (err error) {
	switch p.name {
	case consulTemplate:
		p.program, err = findConsulTemplate(ctx, folder)
	case "vault":
		if p.program, err = lookUp("vault", folder); err != nil {
			p.program, err = newestBuilt("vaultcli")
		}
	case agent:
		p.program, err = lookUp("vault", folder)
	default:
		p.program, err = lookUp(p.name, folder)
	}
	if err != nil {
		return err
	}
	if p.version, err = versionOf(ctx, p.program); err != nil {
		return err
	}
	if p.name == agent && !supervises(p.version) {
		return fmt.Errorf("the agent of %s runs no program: that came with 1.14", p.version)
	}
	return nil
}

// tryPeers has each peer that injects do so once: what fails, of another version perhaps, is not run.
func (b *bench) tryPeers(ctx context.Context) error {
	values := one.values(kvMount)
	for i, p := range b.peers {
		if !p.found() || !p.injects {
			continue
		}
		tried, err := b.through(p, b.server.place(), values, []string{"sh", "-c", `test -n "$` + values[0].variable + `"`})
		if err != nil {
			return err
		}
		if err := tried.try(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: goes on without %s: %v\n", p.name, err)
			b.peers[i].absent = "it did not set the variable"
		}
	}
	return nil
}

// try runs the contender to its end.
func (c contender) try() error {
	p, err := start(c.command)
	if err != nil {
		return err
	}
	defer p.stop()
	if !p.endsWithin(time.Minute) {
		return errors.New("it does not end")
	}
	if !p.cmd.ProcessState.Success() {
		said, _ := os.ReadFile(filepath.Join(c.command.dir, "stderr"))
		return fmt.Errorf("%v: %s", p.cmd.ProcessState, said)
	}
	return nil
}

var errNotThere = errors.New("there is none")

// lookUp finds a program in the folder, else on the PATH.
func lookUp(name, folder string) (string, error) {
	if folder != "" {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errNotThere
	}
	return path, nil
}

// findConsulTemplate builds one, once, where there is none.
func findConsulTemplate(ctx context.Context, folder string) (string, error) {
	if path, err := lookUp(consulTemplate, folder); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	bin := filepath.Join(cache, "vwrap-bench", consulTemplateVersion)
	program := filepath.Join(bin, consulTemplate)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(os.Stderr, "bench: building consul-template %s into %s (once)\n", consulTemplateVersion, bin)
	cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags=-s -w", consulTemplateModule+"@"+consulTemplateVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: goes on without consul-template: %v\n%s", err, said)
		return "", errors.New("it could not be built")
	}
	return program, nil
}

var number = regexp.MustCompile(`[0-9]+(\.[0-9]+)+`)

// versionOf is what Go's linker has written into a program, or what it says itself.
func versionOf(ctx context.Context, program string) (string, error) {
	if info, err := buildinfo.ReadFile(program); err == nil {
		if version := number.FindString(info.Main.Version); version != "" && !strings.HasPrefix(version, "0.0.0") {
			return version, nil
		}
	}
	said, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("it does not say its version: %w", err)
	}
	version := number.FindString(string(said)) // of "tini version 0.19.0", "dumb-init v1.2.5"
	if version == "" {
		return "unknown", nil
	}
	return version, nil
}

// supervises reports whether an agent of that version can run a program.
func supervises(version string) bool {
	words := strings.Split(version, ".")
	if len(words) < 2 {
		return false
	}
	major, majorErr := strconv.Atoi(words[0])
	minor, minorErr := strconv.Atoi(words[1])
	return majorErr == nil && minorErr == nil && (major > 1 || major == 1 && minor >= 14)
}
