package execute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

// check waits for the answer of a check.
func (a *attempt) check() error {
	if err := a.opts.Journal.BeginCheck(a.ctx, a.run, a.step.ID); err != nil {
		return err
	}
	switch c := a.step.Check; c.Kind {
	case scheduler.CheckReady:
		if c.Ready == nil {
			return a.hold(fmt.Errorf("%s is to be ready, and nothing says how to ask it", a.step.Target))
		}
		return a.ready(c.Ready)
	case scheduler.CheckFenced, scheduler.CheckHome:
		if c.Word == "" {
			return a.hold(fmt.Errorf("nobody has given a word for %s", a.step.Change))
		}
		return a.opts.Journal.Finish(a.ctx, a.run, a.step.ID, nil, "by the word of "+c.Word)
	default:
		return a.hold(fmt.Errorf("this hotspare does not know the check %q", c.Kind))
	}
}

// How long a service has for one answer, and how long until it is asked again.
const (
	readyAnswer = 5 * time.Second
	readyEvery  = 200 * time.Millisecond
)

// ready asks the service until it answers, or its time is over. The time counts from when
// this process began to ask: time in which no server ran is nobody's fault.
func (a *attempt) ready(check *scheduler.ReadyCheck) error {
	ctx, cancel := context.WithTimeout(a.waiting, check.Within)
	defer cancel()
	last := errors.New("it was not asked")
	for {
		once, done := context.WithTimeout(ctx, readyAnswer)
		err := safely(a.opts.Log, func() error { return a.opts.Ready(once, check) })
		done()
		if err == nil {
			return a.opts.Journal.Finish(a.ctx, a.run, a.step.ID, nil, "")
		}
		if ctx.Err() == nil {
			last = err
		}
		a.note(a.run, a.step.ID, "not ready yet: "+last.Error(), 0)
		select {
		case <-time.After(readyEvery):
		case <-ctx.Done():
			if a.waiting.Err() != nil {
				return a.waiting.Err()
			}
			return a.hold(fmt.Errorf("%s is not ready within %s: %w; see why, then: hotspare run retry %s %d", a.step.Target, check.Within, last, a.run, a.step.ID))
		}
	}
}
