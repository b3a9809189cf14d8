package journal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// ErrIllegal is wrapped by the error of a record that does not follow from the state.
var ErrIllegal = errors.New("not a legal transition")

func illegal(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrIllegal, fmt.Sprintf(format, args...))
}

// Fold applies one record to the state, or rejects it and leaves the state as it was. It
// depends on nothing but its arguments, and takes any record: also one that no hotspare
// has written.
func Fold(s *scheduler.State, r *Record) error {
	if n := r.facts(); n != 1 {
		return illegal("record %d says %d things, not one", r.Seq, n)
	}
	switch {
	case r.WorkspaceRequested != nil:
		return foldRequested(s, r.WorkspaceRequested)
	case r.WorkspaceNoted != nil:
		return foldNoted(s, r.At, r.WorkspaceNoted)
	case r.WorkspaceExtended != nil:
		return foldExtended(s, r.WorkspaceExtended)
	case r.HostDrained != nil:
		return foldDrained(s, r.At, r.HostDrained)
	case r.HostResumed != nil:
		return foldResumed(s, r.HostResumed)
	case r.DriftFound != nil:
		return foldDriftFound(s, r.At, r.DriftFound)
	case r.DriftGone != nil:
		return foldDriftGone(s, r.DriftGone)
	case r.DriftDecided != nil:
		return foldDriftDecided(s, r.DriftDecided)
	case r.RunAccepted != nil:
		return foldAccepted(s, r.At, r.RunAccepted.Plan)
	case r.StepBegun != nil:
		return foldBegun(s, r.At, r.StepBegun)
	case r.StepEnded != nil:
		return foldEnded(s, r.At, r.StepEnded)
	case r.StepRetried != nil:
		return foldRetried(s, r.StepRetried)
	case r.RunEnded != nil:
		return foldRunEnded(s, r.At, r.RunEnded.Run)
	default:
		s.Alerts[r.AlertSeen.Key] = r.At
		return nil
	}
}

func foldRequested(s *scheduler.State, r *WorkspaceRequested) error {
	w := r.Workspace
	if w.ID != s.NextWorkspace() {
		return illegal("workspace %q is not the next one", w.ID)
	}
	if !w.Admitted.IsZero() || w.Gone {
		return illegal("workspace %s is asked for, and was admitted or is gone", w.ID)
	}
	s.LastWorkspace = number(w.ID)
	s.Workspaces[w.ID] = &w
	return nil
}

func foldNoted(s *scheduler.State, at time.Time, r *WorkspaceNoted) error {
	w := s.Workspaces[r.Workspace]
	if w == nil || w.Gone {
		return illegal("workspace %s is not there", r.Workspace)
	}
	if r.Gone && !w.Admitted.IsZero() {
		return illegal("workspace %s was admitted: it goes by a return", w.ID)
	}
	if r.Waits != nil {
		w.Waits = *r.Waits
	}
	w.Returning = w.Returning || r.Returning
	if r.Gone {
		w.Gone, w.Ended, w.Waits = true, at, ""
	}
	return nil
}

func foldAccepted(s *scheduler.State, at time.Time, p *scheduler.Plan) error {
	if err := legalPlan(s, p); err != nil {
		return err
	}
	run := &scheduler.Run{ID: p.Run, Plan: p, State: scheduler.Running, Accepted: at}
	for range p.Steps {
		run.Steps = append(run.Steps, &scheduler.StepRun{State: scheduler.Pending})
	}
	s.LastRun = number(p.Run)
	for _, id := range p.TakesOver {
		old := s.Runs[id]
		old.State, old.By, old.Ended = scheduler.TakenOver, p.Run, at
	}
	s.Runs[p.Run] = run
	s.Stacks.Accept(p)
	settle(s)
	foldWorkspaces(s, at, p)
	forget(s)
	return nil
}

