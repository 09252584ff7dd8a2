package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestMetrics: what GET /metrics answers is what Prometheus reads.
func TestMetrics(t *testing.T) {
	t.Parallel()
	own := newTestTenant(t)
	check(t, own.put("dev/api", map[string]any{"key": "hush"}))
	p, err := sharedPostgres()
	check(t, err)
	check(t, own.databaseRole(p, "app", "60s", "1h"))
	dir, err := os.MkdirTemp("", "v")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := startBackground(t, vwrap("-e", "KEY=vault:"+own.kv+"/dev/api#key", "-e", "DBUSER=vault:"+own.db+"/creds/app#username", "--", filepath.Join(programs, "show-env")),
		"VAULT_ADDR="+own.vault.address, "VAULT_TOKEN="+own.vault.token, "VWRAP_RUNTIME_DIR="+dir)
	b.expect(`(?m)^pid=`)
	sockets, err := filepath.Glob(filepath.Join(dir, "*.control"))
	check(t, err)
	if len(sockets) != 1 {
		t.Fatalf("the sockets are %v", sockets)
	}
	answer, err := over(sockets[0]).Get("http://vwrap/metrics")
	check(t, err)
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	check(t, err)
	for name, want := range map[string]float64{"vwrap_generation": 1, "vwrap_command_running": 1, "vwrap_healthy": 1, "vwrap_vault_up": 1, "vwrap_secret_version": 1} {
		if f := families[name]; f == nil || f.Metric[0].GetGauge().GetValue() != want {
			t.Errorf("%s is %v, not %v", name, f, want)
		}
	}
	if f := families["vwrap_command_restarts_total"]; f.GetType() != dto.MetricType_COUNTER {
		t.Errorf("vwrap_command_restarts_total is %v", f)
	}
	for name, f := range families {
		if f.GetHelp() == "" || !strings.HasPrefix(name, "vwrap_") {
			t.Errorf("%s has the help %q", name, f.GetHelp())
		}
	}
	check(t, b.signal(syscall.SIGTERM))
	b.expectStatus(0)
}
