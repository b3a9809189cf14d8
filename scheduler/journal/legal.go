package journal

import (
	"fmt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// legalPlan says why a plan cannot become a run in this state.
func legalPlan(s *scheduler.State, p *scheduler.Plan) error {
	if p == nil {
		return illegal("a run was accepted without its plan")
	}
	if p.Run != s.NextRun() {
		return illegal("plan %q was made for another moment", p.Run)
	}
	for _, id := range p.TakesOver {
		if run := s.Runs[id]; run == nil || run.State != scheduler.Running {
			return illegal("run %s cannot be taken over: it does not run", id)
		}
	}
	switch w := s.Workspaces[p.Workspace]; {
	case p.Workspace != "" && (w == nil || w.Gone):
		return illegal("workspace %s is not there", p.Workspace)
	case (p.Verb == scheduler.Lend || p.Verb == scheduler.Return) && w == nil:
		return illegal("the %s of plan %s is for no workspace", p.Verb, p.Run)
	case p.Verb != scheduler.Lend && p.Verb != scheduler.Return && p.Verb != scheduler.Revert && p.Verb != scheduler.PutBack && !p.Verb.Urgent():
		return illegal("plan %s does %q, which nobody knows", p.Run, p.Verb)
	case p.Verb.Urgent() && p.Group == "":
		return illegal("the %s of plan %s is for no group", p.Verb, p.Run)
	}
	if err := legalLayers(s, p); err != nil {
		return err
	}
	return legalSteps(p)
}

// legalLayers: a plan writes layers of its own run and of workspaces, and never another
// run's.
func legalLayers(s *scheduler.State, p *scheduler.Plan) error {
	for _, put := range p.Puts {
		h := put.Layer.Holder
		if s.Workspaces[string(h)] == nil && (p.Group == "" || h != scheduler.RunHolder(p.Run, p.Group)) {
			return illegal("plan %s writes a layer of %q", p.Run, h)
		}
		if err := legalChange(put.Property, put.Layer.Goal); err != nil {
			return illegal("a layer of plan %s: %s", p.Run, err)
		}
	}
	for _, drop := range p.Drops {
		if err := drop.Property.Valid(); err != nil {
			return illegal("plan %s takes out a layer: %s", p.Run, err)
		}
	}
	for _, claim := range p.Claims {
		if err := claim.VM.Valid(); err != nil {
			return illegal("plan %s claims room: %s", p.Run, err)
		}
	}
	return nil
}

// legalSteps: steps are numbered as they stand, and wait for each other in no circle.
func legalSteps(p *scheduler.Plan) error {
	waits, waiting := make([]int, len(p.Steps)), make([][]int, len(p.Steps))
	var free []int
	for i := range p.Steps {
		step := &p.Steps[i]
		if step.ID != i+1 {
			return illegal("step %d of plan %s stands at place %d", step.ID, p.Run, i+1)
		}
		if err := legalStep(step); err != nil {
			return illegal("step %d of plan %s: %s", step.ID, p.Run, err)
		}
		for _, before := range step.After {
			if before < 1 || before > len(p.Steps) {
				return illegal("step %d of plan %s waits for step %d, which is not there", step.ID, p.Run, before)
			}
			waits[i]++
			waiting[before-1] = append(waiting[before-1], i)
		}
		if waits[i] == 0 {
			free = append(free, i)
		}
	}
	for next := 0; next < len(free); next++ {
		for _, i := range waiting[free[next]] {
			if waits[i]--; waits[i] == 0 {
				free = append(free, i)
			}
		}
	}
	if len(free) != len(p.Steps) {
		return illegal("%d steps of plan %s wait for each other", len(p.Steps)-len(free), p.Run)
	}
	return nil
}

func legalStep(step *scheduler.Step) error {
	switch {
	case step.IsChange():
		return legalChange(step.Property, step.Goal)
	case step.Property != drivers.Property{}:
		return step.Property.Valid()
	}
	return nil
}

// legalChange: the property can be, and the goal is one thing.
func legalChange(p drivers.Property, goal scheduler.Goal) error {
	said := 0
	for _, is := range []bool{goal.Value != nil, goal.Found, goal.Made != nil} {
		if is {
			said++
		}
	}
	if said != 1 {
		return fmt.Errorf("the goal for %s is %d things, not one", p, said)
	}
	if goal.Made != nil {
		if err := goal.Made.By.Valid(); err != nil {
			return err
		}
	}
	return p.Valid()
}
