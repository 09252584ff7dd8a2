package envsource

import (
	"errors"
	"time"
)

// Later returns an error that reads as err, of a server that asks not to be asked again before d has passed.
func Later(err error, d time.Duration) error { return later{err, d} }

// Wait is how long a server that answered with err asks not to be asked again; 0 where it does not say.
func Wait(err error) time.Duration {
	var l later
	errors.As(err, &l)
	return l.wait
}

type later struct {
	error
	wait time.Duration
}

func (l later) Unwrap() error { return l.error }