// foldWorkspaces changes the workspaces as the acceptance of a plan does: leases stand
// still while a run covers them.
func foldWorkspaces(s *scheduler.State, at time.Time, p *scheduler.Plan) {
	if w := s.Workspaces[p.Workspace]; w != nil {
		switch p.Verb {
		case scheduler.Lend:
			if w.Admitted.IsZero() {
				w.Admitted, w.Ends = at, at.Add(w.Lease)
				if p.RestorePoint != nil {
					w.Restore = p.RestorePoint.ID
				}
				w.Network = networkOf(p)
			}
			w.Waits = ""
		case scheduler.Return:
			w.Waits = ""
			w.Returning = p.Keep.IsZero()
			w.Expired, w.Keep = !p.Keep.IsZero(), p.Keep
		}
	}
	for _, v := range p.Victims {
		if w := s.Workspaces[v.Workspace]; w != nil && w.Covered.IsZero() {
			w.Covered, w.Waits = at, v.Why
		}
	}
	for _, v := range p.Returning {
		w := s.Workspaces[v.Workspace]
		switch {
		case w == nil:
		case v.Stays:
			w.Waits = v.Why
		case !w.Covered.IsZero():
			w.Ends = w.Ends.Add(at.Sub(w.Covered))
			w.Covered, w.Waits = time.Time{}, ""
		}
	}
}

// networkOf names the isolated network that a lend gives its workspace.
func networkOf(p *scheduler.Plan) string {
	for _, put := range p.Puts {
		v := put.Layer.Goal.Value
		switch {
		case v == nil:
		case put.Property.Name == drivers.NIC:
			return v.Text
		case v.Spec != nil && v.Spec.VM != nil:
			for _, network := range v.Spec.VM.Networks {
				return network
			}
		}
	}
	return ""
}

func find(s *scheduler.State, run string, step int) (*scheduler.Run, *scheduler.Step, *scheduler.StepRun, error) {
	r := s.Runs[run]
	if r == nil {
		return nil, nil, nil, illegal("there is no run %s", run)
	}
	st, sr, err := r.Step(step)
	if err != nil {
		return nil, nil, nil, illegal("%s", err)
	}
	return r, st, sr, nil
}

func foldBegun(s *scheduler.State, at time.Time, r *StepBegun) error {
	run, step, sr, err := find(s, r.Run, r.Step)
	switch {
	case err != nil:
		return err
	case run.State != scheduler.Running:
		return illegal("run %s is %s: it begins nothing", run.ID, run.State)
	case sr.State != scheduler.Pending && sr.State != scheduler.Intent:
		return illegal("step %d of run %s is %s", r.Step, run.ID, sr.State)
	case !run.Ready(step):
		return illegal("step %d of run %s waits for others", r.Step, run.ID)
	case step.IsChange() != (r.Goal != nil):
		return illegal("step %d of run %s: a change has a goal, a check has none", r.Step, run.ID)
	case step.IsChange() && r.Found == nil && !stands(s, step.Property):
		return illegal("step %d of run %s: nobody knows what stands, and nobody has looked", r.Step, run.ID)
	}
	if sr.State == scheduler.Pending && sr.Began.IsZero() {
		sr.Began = at
	}
	sr.State, sr.Forced = scheduler.Intent, sr.Forced || r.Force
	sr.Attempts++
	if step.IsChange() {
		sr.Expected, sr.Goal = r.Expected, r.Goal
		s.Stacks.Begin(step.Property, r.Found, *r.Goal)
	}
	return nil
}

// stands reports whether it is known what stands of a property.
func stands(s *scheduler.State, p drivers.Property) bool {
	stack := s.Stacks[p]
	return stack != nil && stack.Stands != nil
}

func foldEnded(s *scheduler.State, at time.Time, r *StepEnded) error {
	run, step, sr, err := find(s, r.Run, r.Step)
	if err != nil {
		return err
	}
	if err := legalEnd(s, run, step, sr, r); err != nil {
		return err
	}
	sr.State, sr.Ended, sr.Note, sr.Found = r.State, at, r.Note, r.Found
	switch {
	case step.IsChange() && r.Gone:
		s.Stacks.Gone(step.Property)
		delete(s.Drifts, step.Property)
	case !step.IsChange() || r.Stands == nil:
	case r.State == scheduler.StepDone:
		keep(s, at, run, step, *r.Stands)
		s.Stacks.Finish(step.Property, *r.Stands)
	default:
		s.Stacks.Observed(step.Property, *r.Stands)
	}
	if r.Stands != nil {
		delete(s.Drifts, step.Property)
	}
	settle(s)
	return nil
}

