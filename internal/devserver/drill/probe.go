package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// probeWithin is what a probe is given to be answered.
const probeWithin = 2 * time.Second

// CheckProbe refuses what cannot be asked.
func CheckProbe(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("--probe %s: want a URL, such as http://127.0.0.1:3000/health", text)
	}
	if u.User != nil {
		return errors.New("--probe: a URL with a user in it would be in the report")
	}
	return nil
}

// prober asks all the while whether the command serves.
type prober struct {
	answered chan struct{} // closed at the first answer
	cancel   context.CancelFunc
	done     chan struct{}

	// Valid once done is closed.
	probes, failed int
	worst          time.Duration
}

// startProber starts one; without a URL it asks nothing.
func startProber(ctx context.Context, o Options) *prober {
	ctx, cancel := context.WithCancel(ctx)
	p := &prober{answered: make(chan struct{}), cancel: cancel, done: make(chan struct{})}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{DisableKeepAlives: true} // a connection that lives on tells nothing of new ones
	}
	client := &http.Client{Transport: transport, Timeout: probeWithin, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	every := o.Probing
	if every == 0 {
		every = DefaultProbing
	}
	go func() {
		defer close(p.done)
		if o.Probe != "" {
			p.run(ctx, client, o.Probe, every)
		}
	}()
	return p
}

// run asks until ctx ends. Time without an answer counts from the first probe that failed to the next answer; probes
// before the first answer do not count, nor those that fail at the end: then the command was told to end.
func (p *prober) run(ctx context.Context, client *http.Client, address string, every time.Duration) {
	var down time.Time // since when nothing is answered
	unanswered := 0
	for up := false; ctx.Err() == nil; pause(ctx, every) {
		asked := time.Now()
		ok := ask(ctx, client, address)
		switch {
		case ctx.Err() != nil:
		case ok && !up:
			up = true
			p.probes++
			close(p.answered)
		case ok:
			p.probes++
			if unanswered > 0 {
				p.probes, p.failed = p.probes+unanswered, p.failed+unanswered
				p.worst = max(p.worst, time.Since(down))
			}
			unanswered = 0
		case up:
			if unanswered == 0 {
				down = asked
			}
			unanswered++
		}
	}
	if unanswered > 0 && p.lasting(down) {
		p.probes, p.failed = p.probes+unanswered, p.failed+unanswered
		p.worst = max(p.worst, time.Since(down))
	}
}

// lasting reports whether nothing was answered for so long, at the end, that it is not of the end.
func (p *prober) lasting(down time.Time) bool { return time.Since(down) > 10*time.Second }

// ask reports whether the command has answered, and not with an error.
func ask(ctx context.Context, client *http.Client, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode < 400
}

// stop ends it and enters what it found.
func (p *prober) stop(r *Report) {
	p.cancel()
	<-p.done
	r.Probes, r.Failed, r.WorstGap = p.probes, p.failed, p.worst
	if p.worst > r.MaxGap {
		r.fail(serves, fmt.Sprintf("no answer for %s, longer than %s", round2(p.worst), r.MaxGap))
	}
}

func round2(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
