package envsource

import (
	"sync"
	"time"
)

// sayAfter is how long somebody waits before being told what for.
const sayAfter = 3 * time.Second

// Patience is for who asks again and again while somebody waits.
type Patience struct {
	mu      sync.Mutex
	problem string
	done    bool
	timer   *time.Timer
}

// NewPatience returns a patience that calls say, once, three seconds from now: with what went wrong last, or "" where
// nothing has been answered. Done has to be called.
func NewPatience(say func(problem string)) *Patience {
	p := &Patience{}
	p.timer = time.AfterFunc(sayAfter, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.done {
			say(p.problem)
		}
	})
	return p
}

// Again notes why something is asked again; it is for Attempt.
func (p *Patience) Again(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem = OutageOf(err)
}

// Done ends the wait: say is not called any more, nor under way, when it returns.
func (p *Patience) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	p.timer.Stop()
}