// legalEnd says why a step cannot end so. A step is done without a change, and without a
// begin, only where a later run has gone beyond it.
func legalEnd(s *scheduler.State, run *scheduler.Run, step *scheduler.Step, sr *scheduler.StepRun, r *StepEnded) error {
	done := r.State == scheduler.StepDone
	switch {
	case sr.State.Over():
		return illegal("step %d of run %s is %s already", r.Step, run.ID, sr.State)
	case run.State == scheduler.TakenOver && !done:
		return illegal("run %s was taken over: its plan is another run's now", run.ID)
	case r.State == scheduler.StepSkipped && sr.State != scheduler.StepHeld:
		return illegal("step %d of run %s is %s: only a held step can be skipped", r.Step, run.ID, sr.State)
	case r.Gone && (r.State != scheduler.StepSkipped || r.Stands != nil):
		return illegal("step %d of run %s is %s, and says that its target is gone", r.Step, run.ID, r.State)
	case r.State == scheduler.StepHeld && (sr.State == scheduler.StepHeld || r.Stands != nil):
		return illegal("step %d of run %s is held already, or says what stands", r.Step, run.ID)
	case r.State == scheduler.StepHeld, r.State == scheduler.StepSkipped:
		return nil
	case !done:
		return illegal("a step does not end as %q", r.State)
	case sr.State == scheduler.Intent && (!step.IsChange() || r.Stands != nil):
		return nil
	case sr.State != scheduler.StepHeld && r.Stands == nil && s.Superseded(run, step) != "":
		return nil
	case sr.State != scheduler.Intent:
		return illegal("step %d of run %s was not begun", r.Step, run.ID)
	}
	return illegal("step %d of run %s is done, and nobody says what stands", r.Step, run.ID)
}

// keep remembers the writes that a demotion left, by name, and forgets those that a
// promotion took up again.
func keep(s *scheduler.State, at time.Time, run *scheduler.Run, step *scheduler.Step, stands drivers.Value) {
	if step.Property.Name != drivers.Role {
		return
	}
	if spec := step.Goal.Value; spec != nil && spec.Spec != nil && spec.Spec.Replica != nil && spec.Spec.Replica.Kept != "" {
		delete(s.Kept, spec.Spec.Replica.Kept)
	}
	if stands.Text != drivers.Secondary || len(stands.Made) == 0 {
		return
	}
	name := run.ID
	if before := s.Stacks[step.Property]; before != nil {
		for _, v := range before.Expected() {
			if v.Spec != nil && v.Spec.Replica != nil {
				name = v.Spec.Replica.As
			}
		}
	}
	k := s.Kept[name]
	if k == nil {
		k = &scheduler.Kept{Name: name, Group: run.Plan.Group, Replica: step.Property, At: at, Word: run.Plan.Writes, Volumes: map[string]string{}}
		s.Kept[name] = k
	}
	for volume, endpoint := range stands.Made {
		k.Volumes[volume] = endpoint
	}
}

func foldRetried(s *scheduler.State, r *StepRetried) error {
	run, _, sr, err := find(s, r.Run, r.Step)
	switch {
	case err != nil:
		return err
	case run.State != scheduler.Running:
		return illegal("run %s is %s", run.ID, run.State)
	case sr.State != scheduler.StepHeld:
		return illegal("step %d of run %s is %s: only a held step can be retried", r.Step, run.ID, sr.State)
	}
	sr.State, sr.Found = scheduler.Pending, nil
	return nil
}

func foldRunEnded(s *scheduler.State, at time.Time, id string) error {
	run := s.Runs[id]
	if run == nil || run.State != scheduler.Running {
		return illegal("run %s does not run", id)
	}
	if !run.Finished() {
		return illegal("run %s has steps that are not over", id)
	}
	run.State, run.Ended = scheduler.RunDone, at
	if w := s.Workspaces[run.Plan.Workspace]; w != nil && run.Plan.Verb == scheduler.Return && run.Plan.Keep.IsZero() {
		w.Gone, w.Ended, w.Returning = true, at, false
	}
	forget(s)
	return nil
}

func number(id string) int {
	_, digits, _ := strings.Cut(id, "-")
	n, _ := strconv.Atoi(digits)
	return n
}
