package drill_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/internal/devserver/admin"
	"github.com/vwrap/vwrap/internal/devserver/drill"
)

// command is one that is drilled: each rotation gives it a new generation, after a while.
type command struct {
	takes   time.Duration // from a rotation to the generation; 0: for ever
	rotated []time.Time
	away    atomic.Bool // it does not answer
}

func (c *command) progress(context.Context) (drill.Progress, error) {
	p := drill.Progress{Generation: 1, Running: true}
	for _, at := range c.rotated {
		if c.takes > 0 && time.Since(at) >= c.takes {
			p.Generation++
			p.Restarts++
		}
	}
	return p, nil
}

func (c *command) rotate(context.Context) error {
	c.rotated = append(c.rotated, time.Now())
	return nil
}

// RoundTrip answers probes.
func (c *command) RoundTrip(*http.Request) (*http.Response, error) {
	if c.away.Load() {
		return nil, errors.New("refused")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("fine"))}, nil
}

// options drill c for five rounds.
func (c *command) options() drill.Options {
	return drill.Options{
		Every: 30 * time.Second, For: 150 * time.Second, Progress: c.progress, Tell: func(string) {}, Transport: c, MaxGap: 5 * time.Second,
		Rotations: []drill.Rotation{{Name: "secret/dev/api", Kind: "kv", Rotate: c.rotate}},
	}
}

func problems(t *testing.T, r drill.Report, want ...string) {
	t.Helper()
	if got := r.Problems(); !slices.Equal(got, want) {
		t.Errorf("the problems are %q, want %q", got, want)
	}
}

func TestADrillThatPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{takes: 3 * time.Second}
		o := c.options()
		o.Probe = "http://127.0.0.1:3000/health"
		r := drill.Run(t.Context(), o)
		problems(t, r)
		if r.Rounds != 5 || r.Reached != 5 || r.Restarts != 5 || r.Failed != 0 || r.Probes < 700 || r.Ran.Round(time.Second) != 150*time.Second {
			t.Errorf("the report is %+v", r)
		}
		for i, at := range c.rotated[1:] {
			if gap := at.Sub(c.rotated[i]).Round(time.Second); gap != 30*time.Second {
				t.Errorf("round %d comes after %s", i+2, gap)
			}
		}
	})
}

func TestRotationsThatDoNotReachTheCommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{}
		o := c.options()
		o.For = time.Minute
		r := drill.Run(t.Context(), o)
		problems(t, r, "round 1 did not reach the command in time", "round 2 did not reach the command in time")
		if r.Reached != 0 {
			t.Errorf("the report is %+v", r)
		}
	})
}

// A revoked lease is noticed when it is to be renewed: it has until the end of the next round.
func TestLeasesHaveTwoRounds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][]string{"lease": nil, "kv": {"round 1 did not reach the command in time"}} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &command{takes: 45 * time.Second}
				o := c.options()
				o.For, o.Rotations[0].Kind = 30*time.Second, kind
				problems(t, drill.Run(t.Context(), o), want...)
			})
		})
	}
}

// A generation that is for another secret's sake does not make up for a version that did not come.
func TestAVersionHasToCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{takes: time.Second}
		o := c.options()
		o.For = 30 * time.Second
		var version atomic.Int64
		version.Store(3)
		o.Progress = func(ctx context.Context) (drill.Progress, error) {
			p, err := c.progress(ctx)
			p.Versions = map[string]int{"secret/dev/api": int(version.Load()), "other": 1}
			return p, err
		}
		problems(t, drill.Run(t.Context(), o), "round 1 did not reach the command in time")
		go func() {
			time.Sleep(10 * time.Second)
			version.Add(1)
		}()
		problems(t, drill.Run(t.Context(), o))
	})
}

func TestARotationThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{takes: time.Second}
		o := c.options()
		o.For = 30 * time.Second
		o.Rotations = append(o.Rotations, drill.Rotation{Name: "db/creds/app", Rotate: func(context.Context) error { return errors.New("Vault answers 500") }})
		problems(t, drill.Run(t.Context(), o), "db/creds/app could not be rotated: Vault answers 500")
	})
}

func TestFaultsComeBetweenRounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{takes: time.Second}
		o := c.options()
		var said []string
		began := time.Now()
		say := func(word string) func(context.Context) error {
			return func(context.Context) error {
				said = append(said, word+" "+time.Since(began).Round(time.Second).String())
				return nil
			}
		}
		o.For = 90 * time.Second
		o.Faults = []drill.Fault{{"outage", say("away"), say("back")}, {"revoke", say("revoke"), nil}}
		r := drill.Run(t.Context(), o)
		problems(t, r)
		if want := []string{"away 15s", "back 25s", "revoke 45s", "away 1m15s", "back 1m25s"}; !slices.Equal(said, want) {
			t.Errorf("faults were %q", said)
		}
		if want := []drill.Made{{"outage", 2}, {"revoke", 1}}; !slices.Equal(r.Faults, want) {
			t.Errorf("faults are %v", r.Faults)
		}
	})
}

