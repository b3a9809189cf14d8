package execute

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// attempt is one step being worked on.
type attempt struct {
	*Engine
	waiting  context.Context // ends when the run is taken over
	run      string
	step     *scheduler.Step
	place    place
	accepted time.Time
	shutdown time.Duration
	turn     time.Time     // when its last turn began
	failing  time.Duration // how long every call failed, without the waits for a turn
	failed   int           // calls, ever
	last     error         // of those
	force    bool
	begun    bool // the intent is on record, with this force
	expected []drivers.Value
	goal     drivers.Value
}

// lessUrgent is added to the priority of steps that do not serve a reclaim or a failover:
// every one of those claims slots before them.
const lessUrgent = 1 << 20

// step works on one step until it is done or held, or its run is not running any more.
// Where the journal records nothing it returns after a pause, to be begun again.
func (e *Engine) step(l *live, run string, id int) {
	a := &attempt{Engine: e, waiting: l.ctx, run: run}
	e.opts.Journal.View(func(s *scheduler.State) {
		r := s.Runs[run]
		a.step, a.accepted, a.shutdown = &r.Plan.Steps[id-1], r.Accepted, r.Plan.Shutdown
		a.force = r.Steps[id-1].Forced
		a.place = place{a.step.Priority, l.order, id}
		if !r.Plan.Verb.Urgent() {
			a.place.priority += lessUrgent
		}
	})
	defer e.note(run, id, "", 0)
	err := a.work()
	if err == nil || e.ctx.Err() != nil || a.over() {
		return
	}
	e.opts.Log.Error("step", "run", run, "step", id, "error", err)
	a.pause(again, err)
}

func (a *attempt) work() error {
	if a.step.IsChange() {
		return a.change()
	}
	return a.check()
}

// over reports whether the run goes on without this attempt.
func (a *attempt) over() bool {
	running := false
	a.opts.Journal.View(func(s *scheduler.State) {
		r := s.Runs[a.run]
		running = r != nil && r.State == scheduler.Running
	})
	return !running
}

// superseded names the later run that has gone beyond this step.
func (a *attempt) superseded() (by string) {
	a.opts.Journal.View(func(s *scheduler.State) {
		if r := s.Runs[a.run]; r != nil {
			by = s.Superseded(r, a.step)
		}
	})
	return by
}

// pause waits before the next attempt; the error is that of a run that was taken over.
func (a *attempt) pause(d time.Duration, cause error) error {
	a.note(a.run, a.step.ID, fmt.Sprintf("again in %s: %s", d, cause), 0)
	select {
	case <-time.After(d):
		return nil
	case <-a.waiting.Done():
		return a.waiting.Err()
	}
}

// How long an attempt waits: for something that is busy, and after a failure.
const (
	pauseBusy  = 250 * time.Millisecond
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 5 * time.Second
)

// change makes the change, in as many attempts as it takes. Between two of them neither
// its target nor its slot is kept from others.
func (a *attempt) change() error {
	for backoff := time.Duration(0); ; {
		done, err := a.try()
		switch {
		case done:
			return err
		case a.waiting.Err() != nil: // the call was cut off, or nobody wants it tried again
			return a.waiting.Err()
		case errors.Is(err, errGraceOver):
			continue
		}
		wait := pauseBusy
		switch drivers.KindOf(err).Reaction() {
		case drivers.Wait:
			a.failing, backoff = 0, 0
		case drivers.Retry:
			a.failed, a.last = a.failed+1, err
			if a.away() {
				wait = pauseMost // it is not this step that fails, and a person has one place to look
				break
			}
			a.failing += min(time.Since(a.turn), a.opts.RetryFor/2) // a call that hung is tried once more
			if a.failing >= a.opts.RetryFor {
				return a.hold(fmt.Errorf("it failed for %s: %w", a.failing.Round(time.Second), err))
			}
			backoff = min(max(2*backoff, pauseFirst), pauseMost)
			wait = backoff
			a.failing += wait
		default:
			return a.hold(err)
		}
		if err := a.pause(wait, err); err != nil {
			return err
		}
	}
}

func (a *attempt) away() bool { return a.opts.Away != nil && a.opts.Away(a.step.Property.Cluster) }

// errGraceOver makes the attempt go on by force. errNoEnd is of a call that was cut off.
var (
	errGraceOver = errors.New("the grace is over")
	errNoEnd     = errors.New("the call did not end")
)

