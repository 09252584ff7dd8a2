package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setUp,
		Cmds:                commands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("VWRAP_E2E_WRITE") != "", // the files that outputs are compared with
	})
}

// session is one script's own state.
type session struct {
	*tenant
	ts        *testscript.TestScript // of the command that runs now
	out       io.Writer              // of the command that runs now
	executed  bool                   // the command's output is that of a program that testscript ran
	fresh     *vaultServer           // the script's own server, if it asked for one
	processes map[string]*process
	watches   map[string]*watch
	proxies   map[string]*faultyProxy

	leasesLeave int // that are to be left at the end
}

type sessionKey struct{}

// setUp gives a script its corner of the shared server and a bare environment. XDG_* and every variable of the
// person who runs the suite are unset, because testscript passes none on but PATH.
func setUp(env *testscript.Env) error {
	shared, err := sharedVault()
	if err != nil {
		return err
	}
	own, err := newTenant(shared)
	if err != nil {
		return err
	}
	s := &session{tenant: own, processes: map[string]*process{}, watches: map[string]*watch{}}
	env.Values[sessionKey{}] = s
	env.Defer(func() {
		if err := s.end(); err != nil {
			env.T().Fatal(err)
		}
	})

	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("make home: %w", err)
	}
	examples, err := filepath.Abs("../examples")
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"EXAMPLES": examples,
		"HOME":     home, "PATH": os.Getenv("PATH"),
		"VAULT_ADDR": shared.address, "VAULT_TOKEN": shared.token,
		"TAG": own.tag, "KV": own.kv, "KV1": own.kv1, "DB": own.db,
	} {
		env.Setenv(name, value)
	}
	return nil
}

// end stops what the script left running: first what uses Vault, then Vault. Between the two it looks for leases that
// were left behind.
func (s *session) end() error {
	for _, p := range s.processes {
		p.stop(syscall.SIGTERM)
	}
	for _, w := range s.watches {
		w.stop()
	}
	for _, proxy := range s.proxies {
		proxy.close()
	}
	left := s.checkLeases()
	if s.fresh != nil {
		s.fresh.stop()
		shared, err := sharedVault()
		if err != nil {
			return errors.Join(left, err)
		}
		s.vault = shared
	}
	s.leave()
	return left
}

// command is what scripts can say beside testscript's own commands. It returns an error where testscript's functions
// abort the script, so that one command can repeat or negate another.
type command func(s *session, args []string) error

// usageError is a mistake of the script's author: neither `!` nor `eventually` forgives it.
type usageError string

func (e usageError) Error() string { return "usage: " + string(e) }

func allCommands() map[string]command {
	return map[string]command{
		"exit-status":    exitStatus,
		"expand":         expand,
		"fingerprint":    fingerprint,
		"faulty-vault":   faultyVault,
		"for-faults":     forFaults,
		"freeze-vault":   freezeVault,
		"fresh-vault":    freshVault,
		"junit-valid":    junitValid,
		"jwt":            jwt,
		"jwt-key":        jwtKey,
		"kubernetes-api": kubernetesAPI,
		"last-is":        lastIs,
		"leaves-leases":  leavesLeases,
		"ldap-server":    ldapServer,
		"pg-left":        pgLeft,
		"pg-role":        pgRole,
		"pg-static":      pgStatic,
		"pg-watch":       pgWatch,
		"restart-vault":  restartVault,
		"runtime-dir":    runtimeDir,
		"signal":         signalProcess,
		"start":          start,
		"status":         status,
		"stop-vault":     stopVault,
		"tally":          tally,
		"thaw-vault":     thawVault,
		"unix-vault":     unixVault,
		"tls-manifest":   tlsManifest,
		"tls-pair":       tlsPair,
		"token-service":  tokenService,
		"vault":          vaultCommand,
		"vault-cli":      vaultProgram,
	}
}

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	adapted := map[string]func(*testscript.TestScript, bool, []string){"eventually": adapt(eventually)}
	for name, run := range allCommands() {
		adapted[name] = adapt(run)
	}
	return adapted
}

func adapt(run command) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		s := ts.Value(sessionKey{}).(*session)
		out := new(bytes.Buffer)
		s.ts, s.out, s.executed = ts, out, false
		err := run(s, args)
		if !s.executed {
			ts.Stdout().Write(out.Bytes()) // even nothing: else the output of the command before would stand
		}
		if _, wrong := errors.AsType[usageError](err); wrong {
			ts.Fatalf("%v", err)
		}
		switch {
		case err != nil && !neg:
			s.logOutputs()
			ts.Fatalf("%v", err)
		case err == nil && neg:
			s.logOutputs()
			ts.Fatalf("unexpected success")
		case err != nil:
			fmt.Fprintln(ts.Stderr(), err) // for the script to look at
		}
	}
}

// logOutputs shows what the background processes said so far, for whoever reads why a script failed.
func (s *session) logOutputs() {
	const enough = 3000
	for name := range s.processes {
		for _, file := range []string{name + ".out", name + ".err"} {
			said, err := os.ReadFile(s.inWork(file))
			if err != nil || len(said) == 0 {
				continue
			}
			if len(said) > enough {
				said = append([]byte("…"), said[len(said)-enough:]...)
			}
			s.ts.Logf("[%s]\n%s", file, said)
		}
	}
}

// inWork is a file of the script's first folder, wherever the script has gone since.
func (s *session) inWork(name string) string { return filepath.Join(s.ts.Getenv("WORK"), name) }
