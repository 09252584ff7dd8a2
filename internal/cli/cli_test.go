package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		argv, own, command []string
		dashes             bool
	}{
		{[]string{"vwrap"}, []string{"vwrap"}, nil, false},
		{[]string{"vwrap", "-q", "--", "a", "--", "b"}, []string{"vwrap", "-q"}, []string{"a", "--", "b"}, true},
		{[]string{"vwrap", "--"}, []string{"vwrap"}, []string{}, true},
	} {
		own, command, dashes := split(tt.argv)
		if !slices.Equal(own, tt.own) || !slices.Equal(command, tt.command) || dashes != tt.dashes {
			t.Errorf("split(%q) = %q, %q, %v", tt.argv, own, command, dashes)
		}
	}
}

func TestWithoutCredentials(t *testing.T) {
	environ := []string{"PATH=/bin", "VAULT_TOKEN=x", "BAO_TOKEN=x", "VAULT_TOKEN_FILE=x", "VAULT_SECRET_ID=x", "BAO_ROLE_ID=x", "VAULT_ADDR=keep", "MY_VAULT_TOKEN=keep", "VAULT_PASSWORD=x", "VAULT_ID_TOKEN=x", "CI_JWT=x", "OTHER=keep"}
	got := withoutCredentials(environ, "CI_JWT", []string{"BAO_TOKEN"})
	if want := []string{"PATH=/bin", "BAO_TOKEN=x", "VAULT_ADDR=keep", "MY_VAULT_TOKEN=keep", "OTHER=keep"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLogIsLinesForPeopleOrJSON(t *testing.T) {
	var b bytes.Buffer
	log := newLog(&b, "text", slog.LevelInfo)
	log.Info("one\ntwo \x1b[31mred")
	log.Debug("no")
	if got, want := b.String(), "vwrap: one\nvwrap: two \\x1b[31mred\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.Reset()
	newLog(&b, "json", slog.LevelInfo).Warn("three")
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["msg"] != "three" || line["level"] != "WARN" {
		t.Errorf("%q: %v", b.String(), err)
	}
}

func TestLevels(t *testing.T) {
	for name, want := range map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "WARN": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := levelOf(name, false); err != nil || got != want {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if _, err := levelOf("loud", false); err == nil || !strings.Contains(err.Error(), "loud") {
		t.Error(err)
	}
	if got, _ := levelOf("debug", true); got != slog.LevelError {
		t.Error("quiet is not quiet")
	}
}

func TestPlanFitsTheTerminal(t *testing.T) {
	t.Parallel()
	all := []planned{
		{Name: "DATABASE_URL", SetBy: "vwrap.yaml:3", Sources: []string{"vault:database/creds/app#username", "vault:database/creds/app#password"}, Hides: []string{"the inherited environment"}},
		{Name: "A", SetBy: "-e"},
		{Name: "SOMETHING_WITH_A_VERY_LONG_NAME", SetBy: "-e", Sources: []string{"vault:secret/x#y"}},
	}
	const wide = `DATABASE_URL                     vault:database/creds/app#username and vault:database/creds/app#password  (vwrap.yaml:3)
                                 hides that of the inherited environment
A                                a text of its own  (-e)
SOMETHING_WITH_A_VERY_LONG_NAME  vault:secret/x#y  (-e)
`
	const narrow = `DATABASE_URL    vault:database/creds/app#username
                and
                vault:database/creds/app#password
                (vwrap.yaml:3)
                hides that of the inherited
                environment
A               a text of its own (-e)
SOMETHING_WITH_A_VERY_LONG_NAME
                vault:secret/x#y (-e)
`
	if got := planText(all, nil, 0); got != wide {
		t.Errorf("in a pipe:\n%s", got)
	}
	if got := planText(all, nil, 44); got != narrow {
		t.Errorf("in a narrow terminal:\n%s", got)
	}
}
