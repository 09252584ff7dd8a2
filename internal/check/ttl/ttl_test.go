package ttl_test

import (
	"slices"
	"testing"
	"time"

	"github.com/vwrap/vwrap/internal/check/ttl"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	r := ttl.Check([]ttl.Life{
		{What: "lease", Name: "database/creds/app/abc", Left: 299 * time.Second},
		{What: "lease", Name: "DB_PASSWORD", Left: 120500 * time.Millisecond, Next: "vwrap renews it in 1m0s"},
		{What: "lease", Name: "pki/issue/web", Left: 300 * time.Second},
		{What: "token", Name: "of VAULT_TOKEN", Left: -3 * time.Second},
		{What: "token", Name: "root", Never: true},
	}, 300*time.Second)
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Text+" | "+f.Mend)
	}
	want := []string{
		"lease TTL 120s below 300s threshold: DB_PASSWORD | vwrap renews it in 1m0s",
		"lease TTL 299s below 300s threshold: database/creds/app/abc | renew it: vault lease renew database/creds/app/abc",
		"token TTL 0s below 300s threshold: of VAULT_TOKEN | log in again: vault login",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found is %q", got)
	}
	if r.Clean() || r.Summary != "5 looked at, 3 below 5m0s; the shortest has 0s" || !slices.Equal(r.Passed, []string{"lease pki/issue/web", "token root"}) {
		t.Errorf("the report is %+v", r)
	}
	if r := ttl.Check(nil, time.Minute); !r.Clean() || r.Summary != "0 looked at, 0 below 1m0s" {
		t.Errorf("of nothing: %+v", r)
	}
}
