package scheduler

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Drift is a property at the site that is not as our last change left it. A person says
// what becomes of it.
type Drift struct {
	ID       string           `json:"id"` // "d-7"
	Property drivers.Property `json:"property"`
	Since    time.Time        `json:"since"`  // when it was first seen
	Stands   drivers.Value    `json:"stands"` // what our last change left
	Found    drivers.Value    `json:"found"`  // what was observed instead; absent where the target is gone
}

// NextDrift names what comes next.
func (s *State) NextDrift() string { return fmt.Sprintf("d-%d", s.LastDrift+1) }

// SortedDrifts lists the drifts that are open, oldest first.
func (s *State) SortedDrifts() []*Drift {
	var all []*Drift
	for _, d := range s.Drifts {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *Drift) int { return byID(a.ID, b.ID) })
	return all
}

// WorkedOn names a running run that has yet to change p's target; empty where none has.
func (s *State) WorkedOn(p drivers.Property) string {
	target := p.On("", "")
	for _, run := range s.RunningRuns() {
		for i := range run.Plan.Steps {
			if step := &run.Plan.Steps[i]; step.IsChange() && !run.Steps[i].State.Over() && step.Property.On("", "") == target {
				return run.ID
			}
		}
	}
	return ""
}

// SameValue reports whether two observed values are the same, as far as can be told without
// the driver: the text, and the driver's rest as JSON where both have one.
func SameValue(a, b drivers.Value) bool {
	if a.Text != b.Text || len(a.Rest) == 0 || len(b.Rest) == 0 {
		return a.Text == b.Text
	}
	var x, y any
	if json.Unmarshal(a.Rest, &x) != nil || json.Unmarshal(b.Rest, &y) != nil {
		return string(a.Rest) == string(b.Rest)
	}
	return reflect.DeepEqual(x, y)
}
