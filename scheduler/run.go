package scheduler

import (
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// RunState says how far a run is.
type RunState string

// The states of a run.
const (
	Running   RunState = "running" // also while some of its steps are held
	RunDone   RunState = "done"
	TakenOver RunState = "taken over" // by another run, which plans what is left of it
)

// StepState says how far a step is.
type StepState string

// The states of a step.
const (
	Pending     StepState = "pending"
	Intent      StepState = "intent" // what was found is durable, the change may have begun
	StepDone    StepState = "done"
	StepHeld    StepState = "held"    // a person says: retry, or skip with a reason
	StepSkipped StepState = "skipped" // by a person
)

// Over reports whether steps that wait for this one may go on.
func (s StepState) Over() bool { return s == StepDone || s == StepSkipped }

// Run is one execution of a plan.
type Run struct {
	ID       string     `json:"id"`
	Plan     *Plan      `json:"plan"`
	State    RunState   `json:"state"`
	Accepted time.Time  `json:"accepted"`
	Ended    time.Time  `json:"ended,omitzero"`
	By       string     `json:"takenOverBy,omitempty"`
	Steps    []*StepRun `json:"steps"` // by [Step.ID] minus one
}

// StepRun is what became of one step.
type StepRun struct {
	State    StepState       `json:"state"`
	Attempts int             `json:"attempts,omitempty"`
	Forced   bool            `json:"forced,omitempty"` // the grace is over
	Expected []drivers.Value `json:"expected,omitempty"`
	Goal     *drivers.Value  `json:"goal,omitempty"`
	Began    time.Time       `json:"began,omitzero"`
	Ended    time.Time       `json:"ended,omitzero"`
	// Note is the last error, the reason for a skip, or who answered a check.
	Note string `json:"note,omitempty"`
	// Found is what stood instead, where the step is held for drift.
	Found *drivers.Value `json:"found,omitempty"`
}

// Step gives a step and what became of it.
func (r *Run) Step(id int) (*Step, *StepRun, error) {
	if id < 1 || id > len(r.Steps) {
		return nil, nil, fmt.Errorf("run %s has no step %d; it has steps 1 to %d", r.ID, id, len(r.Steps))
	}
	return &r.Plan.Steps[id-1], r.Steps[id-1], nil
}

// Ready reports whether all steps that the step waits for are over.
func (r *Run) Ready(step *Step) bool {
	for _, before := range step.After {
		if !r.Steps[before-1].State.Over() {
			return false
		}
	}
	return true
}

// Counts tells how many steps are in which state.
func (r *Run) Counts() map[StepState]int {
	counts := map[StepState]int{}
	for _, s := range r.Steps {
		counts[s.State]++
	}
	return counts
}

// Finished reports whether every step is over.
func (r *Run) Finished() bool {
	for _, s := range r.Steps {
		if !s.State.Over() {
			return false
		}
	}
	return true
}

// Stuck reports whether nothing can go on before a person acts on a held step.
func (r *Run) Stuck() bool {
	held := false
	for i := range r.Plan.Steps {
		switch s := r.Steps[i].State; {
		case s == StepHeld:
			held = true
		case s == Intent, s == Pending && r.Ready(&r.Plan.Steps[i]):
			return false
		}
	}
	return held
}

// TimeToReady is the time from the acceptance to the last readiness check, zero where
// the run has none or is not there yet.
func (r *Run) TimeToReady() time.Duration {
	var last time.Time
	for i, s := range r.Steps {
		if c := r.Plan.Steps[i].Check; c == nil || c.Kind != CheckReady {
			continue
		}
		if s.State != StepDone {
			return 0
		}
		if s.Ended.After(last) {
			last = s.Ended
		}
	}
	if last.IsZero() {
		return 0
	}
	return last.Sub(r.Accepted)
}
