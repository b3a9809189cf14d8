package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	accepted time.Time
	shutdown time.Duration
	began    time.Time // in this process: time in which no server ran is nobody's fault
	force    bool
	begun    bool // the intent is on record, with this force
	expected []drivers.Value
	goal     drivers.Value
}

// step works on one step until it is done or held, or its run is not running any more.
func (e *Engine) step(ctx context.Context, run string, id int) {
	a := &attempt{Engine: e, waiting: ctx, run: run, began: time.Now()}
	e.opts.Journal.View(func(s *scheduler.State) {
		r := s.Runs[run]
		a.step, a.accepted, a.shutdown = &r.Plan.Steps[id-1], r.Accepted, r.Plan.Shutdown
		a.force = r.Steps[id-1].Forced
	})
	defer e.note(run, id, "", 0)
	var err error
	if a.step.IsChange() {
		err = a.change()
	} else {
		err = a.check()
	}
	if err != nil && e.ctx.Err() == nil && !a.over() {
		e.opts.Log.Error("step", "run", run, "step", id, "error", err)
	}
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

// change makes the change. The target is locked first: whoever works on it, for whichever
// run, is waited for; then a slot is claimed.
func (a *attempt) change() error {
	p := a.step.Property
	unlock, err := a.targets.lock(a.waiting, p)
	if err != nil {
		return err
	}
	defer unlock()
	for pause := time.Duration(0); ; {
		if a.over() {
			return nil
		}
		done, err := a.try()
		if done {
			return err
		}
		reaction := drivers.KindOf(err).Reaction()
		switch {
		case errors.Is(err, errGraceOver):
			continue
		case reaction == drivers.Wait:
			pause = 250 * time.Millisecond
		case reaction == drivers.Retry && time.Since(a.began) < a.opts.RetryFor:
			pause = min(max(2*pause, 100*time.Millisecond), 5*time.Second)
		default:
			return a.hold(err)
		}
		a.note(a.run, a.step.ID, fmt.Sprintf("again in %s: %s", pause, err), 0)
		select {
		case <-time.After(pause):
		case <-a.waiting.Done():
			return a.waiting.Err()
		}
	}
}

// errGraceOver makes the attempt go on by force.
var errGraceOver = errors.New("the grace is over")

// try observes where nothing is known yet, records the intent, and applies. done: the
// step is over, or cannot be recorded.
func (a *attempt) try() (done bool, err error) {
	driver, description, err := a.opts.Driver(a.step.Property.Cluster)
	if err != nil {
		return false, err
	}
	release, err := a.slots.acquire(a.waiting, a.step.Property, limitOf(description, a.step.Property), a.step.Host, a.step.Priority)
	if err != nil {
		return true, err
	}
	defer release()
	grace := a.grace()
	if a.step.TurnsOff() && a.step.MayForce && grace <= 0 && !a.force {
		a.force, a.begun = true, false
	}
	if done, err := a.begin(driver); done || err != nil {
		return done, err
	}
	stands, err := driver.Apply(a.ctx, drivers.Change{
		Property: a.step.Property, ID: changeID(a.step.Property), Expected: a.expected, Goal: a.goal,
		Grace: grace, Force: a.force,
		Owner: drivers.Owner{Site: a.opts.Site, Holder: string(a.step.Owner)},
	}, func(p drivers.Progress) { a.note(a.run, a.step.ID, p.Message, p.Percent) })
	if err != nil {
		if drivers.KindOf(err) == drivers.GraceOver && a.step.MayForce && !a.force {
			a.force, a.begun = true, false
			return false, errGraceOver
		}
		return false, err
	}
	note := ""
	if a.force {
		note = "cut off: it did not shut down in time"
	}
	return true, a.opts.Journal.Finish(a.ctx, a.run, a.step.ID, &stands, note)
}

// begin makes the intent durable, once. done: there is nothing to change, or the intent
// cannot be recorded.
func (a *attempt) begin(driver drivers.Driver) (done bool, err error) {
	if a.begun {
		return false, nil
	}
	found, goal, over, err := a.look(driver)
	if err != nil {
		return false, err
	}
	expected, err := a.opts.Journal.Begin(a.ctx, a.run, a.step.ID, found, goal, a.force)
	if err != nil {
		return true, err
	}
	a.begun, a.expected, a.goal = true, expected, goal
	if over != "" {
		return true, a.opts.Journal.Finish(a.ctx, a.run, a.step.ID, found, over)
	}
	return false, nil
}

// look gives the goal as a value. Where the journal does not know yet what stands it
// observes that too: the value found must be durable before the change.
// over says why nothing is to be done: the VM that is to go off was never made, or a later
// run has gone beyond this step.
func (a *attempt) look(driver drivers.Driver) (found *drivers.Value, goal drivers.Value, over string, err error) {
	p, by := a.step.Property, ""
	known, first, made := false, false, false
	a.opts.Journal.View(func(s *scheduler.State) {
		stack := s.Stacks[p]
		first = stack == nil || stack.Stands == nil
		made = p.Name != drivers.Presence && s.Stacks.IsMade(p)
		goal, known = s.Stacks.Resolve(p, a.step.Goal)
		by = s.Superseded(s.Runs[a.run], a.step)
	})
	if by != "" {
		value, err := driver.Observe(a.ctx, p)
		return &value, value, "run " + by + " has gone beyond this", err
	}
	if first {
		value, err := driver.Observe(a.ctx, p)
		switch {
		case err == nil:
		case drivers.KindOf(err) == drivers.NotFound && made && a.step.TurnsOff():
			value, over = drivers.Value{Text: drivers.Off}, "it was never made"
		default:
			return nil, goal, "", err
		}
		found = &value
		if !known && a.step.Goal.Found {
			goal, known = value, true
		}
	}
	if !known {
		return nil, goal, "", &drivers.Error{Kind: drivers.NotFound, Op: "resolve the goal of", Object: p.Label(),
			Cause: fmt.Errorf("%s is not known: the step that makes it was skipped, or gave no such thing", a.step.Goal.Text()),
			Next:  "skip this step with a reason, or revert"}
	}
	return found, goal, over, nil
}

// grace is how long the guest may still take. One deadline holds for all guests of a run
// that may be cut off; production is given its full time, and never cut off.
func (a *attempt) grace() time.Duration {
	if !a.step.TurnsOff() {
		return 0
	}
	if a.step.MayForce {
		return max(time.Until(a.accepted.Add(a.shutdown)), 0)
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
		reason += "; a production VM is never cut off: shut it down by hand, then: hotspare run retry " + fmt.Sprint(a.run, " ", a.step.ID)
	}
	return a.opts.Journal.Hold(a.ctx, a.run, a.step.ID, reason, found)
}

// check waits for the answer of a check.
func (a *attempt) check() error {
	if err := a.opts.Journal.BeginCheck(a.ctx, a.run, a.step.ID); err != nil {
		return err
	}
	switch c := a.step.Check; c.Kind {
	case scheduler.CheckReady:
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

// ready asks the service until it answers, or its time is over.
func (a *attempt) ready(check *scheduler.ReadyCheck) error {
	ctx, cancel := context.WithDeadline(a.waiting, a.began.Add(check.Within))
	defer cancel()
	last := errors.New("it was not asked")
	for {
		once, done := context.WithTimeout(ctx, 5*time.Second)
		err := a.opts.Ready(once, check)
		done()
		if err == nil {
			return a.opts.Journal.Finish(a.ctx, a.run, a.step.ID, nil, "")
		}
		if ctx.Err() == nil {
			last = err
		}
		a.note(a.run, a.step.ID, "not ready yet: "+last.Error(), 0)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			if a.waiting.Err() != nil {
				return a.waiting.Err()
			}
			return a.hold(fmt.Errorf("%s is not ready within %s: %w; see why, then: hotspare run retry %s %d", a.step.Target, check.Within, last, a.run, a.step.ID))
		}
	}
}

// changeID names a change by what it changes: however often it is cut off and planned
// again, for whichever run, its half-made state is known by this name.
func changeID(p drivers.Property) string {
	sum := sha256.Sum256([]byte(p.String()))
	return "c-" + hex.EncodeToString(sum[:6])
}
