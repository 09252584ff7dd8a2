package control

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"strings"
)

// metrics answers in Prometheus' text format (exposition format 0.0.4).
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	status, err := s.run.Status()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	status.writeMetrics(w)
}

func (s Status) writeMetrics(w io.Writer) {
	metric := func(name, kind, help string, samples ...string) {
		if len(samples) == 0 {
			return
		}
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for _, sample := range samples {
			fmt.Fprintf(w, "%s%s\n", name, sample)
		}
	}
	metric("vwrap_build_info", "gauge", "Always 1; the version is its label.", fmt.Sprintf("{version=%q} 1", s.Version))
	metric("vwrap_start_time_seconds", "gauge", "When vwrap began, as a Unix time.", fmt.Sprintf(" %d", s.Started.Unix()))
	metric("vwrap_generation", "gauge", "The generation of values that the command has.", fmt.Sprintf(" %d", s.Generation))
	metric("vwrap_command_running", "gauge", "1 while the command runs.", fmt.Sprintf(" %d", one(s.Running)))
	metric("vwrap_command_restarts_total", "counter", "How often the command was restarted with new values.", fmt.Sprintf(" %d", s.Restarts))
	metric("vwrap_healthy", "gauge", "1 while no credential is dead or about to be.", fmt.Sprintf(" %d", one(s.Healthy)))
	if s.Vault != nil {
		metric("vwrap_vault_up", "gauge", "0 during an outage of Vault.", fmt.Sprintf(" %d", one(s.Vault.Outage == "")))
	}
	if s.Token != nil && s.Token.Expires != nil {
		metric("vwrap_token_expiry_timestamp_seconds", "gauge", "When vwrap's token expires, as a Unix time.", fmt.Sprintf(" %d", s.Token.Expires.Unix()))
	}
	var expiry, versions, problems []string
	secrets := slices.Clone(s.Secrets)
	sort.SliceStable(secrets, func(i, j int) bool {
		a, b := secrets[i], secrets[j]
		return a.Path < b.Path || a.Path == b.Path && names(a) < names(b)
	})
	for _, secret := range secrets {
		labels := fmt.Sprintf(`{path="%s",variables="%s"}`, label(secret.Path), label(strings.Join(secret.Variables, ",")))
		if secret.Expires != nil {
			expiry = append(expiry, fmt.Sprintf("%s %d", labels, secret.Expires.Unix()))
		}
		if secret.Version > 0 {
			versions = append(versions, fmt.Sprintf("%s %d", labels, secret.Version))
		}
		problems = append(problems, fmt.Sprintf("%s %d", labels, one(secret.Problem != "")))
	}
	metric("vwrap_secret_expiry_timestamp_seconds", "gauge", "When a secret expires, as a Unix time.", expiry...)
	metric("vwrap_secret_version", "gauge", "The version of a KV version 2 secret that the command has.", versions...)
	metric("vwrap_secret_problem", "gauge", "1 where the last request about a secret failed.", problems...)
}

// label is text as it stands between the quotes of a label's value.
func label(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
