// Package ttl holds what is left of leases and tokens against a minimum.
package ttl

import (
	"fmt"
	"time"

	"github.com/vwrap/vwrap/internal/check"
)

// Life is what is left of something.
type Life struct {
	What  string // "lease" or "token"
	Name  string // what it is for, or its ID
	Left  time.Duration
	Never bool   // it does not end
	Next  string // who sees to it: "vwrap renews it in 20m0s"; "" nobody
}

// Check reports what has less than least left. A life of 0 or less has ended.
func Check(lives []Life, least time.Duration) check.Report {
	r := check.Report{Check: "ttl"}
	shortest := time.Duration(-1)
	for _, l := range lives {
		name := l.What + " " + l.Name
		if !l.Never && (shortest < 0 || l.Left < shortest) {
			shortest = max(l.Left, 0)
		}
		if l.Never || l.Left >= least {
			r.Passed = append(r.Passed, name)
			continue
		}
		f := check.Finding{
			Rule: "below-minimum", Critical: true, Subject: name, Mend: l.mend(),
			Text: fmt.Sprintf("%s TTL %ds below %ds threshold: %s", l.What, int(max(l.Left, 0).Seconds()), int(least.Seconds()), l.Name),
		}
		r.Findings = append(r.Findings, f)
	}
	r.Sort()
	r.Summary = fmt.Sprintf("%d looked at, %d below %s", len(lives), len(r.Findings), least)
	if shortest >= 0 {
		r.Summary += fmt.Sprintf("; the shortest has %s", shortest.Round(time.Second))
	}
	return r
}

func (l Life) mend() string {
	switch {
	case l.Next != "":
		return l.Next
	case l.What == "token":
		return "log in again: vault login"
	case l.Left <= 0:
		return "it has ended: fetch anew (vwrap rotate --all)"
	}
	return "renew it: vault lease renew " + l.Name
}
