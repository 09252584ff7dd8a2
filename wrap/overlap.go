package wrap

import "fmt"

// overlapping reports whether the next program runs, or is about to, beside the command.
func (r *loop) overlapping() bool {
	return r.next != nil && r.alive && (r.phase == opening || r.phase == readying)
}

// beside: the courier has become the next program, or could not, while the command runs.
func (r *loop) beside(err error) error {
	if err != nil {
		r.withdraw(err.Error())
		return nil
	}
	r.phase = readying
	r.ready, r.unready = r.Await(r.next.Generation)
	return nil
}

// served: the next program serves, and is the command from now on; or it will not.
func (r *loop) served(err error) error {
	r.endWait()
	if err != nil {
		r.next.Kill()
		r.withdraw(fmt.Sprintf("the new generation does not get ready: %v: the command goes on with the last one", err))
		return nil
	}
	r.old, r.child, r.next = r.child, r.next, nil
	r.phase, r.oldGone, r.oldEnded = retiring, r.old.Ended(), false
	r.failing(r.old.Stop(r.StopSignal))
	r.kill.Reset(r.StopGrace)
	r.began(true, Overlap)
	return nil
}

// withdraw gives the next generation up, with what it has; the command goes on, and it is tried again.
func (r *loop) withdraw(why string) {
	for key, n := range r.taken {
		if _, ok := r.pending[key]; !ok {
			r.pending[key] = n
		}
	}
	r.republish()
	r.discard(values(r.next.held))
	r.retry(why, 0)
}

// abandon gives the next generation up because the command is to end, or has.
func (r *loop) abandon() {
	r.endWait()
	r.next.Kill()
	r.discard(values(r.next.held))
	r.phase = quiet
}

func (r *loop) endWait() {
	if r.unready != nil {
		r.unready()
	}
	r.ready, r.unready = nil, nil
}

// retired: the last generation's program has ended; and, the second time, all that it had left behind.
func (r *loop) retired() error {
	if !r.oldEnded {
		r.oldEnded, r.oldGone = true, r.old.Drain()
		return nil
	}
	r.keeper.Drop(r.old.n, false)
	r.old.values.Forget()
	r.old, r.oldGone = nil, nil
	if r.phase == retiring {
		r.phase, r.killed = quiet, false
		r.kill.Stop()
	}
	r.done = r.done || r.lost
	r.settle()
	return nil
}
