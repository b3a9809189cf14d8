package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// line tells a run in one line.
func line(run *scheduler.Run) api.RunLine {
	p := run.Plan
	v := api.RunLine{ID: run.ID, Verb: p.Verb, Target: p.Group, State: string(run.State), By: p.By, Reason: p.Reason,
		Accepted: run.Accepted, Ended: run.Ended, Steps: len(run.Steps), Ready: run.TimeToReady(), RTO: p.RTO,
		Victims: p.Victims, Returning: p.Returning}
	if p.Workspace != "" {
		v.Target = p.Workspace
	}
	switch {
	case run.State == scheduler.TakenOver:
		v.State += " by " + run.By
	case run.State == scheduler.Running && run.Stuck():
		v.State = "held"
	}
	for state, n := range run.Counts() {
		switch state {
		case scheduler.StepDone, scheduler.StepSkipped:
			v.Done += n
		case scheduler.StepHeld:
			v.Held = n
		case scheduler.Intent:
			v.InFlight = n
		}
	}
	return v
}

// Runs implements [api.Service].
func (s *Server) Runs(_ context.Context, all bool) ([]api.RunLine, error) {
	lines := []api.RunLine{}
	s.journal.View(func(state *scheduler.State) {
		var runs []*scheduler.Run
		for _, run := range state.Runs {
			if all || run.State == scheduler.Running {
				runs = append(runs, run)
			}
		}
		scheduler.SortRuns(runs)
		for _, run := range runs {
			lines = append(lines, line(run))
		}
	})
	return lines, nil
}

// Run implements [api.Service].
func (s *Server) Run(_ context.Context, id string) (*api.Run, error) {
	var view *api.Run
	s.journal.View(func(state *scheduler.State) {
		run := state.Runs[id]
		if run == nil {
			return
		}
		view = &api.Run{RunLine: line(run), Run: *run}
		view.Run.Steps = make([]*scheduler.StepRun, len(run.Steps))
		for i, step := range run.Steps { // the journal goes on to change its own
			copied := *step
			view.Run.Steps[i] = &copied
		}
	})
	if view == nil {
		return nil, &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("there is no run %q", id), Next: "see: hotspare run list --all"}
	}
	view.Notes = s.engine.Notes(id)
	return view, nil
}

// WatchRun implements [api.Service].
func (s *Server) WatchRun(ctx context.Context, id string, send func(*api.Run) error) error {
	last := ""
	for {
		changed := s.journal.Changed()
		run, err := s.Run(ctx, id)
		if err != nil {
			return err
		}
		key, err := json.Marshal([]any{run.RunLine, run.Notes})
		if err != nil {
			return err
		}
		if string(key) != last {
			last = string(key)
			if err := send(run); err != nil {
				return err
			}
		}
		if run.Over() {
			return nil
		}
		// Many records at once make one line, and notes are looked at twice a second.
		wait(ctx, 50*time.Millisecond, nil)
		wait(ctx, 450*time.Millisecond, changed)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case s.ctx.Err() != nil:
			return s.ctx.Err()
		}
	}
}

// RetryStep implements [api.Service].
func (s *Server) RetryStep(ctx context.Context, run string, step int, req api.StepRequest) error {
	if _, err := s.heldStep(ctx, run, step); err != nil {
		return err
	}
	if err := s.journal.Retry(ctx, run, step, req.By); err != nil {
		return &api.Error{Code: api.CodeRefused, Message: err.Error(), Next: "see: hotspare run show " + run}
	}
	s.engine.Start(run)
	return nil
}

// SkipStep implements [api.Service]. What stands at the site is observed, and recorded as
// what stands.
func (s *Server) SkipStep(ctx context.Context, run string, step int, req api.StepRequest) error {
	if err := readable("reason", &req.Reason); err != nil {
		return err
	}
	if err := readable("name", &req.By); err != nil {
		return err
	}
	if req.Reason == "" {
		return &api.Error{Code: api.CodeUsage, Message: "a skipped step needs a reason", Next: "say: --reason TEXT"}
	}
	what, err := s.heldStep(ctx, run, step)
	if err != nil {
		return err
	}
	stands, gone, err := s.observe(ctx, what)
	if err != nil {
		return &api.Error{Code: api.CodeFailed, Message: fmt.Sprintf("skip step %d of %s: what stands cannot be observed: %s", step, run, err), Next: "try again when the driver answers: hotspare driver list"}
	}
	reason := req.Reason
	if req.By != "" {
		reason += " (" + req.By + ")"
	}
	if err := s.journal.Skip(ctx, run, step, reason, stands, gone); err != nil {
		return &api.Error{Code: api.CodeRefused, Message: err.Error(), Next: "see: hotspare run show " + run}
	}
	s.engine.Start(run)
	return nil
}

func (s *Server) heldStep(ctx context.Context, id string, step int) (*scheduler.Step, error) {
	run, err := s.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	what, how, err := run.Run.Step(step)
	if err != nil {
		return nil, &api.Error{Code: api.CodeNotFound, Message: err.Error(), Next: "see: hotspare run show " + id}
	}
	if how.State != scheduler.StepHeld {
		return nil, &api.Error{Code: api.CodeRefused, Message: fmt.Sprintf("step %d of %s is %s; only a held step can be retried or skipped", step, id, how.State), Next: "see: hotspare run show " + id}
	}
	return what, nil
}

// observe gives what stands of a step's property: nil for a check, and for a target that
// is gone.
func (s *Server) observe(ctx context.Context, step *scheduler.Step) (stands *drivers.Value, gone bool, err error) {
	if !step.IsChange() {
		return nil, false, nil
	}
	driver, _, err := s.driverOf(step.Property.Cluster)
	if err != nil {
		return nil, false, err
	}
	value, err := driver.Observe(ctx, step.Property)
	if drivers.KindOf(err) == drivers.NotFound {
		return nil, step.Property.Kind == drivers.VM, nil // a replica, a datastore: not there now
	}
	if err != nil {
		return nil, false, err
	}
	return &value, false, nil
}

// usual gives the median of the last measured times of a kind of change at this site.
func usual(state *scheduler.State) func(p drivers.Property, to string) time.Duration {
	type kind struct {
		cluster string
		kind    drivers.Kind
		name    drivers.Name
		to      string
	}
	var times map[kind][]time.Duration
	of := func(p drivers.Property, to string) kind {
		if p.Name != drivers.Power {
			to = ""
		}
		return kind{p.Cluster, p.Kind, p.Name, to}
	}
	return func(p drivers.Property, to string) time.Duration {
		if times == nil {
			times = map[kind][]time.Duration{}
			for _, run := range lastRuns(state) {
				for i, sr := range run.Steps {
					if step := &run.Plan.Steps[i]; step.IsChange() && sr.State == scheduler.StepDone && !sr.Began.IsZero() {
						key := of(step.Property, step.To)
						times[key] = append(times[key], sr.Ended.Sub(sr.Began))
					}
				}
			}
		}
		return median(times[of(p, to)])
	}
}
