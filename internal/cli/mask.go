package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/mask"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/signals"
	"github.com/vwrap/vwrap/wrap"
)

// masking is the hold on the process that masks; nil where nothing is masked.
type masking struct {
	*mask.Process
	session *session
	over    context.CancelFunc
	watch   sync.WaitGroup
	told    map[string]bool // names of what is not masked
}

// openMask puts a process between the command and where vwrap's standard output and error go, where that is wanted, and has it told of
// each generation's values before the command has them.
func (s *session) openMask(l *courier.Launcher) (*masking, error) {
	if !s.mask {
		return nil, nil
	}
	p, err := mask.Start(l.Children, l.Self)
	if err != nil {
		return nil, err
	}
	l.Out, l.Err = p.Outputs()
	s.orders.Mask, l.Orders.Mask = true, true
	ctx, over := context.WithCancel(context.Background())
	m := &masking{Process: p, session: s, over: over, told: map[string]bool{}}
	published := s.policy.Publish
	s.policy.Publish = func(n uint64, g wrap.Generation) {
		m.publish(g)
		if published != nil {
			published(n, g)
		}
	}
	m.watch.Go(func() {
		select {
		case <-p.Ended():
			s.log.Error(mask.ErrEnded.Error() + ": stopping the command, which can print nothing any more")
			_ = s.policy.Handle.End(ctx) // where it is over, it has ended
		case <-ctx.Done():
		}
	})
	return m, nil
}

// publish has a generation's values masked. Where that cannot be, nothing that the command prints is to be seen.
func (m *masking) publish(g wrap.Generation) {
	c, ok := g.(*courier.Courier)
	if !ok {
		return
	}
	file, at := c.Live()
	left, err := m.Publish(file, mask.Section(at.Secrets))
	if err != nil {
		m.Kill()
		return
	}
	var news []string
	for _, name := range left {
		if !m.told[name] {
			m.told[name] = true
			news = append(news, name)
		}
	}
	if len(news) > 0 {
		m.session.log.Warn(fmt.Sprintf("--mask: not masked, since they are short or everyday words: %s", strings.Join(news, ", ")))
	}
}

// end waits until what the command has printed is written, or until a signal says not to wait. status and err are how the command has
// ended.
func (m *masking) end(inbox *signals.Inbox, status proc.Status, err error) (proc.Status, error) {
	if m == nil {
		return status, err
	}
	m.over()
	m.watch.Wait()
	select {
	case <-m.Ended():
		m.Close()
		return proc.Status{Code: courier.StatusFailed}, mask.ErrEnded
	default:
	}
	drained, giveUp := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drained)
		m.Drain(giveUp)
	}()
	for waiting := true; waiting; {
		select {
		case <-drained:
			waiting = false
		case sig := <-inbox.C:
			if m.session.obey(sig) {
				close(giveUp)
				<-drained
				waiting = false
			}
		}
	}
	m.Close()
	return status, err
}