// What is begun is ended, also where the drill is interrupted.
func TestAFaultEndsWithTheDrill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{takes: time.Second}
		o := c.options()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		mended := false
		o.Faults = []drill.Fault{{"outage", func(context.Context) error { return nil }, func(ctx context.Context) error {
			mended = ctx.Err() == nil
			return nil
		}}}
		r := drill.Run(ctx, o)
		problems(t, r, "it ended after 20s, before the drill's 2m30s")
		if !mended {
			t.Error("it was not mended")
		}
	})
}

func TestGaps(t *testing.T) {
	t.Parallel()
	for away, want := range map[time.Duration][]string{2 * time.Second: nil, 8 * time.Second: {"no answer for 8s, longer than 5s"}} {
		t.Run(away.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &command{takes: time.Second}
				o := c.options()
				o.Probe, o.For = "http://127.0.0.1:3000/health", 60*time.Second
				go func() {
					time.Sleep(10*time.Second + 50*time.Millisecond)
					c.away.Store(true)
					time.Sleep(away)
					c.away.Store(false)
				}()
				r := drill.Run(t.Context(), o)
				problems(t, r, want...)
				if r.WorstGap.Round(time.Second) != away || r.Failed != int(away/drill.DefaultProbing) {
					t.Errorf("the report is %+v", r)
				}
			})
		})
	}
}

func TestAProbeThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{takes: time.Second}
		c.away.Store(true)
		o := c.options()
		o.Probe = "http://127.0.0.1:3000/health"
		problems(t, drill.Run(t.Context(), o), "http://127.0.0.1:3000/health was never answered, in 1m0s: is that where the command serves?")
		if len(c.rotated) > 0 {
			t.Error("it was drilled")
		}
	})
}

func TestACommandThatDoesNotBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &command{}
		o := c.options()
		o.Progress = func(context.Context) (drill.Progress, error) {
			return drill.Progress{}, errors.New("no vwrap runs here")
		}
		problems(t, drill.Run(t.Context(), o), "the command did not begin to run")
	})
}

func TestCheckProbe(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"http://127.0.0.1:3000/health": true, "https://example.com": true,
		"localhost:3000": false, "/health": false, "ftp://x/": false, "http://": false, "": false, "http://a:b@127.0.0.1/": false, "http://%zz": false,
	} {
		if err := drill.CheckProbe(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := drill.Report{
		Every: 30 * time.Second, For: 2 * time.Minute, Ran: 2*time.Minute + 300*time.Millisecond, Drilled: true, Rounds: 4, Reached: 4, Restarts: 4,
		Faults: []drill.Made{{"outage", 2}, {"seal", 2}}, Probe: "http://127.0.0.1:3000/", Probes: 600, Failed: 3, WorstGap: 412 * time.Millisecond, MaxGap: 5 * time.Second,
	}
	var text, junit strings.Builder
	r.Text(&text)
	const want = `
rotation drill: 2m0s, a round each 30s

  rotations     4, 4 of them reached the command
  restarts      4
  faults        outage 2, seal 2
  probes        600, 3 of them failed; the longest gap 410ms (5s is allowed)
  leases left   0

drill passed
`
	if text.String() != want {
		t.Errorf("the report is\n%s", text.String())
	}
	r.Leaked = 2
	text.Reset()
	r.Text(&text)
	if !strings.HasSuffix(text.String(), "  leases left   2\n\ndrill failed:\n  2 left when the command had ended\n") {
		t.Errorf("the report is\n%s", text.String())
	}
	if err := r.JUnit(&junit); err != nil {
		t.Fatal(err)
	}
	if text := junit.String(); !strings.Contains(text, ` tests="4" failures="1" `) ||
		!strings.Contains(text, `<failure message="2 left when the command had ended">`) || strings.Count(text, "<failure") != 1 {
		t.Errorf("JUnit has\n%s", text)
	}
}

func TestLeaks(t *testing.T) {
	t.Parallel()
	keys := map[string]string{
		"": `"auth/","database/","pki/"`, "auth/": `"approle/"`, "database/": `"creds/"`, "database/creds/": `"app/"`, "database/creds/app/": `"a","b"`, "pki/": `"x"`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prefix := strings.TrimPrefix(r.URL.Path, "/v1/sys/leases/lookup/")
		if keys[prefix] == "" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, `{"data":{"keys":[`+keys[prefix]+`]}}`)
	}))
	t.Cleanup(server.Close)
	c := admin.New(server.URL, "root")
	t.Cleanup(c.Close)
	if n, err := drill.Leaks(t.Context(), c, 0); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	clear(keys)
	if n, err := drill.Leaks(t.Context(), c, time.Minute); n != 0 || err != nil {
		t.Errorf("of none: got %d, %v", n, err)
	}
}