// try waits for its turn, observes where nothing is known yet, records the intent, and
// applies. done: the step is over, or cannot be recorded.
func (a *attempt) try() (done bool, err error) {
	a.turn = time.Now()
	driver, description, err := a.opts.Driver(a.step.Property.Cluster)
	if err != nil {
		return false, err
	}
	release, err := a.slots.acquire(a.waiting, a.step.Property, limitOf(description, a.step.Property), a.step.Host, a.place)
	if err != nil {
		return true, err
	}
	defer release()
	a.turn = time.Now()
	if a.over() {
		return true, nil
	}
	if by := a.superseded(); by != "" {
		return true, a.opts.Journal.Supersede(a.ctx, a.run, a.step.ID, by)
	}
	grace := a.grace()
	if a.step.TurnsOff() && a.step.MayForce && grace <= 0 && !a.force {
		a.force, a.begun = true, false
	}
	if a.force {
		grace = 0 // it has had its time
	}
	if done, err := a.begin(driver); done || err != nil {
		return done, err
	}
	stands, err := a.apply(driver, grace)
	if err != nil {
		if (drivers.KindOf(err) == drivers.GraceOver || errors.Is(err, errNoEnd)) && a.step.MayForce && !a.force {
			a.force, a.begun = true, false
			return false, errGraceOver
		}
		return false, err
	}
	return true, a.opts.Journal.Finish(a.ctx, a.run, a.step.ID, &stands, a.how())
}

// how tells what a person should know of a change that was made: that it took force, or
// several calls, and why.
func (a *attempt) how() string {
	var notes []string
	if a.force {
		notes = append(notes, "cut off: it did not shut down in time")
	}
	if a.failed > 0 {
		calls := "a call"
		if a.failed > 1 {
			calls = fmt.Sprintf("%d calls", a.failed)
		}
		notes = append(notes, fmt.Sprintf("done after %s failed, the last: %s", calls, a.last))
	}
	return strings.Join(notes, "; ")
}

// begin makes the intent durable, once. done: there is nothing to change, or the intent
// cannot be recorded.
func (a *attempt) begin(driver drivers.Driver) (done bool, err error) {
	if a.begun {
		return false, nil
	}
	found, goal, gone, err := a.look(driver)
	if err != nil {
		return false, err
	}
	expected, err := a.opts.Journal.Begin(a.ctx, a.run, a.step.ID, found, goal, a.force)
	if err != nil {
		return true, err
	}
	a.begun, a.expected, a.goal = true, expected, goal
	if gone {
		return true, a.opts.Journal.Finish(a.ctx, a.run, a.step.ID, found, "it was never made")
	}
	return false, nil
}

// look gives the goal as a value. Where the journal does not know yet what stands it
// observes that too: the value found must be durable before the change.
// gone: the VM that is to go off was never made.
func (a *attempt) look(driver drivers.Driver) (found *drivers.Value, goal drivers.Value, gone bool, err error) {
	p := a.step.Property
	known, first, made := false, false, false
	a.opts.Journal.View(func(s *scheduler.State) {
		stack := s.Stacks[p]
		first = stack == nil || stack.Stands == nil
		made = p.Name != drivers.Presence && s.Stacks.IsMade(p)
		goal, known = s.Stacks.Resolve(p, a.step.Goal)
	})
	if first {
		value, err := a.observe(driver)
		switch {
		case err == nil:
		case drivers.KindOf(err) == drivers.NotFound && made && a.step.TurnsOff():
			value, gone = drivers.Value{Text: drivers.Off}, true
		default:
			return nil, goal, false, err
		}
		found = &value
		if !known && a.step.Goal.Found {
			goal, known = value, true
		}
	}
	if !known {
		return nil, goal, false, &drivers.Error{Kind: drivers.NotFound, Op: "resolve the goal of", Object: p.Label(),
			Cause: fmt.Errorf("%s is not known: the step that makes it was skipped, or gave no such thing", a.step.Goal.Text()),
			Next:  "skip this step with a reason, or revert"}
	}
	return found, goal, gone, nil
}

// grace is how long the guest may still take. One deadline holds for all guests of a run
// that may be cut off, and none gets more than the whole time, wherever the clock has been
// set since; production is given its full time, and never cut off.
func (a *attempt) grace() time.Duration {
	if !a.step.TurnsOff() {
		return 0
	}
	if a.step.MayForce {
		return min(max(time.Until(a.accepted.Add(a.shutdown)), 0), a.shutdown)
	}
	return a.shutdown
}

// hold leaves the step to a person.
func (a *attempt) hold(cause error) error {
	var found *drivers.Value
	var e *drivers.Error
	if errors.As(cause, &e) {
		found = e.Found
	}
	reason := cause.Error()
	if drivers.KindOf(cause) == drivers.GraceOver && a.step.Production {
		reason += fmt.Sprintf("; a production VM is never cut off: shut it down by hand, then: hotspare run retry %s %d", a.run, a.step.ID)
	}
	return a.opts.Journal.Hold(a.ctx, a.run, a.step.ID, reason, found)
}
